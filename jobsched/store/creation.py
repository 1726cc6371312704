"""Storing new jobs, many in as many statements as one: what is refused is known before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import attrs

from ..model.errors import JobschedError
from ..model.job import Job
from ..model.order import CreateJob, IdempotencyKey
from . import job_ids
from .ordering import Records

SOON = timedelta(seconds=10)  # what is due later, the other nodes find in time by themselves


def add_all(records: Records, orders: Sequence[CreateJob], asker: str = "") -> list[tuple[str, bool] | JobschedError]:
    """Store jobs, in order. For each its id and True; or the id of the job that was made under its key before, and
    False; or Taken, Conflict, Reused, and nothing of it is stored. `asker` is the node."""
    known = records.recall([order.key for order in orders if order.key is not None])
    made: list[tuple[CreateJob, Job]] = []
    ids: set[str] = set()
    results: list[tuple[str, bool] | JobschedError] = []
    for order in orders:
        try:
            before = None if order.key is None else known.made_under(order.key)
            if before is None:
                job = _numbered(records, order, ids)
                ids.add(job.id)
                made.append((order, job))
                known.remember(order.key, job.id)
            results.append((before or order.job.id, before is None))
        except JobschedError as why:
            results.append(why)
    _write(records, made, asker)
    return results


def _numbered(records: Records, order: CreateJob, ids: set[str]) -> Job:
    """The job at the version that it begins with; `ids` are those of jobs that are about to be stored. Raises Taken,
    Conflict."""
    if not order.chosen:
        return order.job
    if order.job.id in ids:
        raise job_ids.taken(order.job.id)
    job_ids.must_be_free(records, order.job.id)
    return attrs.evolve(order.job, version=job_ids.take(records, order.job.id))


def _write(records: Records, made: Sequence[tuple[CreateJob, Job]], asker: str) -> None:
    if not made:
        return
    records.add_jobs([job for _, job in made], {job.id for order, job in made if not order.chosen})
    keys: list[tuple[IdempotencyKey, Job]] = [(order.key, job) for order, job in made if order.key is not None]
    records.remember([(key, job.id, job.created) for key, job in keys])
    if any(job.next_due is not None and job.next_due - job.created < SOON for _, job in made):
        records.wake(asker)
