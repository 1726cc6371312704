"""Jobs in the store. Every function runs inside a transaction."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from datetime import datetime
from functools import cache
from operator import itemgetter
from typing import TypeVar

from sqlalchemy import Update, and_, bindparam, delete, false, insert, or_, select, true, update

from ...model.hold import Hold
from ...model.ids import EPOCH
from ...model.job import Due, Job, JobFilter
from ...model.page import Page, cut
from ...model.upcoming import Planned, PlannedFilter, Stop
from ..job_columns import from_row, of, pause_of, schedule_of
from . import holds, job_keys, job_lists, labels
from .column_types import weight
from .many import Many, named
from .tables import jobs
from .transaction import Query, TableRow, Transaction
from .visibility import of_tasks

Q = TypeVar("Q", bound=Query)

AWAKE = jobs.c.paused == false()  # not `IS false`, for which MySQL uses no index
_NOT_OURS = ("succeeded", "failing")  # what other statements write into the row of a job
_COLUMNS = tuple(column.name for column in jobs.columns if column.name not in _NOT_OURS)
_ADD, _values = Many(insert(jobs), _COLUMNS), itemgetter(*_COLUMNS)
_MOVE = (
    update(jobs)
    .where(jobs.c.id == bindparam("key"))
    .values(next_due=bindparam("new_due", type_=jobs.c.next_due.type), starts=bindparam("new_starts"))
)
_PLANNED = (
    *(jobs.c.id, jobs.c.name, jobs.c.task, jobs.c.every, jobs.c.anchor, jobs.c.cron, jobs.c.at, jobs.c.timezone),
    *(jobs.c.start, jobs.c.end, jobs.c.jitter, jobs.c.next_due, jobs.c.starts, jobs.c.max_runs),
    *(jobs.c.paused, jobs.c.paused_by, jobs.c.paused_at, jobs.c.paused_until, jobs.c.pause_reason),
)
_LOCK_DUE = (  # built once: building costs more than asking
    select(jobs)
    .where(
        jobs.c.id.in_(bindparam("ids", expanding=True)),
        jobs.c.next_due <= bindparam("now", type_=jobs.c.next_due.type),
        AWAKE,
    )
    .order_by(jobs.c.next_due, jobs.c.id)
    .with_for_update(skip_locked=True)
)
_STATE = {
    "scheduled": and_(jobs.c.next_due.is_not(None), AWAKE),
    "paused": jobs.c.paused.is_(True),
    "ended": and_(jobs.c.next_due.is_(None), AWAKE),
}
_WEIGHT = weight(jobs.c.parameters, jobs.c.require, jobs.c.notify, jobs.c.labels, jobs.c.description)
_DUE = (jobs.c.id, jobs.c.next_due, jobs.c.every, jobs.c.task, jobs.c.require)


def add(transaction: Transaction, new: Iterable[Job], *, new_ids: Container[str] = ()) -> None:
    """Store new jobs; `new_ids` are those among their ids that nobody has had before."""
    added = list(new)
    _ADD.execute(transaction, (_values(of(job)) for job in added))
    labels.add(transaction, [job for job in added if job.id in new_ids])
    labels.put(transaction, [job for job in added if job.id not in new_ids])


def get(transaction: Transaction, job_id: str) -> Job | None:
    """The job of that id."""
    row = transaction.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
    return None if row is None else from_row(row)


def page(transaction: Transaction, limit: int, only: JobFilter | None = None) -> list[Job]:
    """The first `limit` jobs in the list, oldest first."""
    query = _fitting(transaction, select(jobs), only or JobFilter())
    found = transaction.execute(query.order_by(jobs.c.created, jobs.c.id).limit(limit))
    return [from_row(row) for row in named(found)]


def by_id(transaction: Transaction, limit: int, after: str) -> list[Job]:
    """Up to `limit` jobs with ids behind `after`, by id."""
    query = select(jobs).where(jobs.c.id > after).order_by(jobs.c.id).limit(limit)
    return [from_row(row) for row in named(transaction.execute(query))]


def fitting(
    transaction: Transaction, limit: int, after: str, only: JobFilter, room: int
) -> Page[tuple[Job, str]]:  # fmt: skip
    """Up to `limit` jobs behind the place `after` in the order that `only` asks for, each with its place. The jobs have
    no more than `room` bytes together."""
    asked = _fitting(transaction, select(jobs.c.id), only)
    places = dict(job_lists.ordered(transaction, asked, only.order, after, limit + 1))
    query = select(jobs.c.id, _WEIGHT).where(jobs.c.id.in_(places))
    weights = {row[0]: row[1] for row in transaction.execute(query)}
    ids, more = cut(((job_id, weights[job_id]) for job_id in places), limit, room)
    rows = named(transaction.execute(select(jobs).where(jobs.c.id.in_(ids))))
    found = {row.id: from_row(row) for row in rows}
    return Page([(found[job_id], places[job_id]) for job_id in ids], more)


def _fitting(transaction: Transaction, query: Q, only: JobFilter) -> Q:
    if only.name is not None:
        query = query.where(jobs.c.name == only.name)
    if only.names is not None:
        fits = (of_tasks(transaction, column, (only.names,)) for column in (jobs.c.name, jobs.c.id))
        query = query.where(or_(*fits))
    if only.task is not None:
        query = query.where(jobs.c.task == only.task)
    if only.state is not None:
        query = query.where(_STATE[only.state])
    if only.overdue is not None:
        query = query.where(jobs.c.overdue.is_not(None) if only.overdue else jobs.c.overdue.is_(None))
    if only.failing or only.needy:
        fails = job_lists.fails(transaction)
        query = query.where(fails if only.failing else or_(jobs.c.overdue.is_not(None), fails))
    if only.tasks is not None:
        query = query.where(of_tasks(transaction, jobs.c.task, only.tasks))
    for label in only.labels:
        query = query.where(labels.has(jobs.c.id, label))
    for word in only.words:
        query = query.where(job_lists.found_by(transaction, word))
    return query


def put(transaction: Transaction, job: Job) -> None:
    """Write a job over the stored job with the same id."""
    row = of(job)
    transaction.execute(_write_over(tuple(row)), {"key": job.id} | {f"new_{name}": row[name] for name in row})
    labels.put(transaction, [job])


def remove(transaction: Transaction, job_id: str) -> None:
    """Forget a job, and with it what it is found by."""
    transaction.execute(delete(jobs).where(jobs.c.id == job_id))
    labels.forget(transaction, [job_id])
    job_keys.forget(transaction, [job_id])


@cache  # building costs more than asking
def _write_over(names: tuple[str, ...]) -> Update:
    values = {name: bindparam(f"new_{name}", type_=jobs.c[name].type) for name in names}
    return update(jobs).where(jobs.c.id == bindparam("key")).values(values)


def due_before(
    transaction: Transaction, instant: datetime, most: int, after: Due | None = None, now: datetime | None = None
) -> list[Due]:
    """Up to `most` jobs that are due before `instant`, soonest first; if `after` is given, only jobs behind it. Paused
    jobs are not due, nor are jobs whose dues a hold leaves undecided at `now`."""
    query = select(*_DUE).where(jobs.c.next_due < instant, AWAKE).order_by(jobs.c.next_due, jobs.c.id).limit(most)
    if after is not None:
        same = and_(jobs.c.next_due == after.next_due, jobs.c.id > after.id)
        query = query.where(or_(jobs.c.next_due > after.next_due, same))
    if (left := holds.left_undecided(transaction, now or instant)) is not None:
        query = query.where(~left)
    return [Due(**row._asdict()) for row in named(transaction.execute(query))]


def dues_of(transaction: Transaction, ids: Iterable[str]) -> list[Due]:
    """The next dues of these jobs, soonest first. Paused jobs are not due."""
    query = select(*_DUE).where(jobs.c.id.in_(ids), jobs.c.next_due.is_not(None), AWAKE)
    query = query.order_by(jobs.c.next_due, jobs.c.id)
    return [Due(**row._asdict()) for row in named(transaction.execute(query))]


def planned(transaction: Transaction, only: PlannedFilter, most: int) -> list[Planned]:
    """Up to `most` jobs that will be due before `only.end`, soonest first; without what they would be given."""
    asked, hold = JobFilter(task=only.task, labels=only.labels, tasks=only.tasks), holds.last(transaction)
    held = false() if hold is None else holds.held_jobs(transaction, hold)
    pausing = and_(jobs.c.paused == true(), jobs.c.paused_until >= EPOCH, jobs.c.paused_at >= EPOCH)
    found: list[Planned] = []
    for some in (AWAKE, pausing):
        query = select(*_PLANNED, held.label("held")).where(jobs.c.next_due < only.end, some)
        if only.job_id is not None:
            query = query.where(jobs.c.id == only.job_id)
        query = query.order_by(jobs.c.next_due, jobs.c.id).limit(most)
        found += (_plan(row, hold) for row in named(transaction.execute(_fitting(transaction, query, asked))))
    return sorted(found, key=lambda job: (job.next_due, job.id))[:most]


def _plan(row: TableRow, hold: Hold | None) -> Planned:
    pause = pause_of(row) if row.paused else None
    return Planned(
        id=row.id,
        name=row.name,
        task=row.task,
        schedule=schedule_of(row),
        timezone=row.timezone,
        next_due=row.next_due,
        left=None if row.max_runs is None else max(row.max_runs - row.starts, 1),
        stops=(
            *([] if pause is None else [Stop.of_pause(pause)]),
            *([Stop.of_hold(hold)] if hold is not None and row.held else []),
        ),
    )


def lock_due(transaction: Transaction, ids: Sequence[str], now: datetime) -> list[Job]:
    """The jobs among `ids` that are due at `now`, soonest first, held until the transaction ends.

    A job that another node holds is left out: that node is deciding it.
    """
    return [from_row(row) for row in named(transaction.execute(_LOCK_DUE, {"ids": list(ids), "now": now}))]


def move_on(transaction: Transaction, moved: Iterable[tuple[Job, datetime | None, int]]) -> None:
    """For each (job, next_due, starts): store the next due, and add the starts. A due that was decided never comes
    back."""
    rows = [{"key": job.id, "new_due": due, "new_starts": job.starts + starts} for job, due, starts in moved]
    if rows:
        transaction.execute(_MOVE, rows)
