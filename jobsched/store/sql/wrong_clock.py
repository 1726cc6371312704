"""What a wrong clock has written ahead of the right one: found after the clock was set back, and put right.

The rule is `model/wrong_clock`. Dues that are computed anew may already have an outcome by the other clock. A run that
started, or is to start, keeps its outcome and does not start again; a due that was missed or skipped before it came
does not count. Every function runs inside a transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import attrs
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    and_,
    case,
    delete,
    func,
    null,
    or_,
    select,
    type_coerce,
    update,
)

from ...model.ids import BACK, MICROSECOND, least
from ...model.job import Job
from ...model.overdue import SKEW
from ...model.owed import Stretch
from ...model.run import NEVER_RAN, Run
from ...model.trigger import Interval, Schedule
from ...model.wrong_clock import RAN_AHEAD, SET_BACK, Evidence, anew
from . import job_columns
from . import runs as run_rows
from .tables import LAST_DUE, OF_A_DUE, deliveries, jobs, keys, nodes, runs
from .transaction import Query, Transaction, database_now

LATE = "dues after it had their outcome already, by a clock that was ahead"


def evidence(transaction: Transaction, local: datetime) -> Evidence:
    """What such a clock has written. Mostly there is nothing, and the answer is quick."""
    instant = database_now(transaction, local)
    later = instant + BACK
    made = transaction.execute(select(func.count(), func.max(LAST_DUE)).where(runs.c.id >= least(later))).one()
    touched = (
        select(jobs.c.id).where(or_(jobs.c.updated > later, jobs.c.created > later)).limit(1),
        select(nodes.c.id).where(nodes.c.seen > later).limit(1),
    )
    any_touched = any(transaction.execute(query).first() is not None for query in touched)
    return Evidence(now=instant, runs=made[0], latest=made[1], touched=any_touched)


def jobs_ahead(transaction: Transaction, local: datetime, after: str, most: int) -> tuple[list[str], str | None]:
    """Look at up to `most` jobs behind the job `after`. Returns the jobs that are due too late, and the last job that
    was looked at, if there are more."""
    instant = database_now(transaction, local)
    rows = transaction.execute(_far(instant).where(jobs.c.id > after).order_by(jobs.c.id).limit(most)).all()
    found = [job.id for job in map(job_columns.from_row, rows) if anew(job, instant) is not None]
    return found, rows[-1].id if len(rows) == most else None


def put_right(transaction: Transaction, job_ids: Sequence[str], local: datetime) -> int:
    """Compute the dues of these jobs anew where a wrong clock had decided them. Returns the number of jobs whose dues
    were computed anew."""
    instant = database_now(transaction, local)
    held = select(jobs).where(jobs.c.id.in_(job_ids)).order_by(jobs.c.id).with_for_update()
    return sum(_put_right(transaction, job_columns.from_row(row), instant) for row in transaction.execute(held).all())


def _put_right(transaction: Transaction, job: Job, instant: datetime) -> bool:
    fresh = anew(job, instant)
    if fresh is None or fresh.next_due is None or not _was_wrong(transaction, job, instant):
        return False
    edge = transaction.execute(select(func.max(LAST_DUE)).where(OF_A_DUE, runs.c.job_id == job.id)).scalar()
    edges = [job.ahead, job.next_due, edge and edge + MICROSECOND]
    due, edge = fresh.next_due, max((each for each in edges if each is not None), default=None)
    fresh = _cut(transaction, attrs.evolve(fresh, ahead=edge), due, instant)
    trigger = fresh.schedule.trigger
    anchor = {"anchor": trigger.start} if isinstance(trigger, Interval) else {}
    _write(transaction, fresh, **anchor)
    return True


def settled(transaction: Transaction, job: Job, instant: datetime) -> tuple[Job, Stretch | None]:
    """`job`, which is held, moved behind those of its dues up to `instant` that had their outcome by another clock. And
    the dues before these that have no outcome and are too late to start."""
    if job.ahead is None or job.next_due is None:
        return job, None
    moved, left = _cut(transaction, job, instant, instant), None
    decided = and_(OF_A_DUE, runs.c.job_id == job.id, runs.c.due <= instant, ~_void(instant))
    latest = transaction.execute(select(func.max(LAST_DUE)).where(decided)).scalar()
    if latest is not None and latest >= job.next_due:
        if moved.ahead_from is not None and job.next_due < moved.ahead_from <= latest:
            left = _between(job.schedule, job.next_due, moved.ahead_from)
        moved = attrs.evolve(moved, next_due=job.schedule.next_after(latest))
    if moved.ahead is not None and (moved.next_due is None or moved.next_due >= moved.ahead):
        moved = attrs.evolve(moved, ahead=None, ahead_from=None)
    if moved != job:
        _write(transaction, moved)
    return moved, left


def _write(transaction: Transaction, job: Job, **more: object) -> None:
    values = {"next_due": job.next_due, "ahead": job.ahead, "ahead_from": job.ahead_from}
    transaction.execute(update(jobs).where(jobs.c.id == job.id).values(**values, **more))


def _between(schedule: Schedule, first: datetime, edge: datetime) -> Stretch:
    """The dues from `first`, which is a due, to before `edge`."""
    last = (schedule.newest(first, edge - MICROSECOND, 1) or [first])[0]
    return Stretch(due=first, until=last, count=1 + schedule.count(first, last), fate="missed", reason=LATE)


def decided(transaction: Transaction, job_id: str, instant: datetime) -> tuple[datetime | None, datetime | None]:
    """The last due of a job that had its outcome: by clocks that are not known to be wrong, and by any clock."""
    sound = case((runs.c.created <= instant + BACK, LAST_DUE), else_=null())
    row = transaction.execute(select(func.max(sound), func.max(LAST_DUE)).where(runs.c.job_id == job_id)).one()
    return row[0], row[1]


def rest(transaction: Transaction, local: datetime) -> None:
    """Bring back everything else that waits for an instant of a wrong clock."""
    instant = database_now(transaction, local)
    soon, later = instant + SKEW, instant + BACK
    for column in (jobs.c.watched, jobs.c.failing):
        transaction.execute(update(jobs).where(column > soon).values({column: instant}))
    transaction.execute(update(jobs).where(jobs.c.succeeded > soon).values(succeeded=null()))
    _let_retries_wait_as_long(transaction, instant)
    early = and_(OF_A_DUE, runs.c.state == "waiting", runs.c.due > later, runs.c.created > later)
    waiting = [run_rows.from_row(row) for row in transaction.execute(select(runs).where(early).with_for_update())]
    if waiting:
        values = {"state": "skipped", "reason": SET_BACK, "ended": instant}
        transaction.execute(update(runs).where(runs.c.id.in_([run.id for run in waiting])).values(values))
        transaction.have_ended([run.become("skipped", reason=SET_BACK, ended=instant) for run in waiting])
    untold = and_(deliveries.c.state == "waiting", deliveries.c.not_before > later, deliveries.c.created > later)
    transaction.execute(update(deliveries).where(untold).values(not_before=instant, created=instant))
    transaction.execute(update(keys).where(keys.c.created > later).values(created=instant))
    transaction.execute(update(nodes).where(nodes.c.since > later).values(since=instant))
    over = nodes.c.state != "alive"  # a living node will say when it was seen
    transaction.execute(update(nodes).where(over, nodes.c.seen > later).values(seen=instant))


def _let_retries_wait_as_long(transaction: Transaction, instant: datetime) -> None:
    """Let retries wait for their pause from now on. This happens once: afterwards, the end of the pause lies before the
    instant at which the retry was made."""
    later = instant + BACK
    delay = type_coerce(runs.c.not_before, BigInteger) - type_coerce(runs.c.created, BigInteger)
    waiting = and_(runs.c.state == "waiting", runs.c.created > later, runs.c.not_before > later)
    found = transaction.execute(select(runs.c.id, delay).where(waiting, runs.c.not_before >= runs.c.created)).all()
    for run_id, micros in found:
        until = instant + micros * MICROSECOND
        transaction.execute(update(runs).where(runs.c.id == run_id, waiting).values(not_before=until))


def _far(instant: datetime) -> Query:
    """Jobs whose next due is hours away; and jobs without a next due although their schedule may have one."""
    later = instant + BACK
    more = or_(jobs.c.max_runs.is_(None), jobs.c.starts < jobs.c.max_runs)
    goes_on = or_(jobs.c.at > instant, and_(jobs.c.at.is_(None), or_(jobs.c.end.is_(None), jobs.c.end > instant)))
    return select(jobs).where(or_(jobs.c.next_due > later, and_(jobs.c.next_due.is_(None), more, goes_on)))


def _was_wrong(transaction: Transaction, job: Job, instant: datetime) -> bool:
    """Whether something of the job was written hours later than it is now."""
    if max(job.created, job.updated) > instant + BACK:
        return True
    newest = select(runs.c.id, runs.c.created).where(runs.c.job_id == job.id).order_by(runs.c.id.desc()).limit(1)
    row = transaction.execute(newest).one_or_none()
    return row is not None and (row.created > instant + BACK or row.id >= least(instant + BACK))


def _void(instant: datetime) -> ColumnElement[bool]:
    """Dues that a wrong clock recorded as missed or skipped before they came."""
    return and_(runs.c.state.in_(NEVER_RAN), runs.c.created > instant + BACK)


def _cut(transaction: Transaction, job: Job, until: datetime, instant: datetime) -> Job:
    """Cut the void records, so that they do not reach the dues from the job's next due up to `until`. Returns `job`,
    which then knows from which due on there was an outcome all the same."""
    assert job.next_due is not None
    reach = and_(OF_A_DUE, runs.c.job_id == job.id, _void(instant), runs.c.due <= until)
    for row in transaction.execute(select(runs).where(reach, job.next_due <= LAST_DUE).with_for_update()).all():
        run = run_rows.from_row(row)
        _shorten(transaction, job.schedule, run, job.next_due, instant)
        behind = (run.until or run.due) + MICROSECOND
        job = attrs.evolve(job, ahead_from=max(behind, job.ahead_from or behind))
    return job


def _shorten(transaction: Transaction, schedule: Schedule, run: Run, edge: datetime, instant: datetime) -> None:
    if run.due >= edge:
        transaction.execute(delete(runs).where(runs.c.id == run.id))
        return
    kept = _between(schedule, run.due, edge)
    values: dict[str, object] = {"until": kept.until if kept.count > 1 else None, "count": kept.count}
    values["ended"] = instant
    if run.state == "missed":
        values["reason"] = RAN_AHEAD
    transaction.execute(update(runs).where(runs.c.id == run.id).values(values))
