"""Orders in SQL: those that `store.performing` knows, and those on many jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, TypeVar

from sqlalchemy import select

from ...model.batch import Batch
from ...model.errors import JobschedError
from ...model.job import Job
from ...model.job_set import SetDone
from ...model.order import BatchJobs, CreateJob, Issued, Order, Performed, PutJobs
from ...model.selection import Selection
from .. import batches, job_columns, performing
from .. import job_sets as shared_sets
from . import job_sets, ordering
from .tables import jobs
from .transaction import Transaction
from .visibility import of_tasks, selected

T = TypeVar("T")


class Records(ordering.Records, batches.Records):
    """What orders ask of a transaction; of which some is for batches alone."""

    def hold_selected(self, selection: Selection, tasks: tuple[str, ...] | None, most: int) -> list[Job]:
        meant = select(jobs).where(selected(self._in, selection))
        if tasks is not None:
            meant = meant.where(of_tasks(self._in, jobs.c.task, tasks))
        rows = self._in.execute(meant.order_by(jobs.c.id).limit(most).with_for_update()).all()
        return [job_columns.from_row(row) for row in rows]

    def apart(self) -> AbstractContextManager[None]:
        return self._in.apart()

    def undone(self) -> AbstractContextManager[None]:
        return self._in.undone()


def perform(transaction: Transaction, order: Order[T], issued: Issued) -> Performed[T]:
    """As `contract.Orders.perform` has it. Raises what the order does."""
    how = ON_MANY.get(type(order))
    if how is None:
        return performing.perform(Records(transaction), order, issued)
    performed: Performed[T] = how(transaction, order, issued)
    return performed


def create_all(
    transaction: Transaction, asked: Sequence[tuple[CreateJob, Issued]]
) -> list[Performed[str] | JobschedError]:
    """As `performing.create_all`."""
    return performing.create_all(Records(transaction), asked)


def _batch(transaction: Transaction, order: BatchJobs, issued: Issued) -> Performed[Batch]:
    records = Records(transaction)
    return batches.perform(records, order, issued, lambda each, by: performing.perform(records, each, by))


def _set(transaction: Transaction, order: PutJobs, issued: Issued) -> Performed[SetDone]:
    records = job_sets.Records(transaction)
    return shared_sets.perform(records, order, issued, lambda each, by: performing.perform(records, each, by))


ON_MANY: Final[Mapping[type[Order[Any]], Callable[[Transaction, Any, Issued], Performed[Any]]]] = {
    PutJobs: _set,
    BatchJobs: _batch,
}
