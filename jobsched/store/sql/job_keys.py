"""The keys of jobs. Every function runs inside a transaction."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Column, Index, Select, Table, delete, insert, select
from twisted.internet.defer import Deferred

from ...model.job import Job
from ...model.job_key import JobKey
from .. import job_keys
from ..contract import jobs as contract
from .column_types import Instant, Words
from .tables import jobs, metadata
from .transaction import Noun, Transaction

keys_of_jobs = Table(  # since 0005
    "job_keys",
    metadata,
    Column("id", Words(36), primary_key=True),
    Column("job_id", jobs.c.id.type, nullable=False),
    Column("job_created", Instant, nullable=False),  # of that job: a later one of the same id is another
    Column("by", Words(255)),
    Column("at", Instant, nullable=False),
    Column("last", Words(8), nullable=False),
    Column("hash", Words(64), nullable=False),
    Index("job_keys_of_job", "job_id", "id"),
)


class JobKeys(Noun, contract.JobKeys):
    def of_job(self, job_id: str) -> Deferred[list[JobKey]]:
        return self._in.read(of_job, job_id)


def of_job(transaction: Transaction, job_id: str) -> list[JobKey]:
    """The keys of a job that is there."""
    its = (jobs.c.id == keys_of_jobs.c.job_id) & (jobs.c.created == keys_of_jobs.c.job_created)
    query = select(keys_of_jobs).join(jobs, its).where(keys_of_jobs.c.job_id == job_id).order_by(keys_of_jobs.c.id)
    return [
        JobKey(id=row.id, job_id=row.job_id, by=row.by, at=row.at, last=row.last, hash=row.hash)
        for row in transaction.execute(query)
    ]


class Records(job_keys.Records):
    """What orders on keys ask of a transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def keys_of(self, job: Job) -> list[JobKey]:
        return of_job(self._in, job.id)

    def add_key(self, job: Job, key: JobKey) -> None:
        """A daemon of 0004 leaves the keys of a job that it deletes."""
        of_others = (keys_of_jobs.c.job_id == job.id) & (keys_of_jobs.c.job_created != job.created)
        self._in.execute(delete(keys_of_jobs).where(of_others))
        values = {
            "id": key.id, "job_id": job.id, "job_created": job.created, "by": key.by, "at": key.at, "last": key.last,
            "hash": key.hash,
        }  # fmt: skip
        self._in.execute(insert(keys_of_jobs).values(values))

    def remove_key(self, key_id: str) -> None:
        self._in.execute(delete(keys_of_jobs).where(keys_of_jobs.c.id == key_id))


def forget(transaction: Transaction, job_ids: Sequence[str] | Select[tuple[str]]) -> None:
    """Remove all keys of these jobs."""
    transaction.execute(delete(keys_of_jobs).where(keys_of_jobs.c.job_id.in_(job_ids)))
