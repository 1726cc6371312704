"""Ids of jobs that callers choose: which are free, and what is known of those that were in use.

Every function runs inside a transaction. Of two that take one id at once the database refuses one, and it tries again.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, exists, insert, select

from ...model.caller import Caller
from ...model.errors import Conflict, Taken
from ...model.ids import is_word
from ...model.job import Job
from . import runs as run_rows
from .nodes import of_older_release
from .tables import former_jobs, jobs, runs
from .transaction import Transaction

LOOKED_AT = 5000  # deleted jobs, each time that some are forgotten


def must_be_free(transaction: Transaction, job_id: str) -> None:
    """Raises Taken for an id that a job has, or that a job had of which runs are kept; Conflict for a word that not
    every node can take."""
    must_be_known_to_all(transaction, job_id)
    if transaction.execute(select(jobs.c.id).where(jobs.c.id == job_id)).first() is not None:
        raise taken(job_id)
    if run_rows.any_of(transaction, job_id):
        raise Taken(
            f"the id {job_id} is that of a deleted job, whose runs are kept: /jobs/{job_id}/runs; PUT revives it",
            f"/jobs/{job_id}/runs",
        )


def taken(job_id: str) -> Taken:
    """The refusal of an id that a job has."""
    return Taken(f"the id {job_id} is taken by another job: /jobs/{job_id}", f"/jobs/{job_id}")


def must_have_been_seen(transaction: Transaction, job_id: str, caller: Caller) -> None:
    """Raises Taken for an id that a job had which the caller did not see."""
    task = transaction.execute(select(former_jobs.c.task).where(former_jobs.c.id == job_id)).scalar()
    hidden = task is not None and not caller.sees(task)
    if caller.tasks is not None and task is None:  # deleted by a release that kept nothing of it
        some, seen = (run_rows.any_of(transaction, job_id, tasks) for tasks in (None, caller.tasks))
        hidden = some and not seen
    if hidden:
        raise taken(job_id)


def must_be_known_to_all(transaction: Transaction, job_id: str) -> None:
    """Raises Conflict for a word while a node is alive whose release takes UUIDs alone."""
    if not is_word(job_id):
        return
    if names := of_older_release(transaction):
        raise Conflict(
            f"a job can have an id that is a word once no node of an older release is alive: {', '.join(names[:9])}"
        )


def take(transaction: Transaction, job_id: str) -> int:
    """An id is a job's from now on. Returns the version that the job begins with: one more than the last of this id, or
    2 where that is not known and runs are kept."""
    last = transaction.execute(
        select(former_jobs.c.version).where(former_jobs.c.id == job_id).with_for_update()
    ).scalar()
    if last is None:
        return 1 + run_rows.any_of(transaction, job_id)
    transaction.execute(delete(former_jobs).where(former_jobs.c.id == job_id))
    return int(last) + 1


def give_back(transaction: Transaction, job: Job, now: datetime) -> None:
    """A job is deleted: keep what one of the same id has to know."""
    transaction.execute(delete(former_jobs).where(former_jobs.c.id == job.id))
    row = {"id": job.id, "task": job.task, "version": job.version, "created": job.created, "deleted": now}
    transaction.execute(insert(former_jobs).values(row))


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
