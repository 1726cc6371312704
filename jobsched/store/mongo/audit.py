"""The audit log: each entry is written in the transaction of its change. Orders do not know of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import attrs

from ...model.audit import AuditFilter, Entry
from ...model.ids import least
from ...model.page import Page, cut
from .documents import Document, from_document, instant_to_number, to_document
from .transaction import Transaction

_NEWEST = [("_id", -1)]


def write_all(transaction: Transaction, entries: Sequence[Entry]) -> list[Entry]:
    """Add entries of one instant, in order, and return them as they were written: by the server's time. With the clocks
    of two nodes, a later change through one node could seem to come before an earlier change through the other."""
    written = list(entries)
    if written and transaction.has_clock:
        instant = transaction.clock()
        written = [attrs.evolve(entry, at=instant, id=transaction.ids.make(instant)) for entry in entries]
    transaction.insert("audit", map(to_document, written))
    return written


def fitting(transaction: Transaction, limit: int, before: str | None, only: AuditFilter, room: int) -> Page[Entry]:
    """As `AuditEntries.page`."""
    found = transaction.find("audit", _asked(before, only), _NEWEST, limit + 1)
    ids, more = cut(((each["_id"], _weight(each)) for each in found), limit, room)
    return Page([from_document(Entry, each) for each in found[: len(ids)]], more)


def forget(transaction: Transaction, before: datetime, most: int) -> int:
    """As `Retention.forget_entries`."""
    old = transaction.find("audit", {"_id": {"$lt": least(before)}}, [("_id", 1)], most, {"_id": 1})
    return transaction.delete("audit", {"_id": {"$in": [each["_id"] for each in old]}})


def _weight(entry: Document) -> int:
    return sum(len(entry[name] or "") for name in ("before", "after"))


def _asked(before: str | None, only: AuditFilter) -> Document:
    which: Document = {
        name: value
        for name, value in (("action", only.action), ("who", only.who), ("group", only.group))
        if value is not None
    }
    if only.target is not None:
        which["$or"] = [{"target": only.target}, {"job_id": only.target}]
    ids: Document = {} if before is None else {"$lt": before}
    at: Document = {}
    if only.begin is not None:  # ids never sort before the instant at which they were made: where to stop looking
        at["$gte"], ids["$gte"] = instant_to_number(only.begin), least(only.begin)
    if only.end is not None:
        at["$lt"] = instant_to_number(only.end)
    return which | ({"_id": ids} if ids else {}) | ({"at": at} if at else {})
