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
from ...model.hold import Hold
from ...model.order import Versions
from ...model.selection import Selection
from .. import holding
from . import listen_notify
from .nodes import of_older_release
from .tables import hold, jobs
from .transaction import Transaction, database_now, has_clock, in_utc
from .visibility import of_tasks, selected

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


class Holding(holding.Records):
    """What is asked of a transaction, and written in it."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def now(self, local: datetime) -> datetime:
        return database_now(self._in, local)

    def older_nodes(self) -> list[str]:
        return of_older_release(self._in)

    def hold_hold(self) -> Hold | None:
        return held(self._in)

    def tell_hold_end(self, instant: datetime) -> None:
        tell_end(self._in, instant)

    def write_hold(self, new: Hold, *, told: bool) -> None:
        write(self._in, new, told=told)

    def wake(self, asker: str) -> None:
        listen_notify.tell(self._in, asker)


def put(
    transaction: Transaction, wanted: Hold, versions: Versions, anew: bool, asker: str, caller: Caller
) -> tuple[Hold | None, Hold]:
    """As `holding.put`."""
    return holding.put(Holding(transaction), wanted, versions, anew, asker, caller)


def release(transaction: Transaction, versions: Versions, now: datetime, asker: str, caller: Caller) -> Hold:
    """As `holding.release`."""
    return holding.release(Holding(transaction), versions, now, asker, caller)


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


def held(transaction: Transaction) -> Hold | None:
    """As `last`, and nobody else reads or changes it until the transaction ends, but for who only looks."""
    if transaction.dialect.name == "postgresql":
        transaction.execute(_WHOLE)
    return _from_row(transaction.execute(_ASK_WHOLE).one_or_none())


def write(transaction: Transaction, new: Hold, *, told: bool) -> None:
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
