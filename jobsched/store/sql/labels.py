"""The index of labels: which jobs have a label. What a job has stands in its own row too."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Select, delete, insert, select

from ...model.health import JobInfo
from ...model.job import Job
from ...model.labels import Label
from .many import Many
from .tables import job_labels, jobs
from .transaction import Transaction

SHARE = 500  # jobs in one question
_ADD = Many(insert(job_labels), ("job_id", "name", "value"))


def add(transaction: Transaction, new: Sequence[Job]) -> None:
    """Let jobs be found by the labels that they have; by their ids, nothing could be found so far."""
    _ADD.execute(transaction, ((job.id, name, value) for job in new for name, value in job.about.labels.items()))


def put(transaction: Transaction, changed: Sequence[Job]) -> None:
    """Let jobs be found by the labels that they have, and by no other; nothing is written where nothing differs."""
    wanted = {(job.id, name, value) for job in changed for name, value in job.about.labels.items()}
    ids = [job.id for job in changed]  # may be none
    there: set[tuple[str, str, str]] = set()
    for begin in range(0, len(ids), SHARE):
        query = select(job_labels).where(job_labels.c.job_id.in_(ids[begin : begin + SHARE]))
        there |= {(row.job_id, row.name, row.value) for row in transaction.execute(query)}
    if there != wanted:
        forget(transaction, sorted({job_id for job_id, _, _ in there ^ wanted}))
        again = {job_id for job_id, _, _ in there ^ wanted}
        _ADD.execute(transaction, (row for row in sorted(wanted) if row[0] in again))


def forget(transaction: Transaction, job_ids: Sequence[str]) -> None:
    """Let no job of these ids be found by a label any more."""
    for begin in range(0, len(job_ids), SHARE):
        transaction.execute(delete(job_labels).where(job_labels.c.job_id.in_(job_ids[begin : begin + SHARE])))


def has(job_id: ColumnElement[str], label: Label) -> ColumnElement[bool]:
    """Whether the job of that id is there and has the label."""
    return job_id.in_(_of(label))


def jobs_with(transaction: Transaction, labels: Sequence[Label], most: int) -> list[str]:
    """Up to `most` ids of jobs that are there and have all of these labels."""
    query = select(jobs.c.id).where(*(has(jobs.c.id, label) for label in labels)).limit(most)
    return list(transaction.execute(query).scalars())


def _of(label: Label) -> Select[tuple[str]]:
    query = select(job_labels.c.job_id).where(job_labels.c.name == label.name)
    return query if label.value is None else query.where(job_labels.c.value == label.value)


def infos(transaction: Transaction, names: Sequence[str], most: int) -> list[JobInfo]:
    """Up to `most` jobs that have any label of these names, by id."""
    having = select(job_labels.c.job_id).where(job_labels.c.name.in_(names)).distinct().order_by(job_labels.c.job_id)
    ids = having.limit(most).subquery()
    query = select(jobs.c.id, jobs.c.task, jobs.c.labels).join(ids, ids.c.job_id == jobs.c.id).order_by(jobs.c.id)
    return [
        JobInfo(id=row.id, task=row.task, labels={name: row.labels[name] for name in names if name in row.labels})
        for row in transaction.execute(query)
    ]
