"""How jobs stand that may be overdue or have recovered, in SQL: see `store.overdue_changes`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, bindparam, case, null, or_, select, update

from ...model.delivery import News
from ...model.job import Job
from ...model.overdue import Late, Overdue, OverdueChange
from ...model.run import Run
from .. import overdue_changes
from ..job_columns import from_row
from ..overdue_changes import Standing
from . import outbox
from . import runs as run_rows
from .overdue_queries import has_come, has_succeeded, is_missed, is_waiting, last, succeeded_since
from .tables import jobs, runs
from .transaction import Query, Transaction, database_now


def settle(transaction: Transaction, job_ids: Sequence[str], local: datetime) -> list[OverdueChange]:
    """As `overdue_changes.settle`."""
    instant = database_now(transaction, local)
    asked = {"ids": list(job_ids), "now": instant}
    rows = transaction.execute(_STANDING, asked).all()
    asked["ids"] = [row.id for row in rows]
    waiting, missed = _oldest(transaction, _WAITING, asked), _oldest(transaction, _MISSED, asked)
    found = _runs(transaction, (run_id for row in rows for run_id in (row.success, row.mender, row.starter)))
    standings = [
        Standing(
            job=from_row(row),
            failing=row.failing,
            forgotten=row.succeeded,
            success=found.get(row.success or ""),
            mender=found.get(row.mender or ""),
            starter=found.get(row.starter or ""),
            waiting=waiting.get(row.id),
            missed=missed.get(row.id),
        )
        for row in rows
    ]
    return overdue_changes.settle(_Records(transaction), standings, instant)


class _Records(overdue_changes.Records):
    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction
        self.telling = transaction

    def become(self, job: Job, verdict: Overdue) -> bool:
        values = {"overdue": verdict.since, "overdue_reason": verdict.reason}
        same = (jobs.c.id == job.id) & (jobs.c.version == job.version) & jobs.c.overdue.is_(None)
        return self._in.execute(update(jobs).where(same).values(values)).rowcount == 1

    def recover(self, standing: Standing, *, over: bool, mends: bool) -> bool:
        job = standing.job
        values = ({"overdue": None, "overdue_reason": None} if over else {}) | ({"failing": None} if mends else {})
        same = (jobs.c.id == job.id) & _is(jobs.c.overdue, job.overdue) & _is(jobs.c.failing, standing.failing)
        return self._in.execute(update(jobs).where(same).values(values)).rowcount == 1

    def tell_all(self, news: Sequence[News]) -> None:
        outbox.tell_all(self._in, news)


def remember(transaction: Transaction, run_ids: Sequence[str]) -> None:
    """These runs are about to be forgotten. For jobs with `must_succeed_every`, keep the instant of the last success
    among them."""
    latest: dict[str, datetime] = {}
    for row in transaction.execute(_ENDS, {"ids": list(run_ids)}):
        if row.state == "succeeded" and row.ended is not None:
            latest[row.job_id] = max(row.ended, latest.get(row.job_id, row.ended))
    asked = {"ids": list(latest)}
    for job_id in transaction.execute(_THAT_REMEMBER, asked).scalars().all() if latest else ():
        older = or_(jobs.c.succeeded.is_(None), jobs.c.succeeded < latest[job_id])
        transaction.execute(update(jobs).where(jobs.c.id == job_id, older).values(succeeded=latest[job_id]))


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
_THAT_REMEMBER = select(jobs.c.id).where(_THESE, jobs.c.must_succeed_every.is_not(None)).order_by(jobs.c.id)
# By their ids alone: SQLite would rather look through all runs that have succeeded.
_ENDS = select(runs.c.job_id, runs.c.state, runs.c.ended).where(runs.c.id.in_(bindparam("ids", expanding=True)))
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
