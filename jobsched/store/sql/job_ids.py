"""Ids of jobs that callers choose, in SQL: see `store.job_ids`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, exists, insert, select

from ...model.caller import Caller
from ...model.job import Job
from .. import job_ids
from . import runs as run_rows
from .nodes import of_older_release
from .tables import former_jobs, jobs, runs
from .transaction import Transaction

LOOKED_AT = 5000  # deleted jobs, each time that some are forgotten


class Records(job_ids.Records):
    """What is asked of a transaction, and written in it."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def older_nodes(self) -> list[str]:
        return of_older_release(self._in)

    def has_job(self, job_id: str) -> bool:
        return self._in.execute(select(jobs.c.id).where(jobs.c.id == job_id)).first() is not None

    def has_runs(self, job_id: str, tasks: tuple[str, ...] | None) -> bool:
        return run_rows.any_of(self._in, job_id, tasks)

    def former_task(self, job_id: str) -> str | None:
        return self._in.execute(select(former_jobs.c.task).where(former_jobs.c.id == job_id)).scalar()

    def take_former(self, job_id: str) -> int | None:
        its = former_jobs.c.id == job_id
        last: int | None = self._in.execute(select(former_jobs.c.version).where(its).with_for_update()).scalar()
        if last is not None:
            self._in.execute(delete(former_jobs).where(its))
        return last

    def keep_former(self, job: Job, now: datetime) -> None:
        self._in.execute(delete(former_jobs).where(former_jobs.c.id == job.id))
        row = {"id": job.id, "task": job.task, "version": job.version, "created": job.created, "deleted": now}
        self._in.execute(insert(former_jobs).values(row))


def must_have_been_seen(transaction: Transaction, job_id: str, caller: Caller) -> None:
    """As `job_ids.must_have_been_seen`."""
    job_ids.must_have_been_seen(Records(transaction), job_id, caller)


def must_be_known_to_all(transaction: Transaction, job_id: str) -> None:
    """As `job_ids.must_be_known_to_all`."""
    job_ids.must_be_known_to_all(Records(transaction), job_id)


def forget(transaction: Transaction, before: datetime, most: int) -> int:
    """Forget up to `most` jobs that were deleted before an instant and of which no run is kept; how many. Only the
    oldest are looked at: runs go in about that order too."""
    old = select(former_jobs.c.id).where(former_jobs.c.deleted < before).order_by(former_jobs.c.deleted)
    oldest = old.limit(LOOKED_AT).subquery()
    kept = exists().where(runs.c.job_id == oldest.c.id)
    ids = transaction.execute(select(oldest.c.id).where(~kept).limit(most)).scalars().all()
    if ids:
        transaction.execute(delete(former_jobs).where(former_jobs.c.id.in_(ids), former_jobs.c.deleted < before))
    return len(ids)
