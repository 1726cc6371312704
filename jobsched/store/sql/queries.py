"""Questions that need more than one table, each answered from one consistent view; and how much there is of what."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from sqlalchemy import func, literal, select

from ...model.caller import is_among
from ...model.errors import Ambiguous, NotFound, no_job, no_run
from ...model.health import DELIVERY_STATES, JOB_STATES, Counts
from ...model.job import Job, JobFilter, JobState, JobView
from ...model.job_list import IDLE
from ...model.page import Page
from ...model.run import Run, RunFilter
from . import job_columns, job_lists
from . import jobs as job_rows
from . import runs as run_rows
from .many import named
from .tables import deliveries
from .tables import jobs as job_table
from .tables import runs as run_table
from .transaction import Transaction

CANDIDATES = 10  # of jobs that share a name

# Each is counted from an index alone.
_JOBS = select(job_table.c.paused, job_table.c.next_due.is_(None), func.count()).group_by(
    job_table.c.paused, job_table.c.next_due.is_(None)
)
_OVERDUE = select(func.count()).where(job_table.c.overdue.is_not(None))
_WAITING = select(func.count()).where(run_table.c.state == "waiting")
_DELIVERIES = select(deliveries.c.state, func.count()).group_by(deliveries.c.state)


def jobs(
    transaction: Transaction, limit: int, after: str, only: JobFilter, room: int, now: datetime | None = None
) -> Page[JobView]:
    """A page of jobs, no heavier than there is room for; each with its newest run up to `now`."""
    found = job_rows.fitting(transaction, limit, after, only, room)
    return Page(_with_news(transaction, found.values, now, activity=only.activity), found.more)


def job(transaction: Transaction, job_id: str, now: datetime | None = None) -> JobView:
    """One job, with its newest run up to `now`. Raises NotFound."""
    found = job_rows.get(transaction, job_id)
    if found is None:
        raise no_job(job_id)
    return _with_news(transaction, [(found, "")], now)[0]


def some_jobs(transaction: Transaction, job_ids: Sequence[str], now: datetime) -> list[JobView]:
    """Those of these jobs that are there, each with its newest run up to `now`."""
    found = transaction.execute(select(job_table).where(job_table.c.id.in_(job_ids)))
    return _with_news(transaction, [(job_columns.from_row(row), "") for row in named(found)], now)


def oldest_run(transaction: Transaction) -> datetime | None:
    """The due of the run that was made first, of those that are kept."""
    return transaction.execute(select(run_table.c.due).order_by(run_table.c.id).limit(1)).scalar()


def runs(transaction: Transaction, limit: int, before: str | None, only: RunFilter) -> list[Run]:
    """A page of runs. Raises NotFound if they are asked for one job that does not exist and left no run."""
    found = run_rows.page(transaction, limit, before, only)
    if only.job_id is not None and not found:
        must_be_known(transaction, only.job_id, only.tasks)
    return found


def must_be_known(transaction: Transaction, job_id: str, tasks: tuple[str, ...] | None) -> None:
    """Raises NotFound if the job does not exist and left no run. `tasks` are patterns of the tasks that may be seen."""
    its = job_rows.get(transaction, job_id)
    seen = its is not None and is_among(its.task, tasks)
    if not seen and not run_rows.any_of(transaction, job_id, tasks):
        raise no_job(job_id)


def job_named(transaction: Transaction, text: str, tasks: tuple[str, ...] | None) -> str:
    """The id of the job that has this id, or else this name. Raises NotFound, Ambiguous."""
    with suppress(NotFound):
        must_be_known(transaction, text, tasks)
        return text
    only = JobFilter(name=text, tasks=tasks)
    ids = tuple(job.id for job in job_rows.page(transaction, CANDIDATES + 1, only))
    if not ids:
        raise no_job(text)
    if len(ids) > 1:
        told = ids[:CANDIDATES]
        rest = " and more" if len(ids) > CANDIDATES else ""
        raise Ambiguous(f"several jobs are named {text!r}, give an id: {', '.join(told)}{rest}", told)
    return ids[0]


def run(transaction: Transaction, run_id: str) -> Run:
    """One run. Raises NotFound."""
    found = run_rows.get(transaction, run_id)
    if found is None:
        raise no_run(run_id)
    return found


def answers(transaction: Transaction) -> None:
    """Look at the jobs, at the same cost however many there are. Raises what a broken database raises."""
    transaction.execute(select(literal(1)).select_from(job_table).limit(1)).all()


def _with_news(
    transaction: Transaction, found: Sequence[tuple[Job, str]], now: datetime | None, *, activity: bool = True
) -> list[JobView]:
    ids = [job.id for job, _ in found]
    last = run_rows.last_of(transaction, ids, now)
    does = job_lists.activity(transaction, ids) if activity else {}
    return [
        JobView(job=job, last_run=last.get(job.id), activity=does.get(job.id, IDLE), place=place)
        for job, place in found
    ]


def counts(transaction: Transaction) -> Counts:
    """The numbers of jobs, overdue jobs, waiting runs and notifications."""
    by_state: dict[str, int] = dict.fromkeys(JOB_STATES, 0)
    for paused, none_left, count in transaction.execute(_JOBS):
        by_state[_state(paused, none_left)] += count
    told = {row[0]: row[1] for row in transaction.execute(_DELIVERIES)}
    return Counts(
        jobs=by_state,
        overdue=transaction.execute(_OVERDUE).scalar_one(),
        waiting=transaction.execute(_WAITING).scalar_one(),
        deliveries={state: told.get(state, 0) for state in DELIVERY_STATES},
    )


def _state(paused: bool, none_left: bool) -> JobState:
    """The same rule as `Job.state`."""
    if paused:
        return "paused"
    return "ended" if none_left else "scheduled"
