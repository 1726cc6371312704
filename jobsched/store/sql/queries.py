"""Questions that need more than one table, each answered from one consistent view."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import literal, select

from ...model.caller import is_among
from ...model.errors import no_job, no_run
from ...model.job import Job, JobFilter, JobView
from ...model.page import Page
from ...model.run import Run, RunFilter
from . import jobs as job_rows
from . import runs as run_rows
from .tables import jobs as job_table
from .transaction import Transaction


def jobs(
    transaction: Transaction, limit: int, after: str, only: JobFilter, room: int, now: datetime | None = None
) -> Page[JobView]:
    """A page of jobs, no heavier than there is room for, and of each the newest run up to `now`."""
    found = job_rows.fitting(transaction, limit, after, only, room)
    return Page(_with_news(transaction, found.values, now), found.more)


def job(transaction: Transaction, job_id: str, now: datetime | None = None) -> JobView:
    """One job, and the newest run up to `now`. Raises NotFound."""
    found = job_rows.get(transaction, job_id)
    if found is None:
        raise no_job(job_id)
    return _with_news(transaction, [found], now)[0]


def some_jobs(transaction: Transaction, job_ids: Sequence[str], now: datetime) -> list[JobView]:
    """Those of these jobs that are there, each with its newest run up to `now`."""
    found = transaction.execute(select(job_table).where(job_table.c.id.in_(job_ids)))
    return _with_news(transaction, [job_rows.from_row(row) for row in found], now)


def runs(transaction: Transaction, limit: int, before: str | None, only: RunFilter) -> list[Run]:
    """A page of runs. Raises NotFound for those of a job that is not there and left no run."""
    found = run_rows.page(transaction, limit, before, only)
    if only.job_id is not None and not found:
        must_be_known(transaction, only.job_id, only.tasks)
    return found


def must_be_known(transaction: Transaction, job_id: str, tasks: tuple[str, ...] | None) -> None:
    """Raises NotFound for a job that is not there and left no run; `tasks` are patterns of those that may be seen."""
    its = job_rows.get(transaction, job_id)
    seen = its is not None and is_among(its.task, tasks)
    if not seen and not run_rows.any_of(transaction, job_id, tasks):
        raise no_job(job_id)


def run(transaction: Transaction, run_id: str) -> Run:
    """One run. Raises NotFound."""
    found = run_rows.get(transaction, run_id)
    if found is None:
        raise no_run(run_id)
    return found


def answers(transaction: Transaction) -> None:
    """Look at the jobs, at the same cost however many there are; raises what a broken database raises."""
    transaction.execute(select(literal(1)).select_from(job_table).limit(1)).all()


def _with_news(transaction: Transaction, found: Sequence[Job], now: datetime | None) -> list[JobView]:
    last = run_rows.last_of(transaction, [job.id for job in found], now)
    return [JobView(job=job, last_run=last.get(job.id)) for job in found]
