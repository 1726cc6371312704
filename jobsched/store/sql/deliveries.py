"""Notifications on their way: taken by the node that makes the next attempt, settled after it, shown to callers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

import attrs
from sqlalchemy import Boolean, ColumnElement, bindparam, delete, or_, select, update

from ...model.delivery import LOOKED_AT, Attempt, Delivery, lease
from ...model.ids import least
from . import queries
from .nodes import agreed_lease
from .tables import deliveries
from .transaction import TableRow, Transaction, database_now
from .visibility import of_tasks

_SHOWN = [column for column in deliveries.c if column is not deliveries.c.body]
_WRITTEN = ("state", "not_before", "ended", "status", "error")
_WAITS = deliveries.c.state == "waiting"
_FORGET_OF = delete(deliveries).where(deliveries.c.run_id.in_(bindparam("ids", expanding=True)), ~_WAITS)
_LATEST = deliveries.c.attempts == bindparam("latest")  # a newer attempt is under way, if it is not
_SETTLE = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("key"), _WAITS, or_(bindparam("over", type_=Boolean), _LATEST))
    .values({name: bindparam(f"new_{name}", type_=deliveries.c[name].type) for name in _WRITTEN})
)


def soonest(transaction: Transaction, full: Sequence[str], only: Sequence[str] | None = None) -> datetime | None:
    """The earliest instant at which an attempt may be made. Notifications to the places in `full`, which take no more
    now, are left out; if `only` is given, notifications to other places are left out too."""
    query = select(deliveries.c.not_before).where(_WAITS, *_at(full, only))
    return transaction.execute(query.order_by(deliveries.c.not_before).limit(1)).scalar()


def take(
    transaction: Transaction, local: datetime, most: int, of_one: int, busy: Mapping[str, int],
    only: Sequence[str] | None = None,
) -> list[Delivery]:  # fmt: skip
    """Up to `most` notifications whose attempt may be made now, those that wait longest first. If `only` is given, only
    notifications to these places. No place gets more than `of_one`, and those that are `busy` there already count. The
    notifications belong to this node for the time of the lease."""
    instant = database_now(transaction, local)
    full = [place for place, number in busy.items() if number >= of_one]
    query = (
        select(deliveries)
        .where(_WAITS, deliveries.c.not_before <= instant, *_at(full, only))
        .order_by(deliveries.c.not_before, deliveries.c.id)
        .limit(LOOKED_AT)
    )
    there = Counter(busy)
    taken: list[Delivery] = []
    for row in transaction.execute(query.with_for_update(skip_locked=True)):
        if len(taken) < most and there[row.place] < of_one:
            there[row.place] += 1
            taken.append(attrs.evolve(from_row(row), attempts=row.attempts + 1))
    if taken:
        mine = deliveries.c.id.in_([delivery.id for delivery in taken])
        leased = {"not_before": instant + lease(agreed_lease(transaction)), "attempts": deliveries.c.attempts + 1}
        transaction.execute(update(deliveries).where(mine).values(leased))
    return taken


def _at(full: Sequence[str], only: Sequence[str] | None) -> list[ColumnElement[bool]]:
    if only is not None:
        return [deliveries.c.place.in_([place for place in only if place not in full])]
    return [deliveries.c.place.not_in(full)] if full else []


def settle(transaction: Transaction, attempts: Sequence[Attempt]) -> None:
    """Write the results of attempts, unless a newer state is stored already."""
    if attempts:
        transaction.execute(_SETTLE, [_settled(attempt) for attempt in attempts])


def _settled(attempt: Attempt) -> dict[str, object]:
    which = {"key": attempt.id, "latest": attempt.number, "over": attempt.state != "waiting"}
    return which | {f"new_{name}": getattr(attempt, name) for name in _WRITTEN}


def of_run(transaction: Transaction, run_id: str, limit: int, before: str | None) -> tuple[str, list[Delivery]]:
    """The task of a run, and the notifications about the run, newest first. Raises NotFound."""
    run = queries.run(transaction, run_id)
    return run.task, _page(transaction, deliveries.c.run_id == run_id, limit, before)


def of_job(
    transaction: Transaction, job_id: str, limit: int, before: str | None, tasks: tuple[str, ...] | None
) -> list[Delivery]:
    """The notifications about a job, newest first, if their task, at the time, was among `tasks`. Raises NotFound if
    there is no trace of the job."""
    its = deliveries.c.job_id == job_id
    if tasks is not None:
        its &= of_tasks(transaction, deliveries.c.task, tasks)
    found = _page(transaction, its, limit, before)
    if not found:
        queries.must_be_known(transaction, job_id, tasks)
    return found


def forget_of(transaction: Transaction, run_ids: Sequence[str]) -> None:
    """Drop the notifications about these runs. Notifications that still wait are kept."""
    transaction.execute(_FORGET_OF, {"ids": list(run_ids)})


def forget(transaction: Transaction, before: datetime, most: int) -> int:
    """Drop up to `most` notifications that were made before that instant and do not wait any more. Returns their
    number."""
    query = select(deliveries.c.id).where(deliveries.c.id < least(before), ~_WAITS).order_by(deliveries.c.id)
    ids = list(transaction.execute(query.limit(most).with_for_update(skip_locked=True)).scalars())
    if ids:
        transaction.execute(delete(deliveries).where(deliveries.c.id.in_(ids)))
    return len(ids)


def _page(transaction: Transaction, which: ColumnElement[bool], limit: int, before: str | None) -> list[Delivery]:
    query = select(*_SHOWN).where(which).order_by(deliveries.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(deliveries.c.id < before)
    return [from_row(row) for row in transaction.execute(query)]


def from_row(row: TableRow) -> Delivery:
    """The record of a row that holds every column of `deliveries`, or all that are shown."""
    return Delivery(**{"body": {}, **row._mapping})
