"""Counting starts against max_runs. A due counts once a run of it is made, and stops counting once none of its runs can
start any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import attrs
from sqlalchemy import func, or_, select, update

from ...model.claim import SPENT
from ...model.ids import Ids
from ...model.job import Job
from ...model.owed import Situation, owed
from ...model.run import Run
from . import job_columns
from . import runs as run_rows
from .tables import LAST_DUE, OF_A_DUE, jobs, runs
from .transaction import Transaction


def not_started(transaction: Transaction, ended: Sequence[Run]) -> Counter[str]:
    """For each job, how many of its dues have no run that was started or waits. The runs in `ended` do not count: they
    waited, and have come to nothing, or are about to."""
    dues = {(run.job_id, run.due) for run in ended if run.cause == "schedule" and run.attempt == 1}
    if not dues:
        return Counter()
    others = select(runs.c.job_id, runs.c.due).where(
        runs.c.job_id.in_({job_id for job_id, _ in dues}),
        runs.c.due.in_({due for _, due in dues}),
        runs.c.id.not_in([run.id for run in ended]),
        OF_A_DUE,
        or_(runs.c.state == "waiting", runs.c.started.is_not(None)),
    )
    dues -= {(row.job_id, row.due) for row in transaction.execute(others)}
    return Counter(job_id for job_id, _ in dues)


def give_back(transaction: Transaction, ended: Sequence[Run], now: datetime) -> None:
    """These runs waited, and have come to nothing. If their job had reached max_runs because of them, the job goes on
    with its next due; dues that passed meanwhile become one skipped stretch. The rows of the jobs must be held."""
    for job_id, count in not_started(transaction, ended).items():
        row = transaction.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
        if row is not None:
            _give_back(transaction, job_columns.from_row(row), count, now)


def _give_back(transaction: Transaction, job: Job, count: int, now: datetime) -> None:
    starts = max(job.starts - count, 0)
    spent = job.max_runs is not None and job.next_due is None and starts < job.max_runs <= job.starts
    values = {"starts": starts, "next_due": _go_on(transaction, job, now) if spent else job.next_due}
    transaction.execute(update(jobs).where(jobs.c.id == job.id).values(values))


def _go_on(transaction: Transaction, job: Job, now: datetime) -> datetime | None:
    """The next due of a job that had none left. The dues that passed are given their outcome first."""
    latest = select(func.max(LAST_DUE)).where(runs.c.job_id == job.id, OF_A_DUE)
    decided = transaction.execute(latest).scalar()
    following = job.schedule.next_after(decided or now)
    if following is None or following > now or job.paused:
        return following
    answer = owed(job.schedule, job.policy, Situation(next_due=following, now=now, able_since=now, paused=True))
    skipped = (attrs.evolve(stretch, reason=SPENT) for stretch in answer.stretches)
    run_rows.insert_all(transaction, [run_rows.passed(job, stretch, Ids().make(now), now) for stretch in skipped])
    return answer.next_due
