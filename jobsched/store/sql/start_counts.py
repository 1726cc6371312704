"""What counting starts against max_runs asks of SQL: see `store.start_counts`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import func, or_, select, update

from ...model.job import Job
from ...model.run import Run
from .. import start_counts
from . import jobs as job_rows
from . import runs as run_rows
from .tables import LAST_DUE, OF_A_DUE, jobs, runs
from .transaction import Transaction


def begun(
    transaction: Transaction, dues: Collection[tuple[str, datetime]], besides: Sequence[Run]
) -> set[tuple[str, datetime]]:
    """As `store.start_counts.Records.begun`."""
    others = select(runs.c.job_id, runs.c.due).where(
        runs.c.job_id.in_({job_id for job_id, _ in dues}),
        runs.c.due.in_({due for _, due in dues}),
        runs.c.id.not_in([run.id for run in besides]),
        OF_A_DUE,
        or_(runs.c.state == "waiting", runs.c.started.is_not(None)),
    )
    return {(row.job_id, row.due) for row in transaction.execute(others)}


class Giving(start_counts.Giving):
    """What counting asks of a transaction, and writes in it."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def begun(self, dues: Collection[tuple[str, datetime]], besides: Sequence[Run]) -> set[tuple[str, datetime]]:
        return begun(self._in, dues, besides)

    def get_job(self, job_id: str) -> Job | None:
        return job_rows.get(self._in, job_id)

    def count(self, job: Job, starts: int, next_due: datetime | None) -> None:
        self._in.execute(update(jobs).where(jobs.c.id == job.id).values(starts=starts, next_due=next_due))

    def last_due(self, job_id: str) -> datetime | None:
        latest = select(func.max(LAST_DUE)).where(runs.c.job_id == job_id, OF_A_DUE)
        return self._in.execute(latest).scalar()

    def insert_runs(self, new: Sequence[Run]) -> None:
        run_rows.insert_all(self._in, new)


def give_back(transaction: Transaction, ended: Sequence[Run], now: datetime) -> None:
    """As `start_counts.give_back`."""
    start_counts.give_back(Giving(transaction), ended, now)
