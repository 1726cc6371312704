"""The hold: one document, made with the first one.

An order that writes it writes the documents of all living nodes too, as each claim writes that of its own node: so the
claims under way are over, or are made again and see it.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from ...model.change import Change
from ...model.hold import Hold
from ...model.selection import Selection
from .documents import Document, instant_of, plain, up_to
from .transaction import Transaction

_ONE = "hold"


def last(transaction: Transaction) -> Hold | None:
    """The hold that there is, or was last; None: there was none yet."""
    return _from_document(transaction.first("hold", {"_id": _ONE}))


def current(transaction: Transaction, local: datetime) -> Hold | None:
    """As `Holds.current`."""
    found = last(transaction)
    return None if found is None or found.is_over(transaction.now(local)) else found


def held(transaction: Transaction) -> Hold | None:
    """As `last`; no claim and no other order goes by it until the transaction ends."""
    transaction.hold_living()
    return _from_document(transaction.hold("hold", _ONE))


def write(transaction: Transaction, new: Hold, *, told: bool) -> None:
    """Store it in place of the one before."""
    said = {name: plain(getattr(new, name)) for name in ("by", "at", "until", "reason", "missed", "waiting", "version")}
    tasks = None if new.tasks is None else list(new.tasks)
    said |= {"select": json.dumps(new.select.fields), "tasks": tasks, "told": told}
    transaction.update("hold", {"_id": _ONE}, said)


def tell_end(transaction: Transaction, instant: datetime) -> None:
    """Tell those who follow changes that it has ended by itself, if it has: once, whoever finds it first."""
    if transaction.update("hold", {"_id": _ONE, "told": False, "until": up_to(instant)}, {"told": True}):
        transaction.changes.append(Change(kind="hold", what="end"))


def next_end(transaction: Transaction, local: datetime, clocks: timedelta) -> datetime | None:
    """When it ends by itself, or has ended and nobody was told; told or not until `clocks` behind it."""
    found = transaction.first("hold", {"_id": _ONE, "until": {"$ne": None}})
    if found is None:
        return None
    until = instant_of(found["until"])
    return None if found["told"] and until + clocks <= local else until


def _from_document(found: Document | None) -> Hold | None:
    if found is None or found.get("at") is None:
        return None
    return Hold(
        by=found["by"],
        at=instant_of(found["at"]),
        until=None if found["until"] is None else instant_of(found["until"]),
        reason=found["reason"],
        select=Selection.of(json.loads(found["select"])),
        tasks=None if found["tasks"] is None else tuple(found["tasks"]),
        missed=found["missed"],
        waiting=found["waiting"],
        version=found["version"],
    )
