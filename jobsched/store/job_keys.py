"""The keys of jobs, made and revoked by orders. The job is held."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from ..model.errors import Conflict, NotFound
from ..model.job import Job
from ..model.job_key import MOST, JobKey
from ..model.key_orders import MakeKey, RevokeKey
from ..model.order import Issued


class Records(Protocol):
    """What is asked of a transaction, and written in it."""

    def now(self, local: datetime) -> datetime:
        """The time to go by."""

    def keys_of(self, job: Job) -> Sequence[JobKey]:
        """The keys of a job, and of no other that had its id; those made first come first."""

    def add_key(self, job: Job, key: JobKey) -> None:
        """Store a key of a job, and forget those of others that had its id."""

    def remove_key(self, key_id: str) -> None:
        """Forget a key."""


def make(records: Records, job: Job, order: MakeKey, issued: Issued) -> JobKey:
    """Add a key of a job. Raises Conflict when there are enough."""
    if len(records.keys_of(job)) >= MOST:
        raise Conflict(f"job {job.id} has {MOST} keys: revoke one that nobody needs")
    now = records.now(issued.now)
    key = JobKey(
        id=issued.ids.make(now), job_id=job.id, by=issued.signature.who, at=now, last=order.last, hash=order.hash
    )
    records.add_key(job, key)
    return key


def revoke(records: Records, job: Job, order: RevokeKey) -> JobKey:
    """Remove a key of a job. Raises NotFound."""
    key = next((key for key in records.keys_of(job) if key.id == order.key_id), None)
    if key is None:
        raise NotFound(f"job {job.id} has no key {order.key_id}")
    records.remove_key(key.id)
    return key
