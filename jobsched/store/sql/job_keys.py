"""The keys of jobs. Every function runs inside a transaction."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, delete, insert, select
from twisted.internet.defer import Deferred

from ...model.errors import Conflict, NotFound
from ...model.job import Job
from ...model.job_key import MOST, JobKey
from ...model.key_orders import MakeKey, RevokeKey
from ...model.order import Issued
from ..contract import job_keys as contract
from .access_tables import job_keys
from .tables import jobs
from .transaction import Noun, Transaction, database_now


class JobKeys(Noun, contract.JobKeys):
    def of_job(self, job_id: str) -> Deferred[list[JobKey]]:
        return self._in.read(of_job, job_id)


def of_job(transaction: Transaction, job_id: str) -> list[JobKey]:
    """The keys of a job that is there."""
    its = (jobs.c.id == job_keys.c.job_id) & (jobs.c.created == job_keys.c.job_created)
    query = select(job_keys).join(jobs, its).where(job_keys.c.job_id == job_id).order_by(job_keys.c.id)
    return [
        JobKey(id=row.id, job_id=row.job_id, by=row.by, at=row.at, last=row.last, hash=row.hash)
        for row in transaction.execute(query)
    ]


def make(transaction: Transaction, job: Job, order: MakeKey, issued: Issued) -> JobKey:
    """Add a key of a job that is held. Raises Conflict when there are enough."""
    of_others = (job_keys.c.job_id == job.id) & (job_keys.c.job_created != job.created)
    transaction.execute(delete(job_keys).where(of_others))  # which a daemon of 0004 has left
    if len(of_job(transaction, job.id)) >= MOST:
        raise Conflict(f"job {job.id} has {MOST} keys: revoke one that nobody needs")
    now = database_now(transaction, issued.now)
    key = JobKey(
        id=issued.ids.make(now), job_id=job.id, by=issued.signature.who, at=now, last=order.last, hash=order.hash
    )
    values = {
        "id": key.id, "job_id": job.id, "job_created": job.created, "by": key.by, "at": now, "last": key.last,
        "hash": key.hash,
    }  # fmt: skip
    transaction.execute(insert(job_keys).values(values))
    return key


def revoke(transaction: Transaction, job: Job, order: RevokeKey) -> JobKey:
    """Remove a key of a job that is held. Raises NotFound."""
    key = next((key for key in of_job(transaction, job.id) if key.id == order.key_id), None)
    if key is None:
        raise NotFound(f"job {job.id} has no key {order.key_id}")
    transaction.execute(delete(job_keys).where(job_keys.c.id == key.id))
    return key


def forget(transaction: Transaction, job_ids: Sequence[str] | Select[tuple[str]]) -> None:
    """Remove all keys of these jobs."""
    transaction.execute(delete(job_keys).where(job_keys.c.job_id.in_(job_ids)))
