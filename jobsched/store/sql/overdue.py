"""Jobs that became overdue or have recovered: decided from what the store holds, written once, and notified."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import attrs
from sqlalchemy import ColumnElement, bindparam, case, null, or_, select, update

from ...model.delivery import News
from ...model.job import Job
from ...model.overdue import SKEW, Facts, Late, Overdue, OverdueChange, Success, overdue
from ...model.run import Run
from . import changes, outbox
from . import runs as run_rows
from .job_columns import from_row
from .overdue_queries import has_come, has_succeeded, is_missed, is_waiting, last, succeeded_since
from .tables import jobs, runs
from .transaction import Query, TableRow, Transaction, database_now


def settle(transaction: Transaction, job_ids: Sequence[str], local: datetime) -> list[OverdueChange]:
    """Decide for each job whether it is overdue and whether it still fails. A difference to what is stored is written,
    with its notification.

    A change is made only where the row is still as it was read: if several nodes do this, one of them makes the change.
    """
    instant = database_now(transaction, local)
    rows = transaction.execute(_STANDING, {"ids": list(job_ids), "now": instant}).all()
    facts = _facts(transaction, [row.id for row in rows], instant)
    found = _runs(transaction, (run_id for row in rows for run_id in (row.success, row.mender, row.starter)))
    made = [_overdue_change(transaction, row, facts[row.id], found) for row in rows]
    news = [change for change in made if change is not None]
    for change in news:
        changes.of_job(transaction, change.job, change.event)
    outbox.tell_all(transaction, [News(**attrs.asdict(change, recurse=False), instant=instant) for change in news])
    return news


def remember(transaction: Transaction, run_ids: Sequence[str]) -> None:
    """These runs are about to be forgotten. For jobs with `must_succeed_every`, keep the instant of the last success
    among them."""
    # By their ids alone: SQLite would rather look through all runs that have succeeded.
    these = select(runs.c.job_id, runs.c.state, runs.c.ended).where(runs.c.id.in_(run_ids))
    latest: dict[str, datetime] = {}
    for row in transaction.execute(these):
        if row.state == "succeeded" and row.ended is not None:
            latest[row.job_id] = max(row.ended, latest.get(row.job_id, row.ended))
    asked = select(jobs.c.id).where(jobs.c.id.in_(latest), jobs.c.must_succeed_every.is_not(None)).order_by(jobs.c.id)
    for job_id in transaction.execute(asked).scalars().all() if latest else ():
        older = or_(jobs.c.succeeded.is_(None), jobs.c.succeeded < latest[job_id])
        transaction.execute(update(jobs).where(jobs.c.id == job_id, older).values(succeeded=latest[job_id]))


def _overdue_change(
    transaction: Transaction, row: TableRow, facts: Facts, found: dict[str, Run]
) -> OverdueChange | None:
    """Write what becomes of a job. None: nothing that anybody is to know."""
    job, run = from_row(row), found.get(row.success or "")
    verdict = overdue(job, attrs.evolve(facts, success=_success(row, run, facts.now)))
    if verdict is not None and job.overdue is None:
        return _became(transaction, job, verdict)
    over, mends = job.overdue is not None and verdict is None, row.mender is not None
    values = ({"overdue": None, "overdue_reason": None} if over else {}) | ({"failing": None} if mends else {})
    same = (jobs.c.id == job.id) & _is(jobs.c.overdue, job.overdue) & _is(jobs.c.failing, row.failing)
    if not values or transaction.execute(update(jobs).where(same).values(values)).rowcount != 1:
        return None
    cause, reason = _cause(row, found)
    if not mends and (job.paused or (cause is None and job.next_due is None)):
        return None  # the job is not overdue any more, but nobody would say that it has recovered
    if over:
        job = attrs.evolve(job, overdue=None, overdue_reason=None)
    return OverdueChange(event="recovered", job=job, reason=reason, run=cause)


def _became(transaction: Transaction, job: Job, verdict: Overdue) -> OverdueChange | None:
    values = {"overdue": verdict.since, "overdue_reason": verdict.reason}
    same = (jobs.c.id == job.id) & (jobs.c.version == job.version) & jobs.c.overdue.is_(None)
    if transaction.execute(update(jobs).where(same).values(values)).rowcount != 1:
        return None
    job = attrs.evolve(job, overdue=verdict.since, overdue_reason=verdict.reason)
    return OverdueChange(event="overdue", job=job, reason=verdict.reason)


def _success(row: TableRow, run: Run | None, instant: datetime) -> Success | None:
    """The last success: among the runs that are kept, or among the runs that were forgotten."""
    forgotten = row.succeeded if row.succeeded is not None and row.succeeded <= instant + SKEW else None
    if run is not None and run.ended is not None and (forgotten is None or forgotten <= run.ended):
        return Success(ended=run.ended, run_id=run.id)
    return None if forgotten is None else Success(ended=forgotten)


def _cause(row: TableRow, found: dict[str, Run]) -> tuple[Run | None, str]:
    """The run by which a job has recovered, if there is one; and the reason in words."""
    success = found.get(row.success or "")
    lately = success is not None and row.overdue is not None and success.ended and success.ended >= row.overdue
    run = found.get(row.mender or "") or (success if lately else None)
    if run is not None:
        return run, f"run {run.id} has succeeded"
    run = found.get(row.starter or "")
    return run, "none of its dues is late any more" if run is None else f"run {run.id} was started"


def _facts(transaction: Transaction, job_ids: Sequence[str], instant: datetime) -> dict[str, Facts]:
    """For each job: the oldest due that waits, and the oldest missed due after which nothing was started."""
    asked = {"ids": job_ids, "now": instant}
    waiting, missed = _oldest(transaction, _WAITING, asked), _oldest(transaction, _MISSED, asked)
    return {each: Facts(now=instant, waiting=waiting.get(each), missed=missed.get(each)) for each in job_ids}


def _oldest(transaction: Transaction, dues: Query, asked: Mapping[str, object]) -> dict[str, Late]:
    oldest: dict[str, Late] = {}
    for row in transaction.execute(dues, asked):
        oldest.setdefault(row.job_id, Late(due=row.due, why=row.reason))
    return oldest


def _runs(transaction: Transaction, run_ids: Iterable[str | None]) -> dict[str, Run]:
    wanted = {run_id for run_id in run_ids if run_id is not None}
    rows = transaction.execute(select(runs).where(runs.c.id.in_(wanted))) if wanted else ()
    return {row.id: run_rows.from_row(row) for row in rows}


def _is(column: ColumnElement[object], value: object) -> ColumnElement[bool]:
    return column.is_(None) if value is None else column == value


_THESE = jobs.c.id.in_(bindparam("ids", expanding=True))
_last, _mender, _starter = runs.alias("success"), runs.alias("mender"), runs.alias("starter")
_STANDING = (
    select(
        jobs,
        last(_last, _last.c.ended, has_succeeded(_last)).label("success"),
        last(_mender, _mender.c.ended, succeeded_since(_mender, jobs.c.failing)).label("mender"),
        case(
            (jobs.c.overdue.is_(None), null()),
            else_=last(_starter, _starter.c.id, _starter.c.started >= jobs.c.overdue, has_come(_starter.c.started)),
        ).label("starter"),
    )
    .where(_THESE)
    .order_by(jobs.c.id)  # every change of several jobs goes in this order, so that none waits for another
)
_DUES = select(runs.c.job_id, runs.c.due, runs.c.reason).join(jobs, jobs.c.id == runs.c.job_id).where(_THESE)
_WAITING = _DUES.where(is_waiting(runs)).order_by(runs.c.due)
_MISSED = _DUES.where(is_missed(runs)).order_by(runs.c.due)
