"""The hold: one row, which is always there. Claims read it under a shared lock, what changes it takes the whole lock:
so a claim that began before is over when the change is made, and one that begins later sees it.

Every function runs inside a transaction.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import attrs
from sqlalchemy import ColumnElement, Row, and_, false, select, text, true, update

from ...model.caller import Caller
from ...model.change import Change
from ...model.errors import Conflict, Invalid, NotFound, OnHold, Stale
from ...model.hold import Hold
from ...model.order import Versions
from ...model.selection import Selection
from . import listen_notify
from .nodes import of_older_release
from .tables import hold, jobs
from .transaction import Transaction, database_now, has_clock, in_utc
from .visibility import of_tasks, selected

NONE = "nothing is on hold"
_TURN = 0x6A6F62686F6C  # "jobhol": what the lock is called on PostgreSQL, where it needs a number
_SHARED = text(f"SELECT pg_advisory_xact_lock_shared({_TURN})")
_SHARED_NOW = text(f"SELECT pg_advisory_xact_lock_shared({_TURN}), clock_timestamp()")
_WHOLE = text(f"SELECT pg_advisory_xact_lock({_TURN})")
_ASK = select(hold).where(hold.c.id == 1)
_ASK_SHARED = _ASK.with_for_update(read=True)
_ASK_WHOLE = _ASK.with_for_update()


def last(transaction: Transaction) -> Hold | None:
    """The hold that there is, or was last; None: there was none yet."""
    return _from_row(transaction.execute(_ASK).one_or_none())


def current(transaction: Transaction, local: datetime) -> Hold | None:
    """The hold that there is."""
    found = last(transaction)
    return None if found is None or found.is_over(database_now(transaction, local)) else found


def standing(transaction: Transaction) -> Hold | None:
    """As `last`; nobody makes or changes one until the transaction ends. On PostgreSQL the lock has a statement of its
    own, for a statement sees what was there when it began."""
    if transaction.dialect.name == "postgresql":
        transaction.execute(_SHARED)
        return last(transaction)
    return _from_row(transaction.execute(_ASK_SHARED).one_or_none())


def standing_now(transaction: Transaction, local: datetime) -> tuple[datetime, Hold | None]:
    """The time, as `database_now` has it, and the hold, as `standing` has it: in one statement less on PostgreSQL."""
    if transaction.dialect.name == "postgresql" and has_clock(transaction):
        instant = in_utc(transaction.execute(_SHARED_NOW).one()[1])
        return instant, last(transaction)
    return database_now(transaction, local), standing(transaction)


def put(
    transaction: Transaction, wanted: Hold, versions: Versions, anew: bool, asker: str, caller: Caller
) -> tuple[Hold | None, Hold]:
    """Hold what `wanted` says; `anew`: no version was given, so there must be none. What was held, and what is now."""
    kept = _held(transaction)
    if names := of_older_release(transaction):
        raise Conflict(
            "jobs can be put on hold once no node of an older release, which would start them, is alive: "
            + ", ".join(names[:9])
        )
    instant = database_now(transaction, wanted.at)
    tell_end(transaction, instant)
    before = None if kept is None or kept.is_over(instant) else kept
    if wanted.is_over(instant):
        raise Invalid("lies in the past", "/until")
    if before is not None:
        if anew:
            raise OnHold(f"{before.words}; with If-Match that can be changed")
        _check(before, versions)
        before.must_belong_to(caller)
        wanted = attrs.evolve(wanted, at=before.at)
    elif not anew:
        raise Stale(NONE)
    else:
        wanted = attrs.evolve(wanted, at=instant)
    stored = attrs.evolve(wanted, version=1 if kept is None else kept.version + 1)
    _write(transaction, stored, told=False)
    listen_notify.tell(transaction, asker)
    return before, stored


def release(transaction: Transaction, versions: Versions, now: datetime, asker: str, caller: Caller) -> Hold:
    """End the hold; as it was. What is kept says when it ended, for dues that nobody has decided yet."""
    before, instant = _held(transaction), database_now(transaction, now)
    if before is None or before.is_over(instant):
        raise NotFound(NONE)
    _check(before, versions)
    before.must_belong_to(caller)
    after = attrs.evolve(before, until=max(instant, before.at), version=before.version + 1)
    _write(transaction, after, told=True)
    listen_notify.tell(transaction, asker)
    return before


def next_end(transaction: Transaction, local: datetime, clocks: timedelta) -> datetime | None:
    """When it ends by itself, or has ended and nobody was told; told or not until `clocks` behind it."""
    row = transaction.execute(select(hold.c.until, hold.c.told).where(hold.c.until.is_not(None))).first()
    return None if row is None or (row.told and row.until + clocks <= local) else row.until


def tell_end(transaction: Transaction, instant: datetime) -> None:
    """Tell those who follow changes that it has ended by itself, if it has: once, whoever finds it first."""
    over = (hold.c.until <= instant, hold.c.told == false())
    if transaction.execute(update(hold).where(hold.c.id == 1, *over).values(told=True)).rowcount:
        transaction.changes.append(Change(kind="hold", what="end"))


def left_undecided(transaction: Transaction, local: datetime) -> ColumnElement[bool] | None:
    """The jobs whose dues are left alone now, because a hold says so; None: there are none such."""
    found = last(transaction)
    if found is None or found.missed == "skip" or found.is_over(database_now(transaction, local)):
        return None
    return held_jobs(transaction, found)


def held_jobs(transaction: Transaction, found: Hold) -> ColumnElement[bool]:
    """Whether a row of `jobs` is on hold: as `Hold.stops` has it."""
    seen = true() if found.tasks is None else of_tasks(transaction, jobs.c.task, tuple(found.tasks))
    return and_(selected(transaction, found.select), seen)


def _check(found: Hold, versions: Versions) -> None:
    if versions is not None and found.version not in versions:
        raise Stale(f"the hold is at version {found.version} by now")


def _held(transaction: Transaction) -> Hold | None:
    """As `last`, and nobody else reads or changes it until the transaction ends, but for who only looks."""
    if transaction.dialect.name == "postgresql":
        transaction.execute(_WHOLE)
    return _from_row(transaction.execute(_ASK_WHOLE).one_or_none())


def _write(transaction: Transaction, new: Hold, *, told: bool) -> None:
    values: dict[str, Any] = attrs.asdict(new, recurse=False) | {"told": told}
    values["select"] = new.select.fields
    values["tasks"] = None if new.tasks is None else list(new.tasks)
    transaction.execute(update(hold).where(hold.c.id == 1).values(values))


def _from_row(row: Row[*tuple[object, ...]] | None) -> Hold | None:
    if row is None or row.at is None:
        return None
    fields = {name: value for name, value in row._mapping.items() if name not in ("id", "told")}
    tasks = None if row.tasks is None else tuple(row.tasks)
    return Hold(**(fields | {"select": Selection.of(row.select), "tasks": tasks, "reason": row.reason or ""}))
