"""The keys of jobs in MongoDB. Each knows when its job was made, which tells it from another that had the id."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred

from ...model.job import Job
from ...model.job_key import JobKey
from ..contract import jobs as contract
from . import jobs
from .documents import from_document, plain, to_document
from .transaction import Noun, Transaction

KEYS = "job_keys"


class JobKeys(Noun, contract.JobKeys):
    def of_job(self, job_id: str) -> Deferred[list[JobKey]]:
        return self._in.read(of_job, job_id)


def of_job(transaction: Transaction, job_id: str) -> list[JobKey]:
    """As `JobKeys.of_job`."""
    job = jobs.get(transaction, job_id)
    return [] if job is None else of(transaction, job)


def of(transaction: Transaction, job: Job) -> list[JobKey]:
    """The keys of a job."""
    its = {"job_id": job.id, "job_created": plain(job.created)}
    return [from_document(JobKey, each) for each in transaction.find(KEYS, its, [("_id", 1)])]


def add(transaction: Transaction, job: Job, key: JobKey) -> None:
    """Store a key of a job."""
    transaction.insert(KEYS, [to_document(key) | {"job_created": plain(job.created)}])


def forget(transaction: Transaction, job_ids: Sequence[str]) -> None:
    """Forget all keys of these jobs."""
    transaction.delete(KEYS, {"job_id": {"$in": list(job_ids)}})
