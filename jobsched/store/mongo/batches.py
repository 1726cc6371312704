"""Batches of orders in MongoDB, which has no savepoints.

A part that is refused after it has written something undoes the whole batch; the batch is made again, and that part is
refused at once. What a plan would do is done, and the transaction is undone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from ...model.batch import Batch
from ...model.caller import is_among
from ...model.errors import JobschedError
from ...model.job import Job
from ...model.order import BatchJobs, Issued, Order, Performed
from ...model.selection import Selection
from .. import batches, performing
from . import jobs, ordering
from .transaction import Transaction

T = TypeVar("T")
Refused = Mapping[str, JobschedError]  # by the id of the job


class Undone(Exception):
    """Undoes the transaction. `performed`: that is the answer all the same; None: it is to be made again, with
    `refused`."""

    def __init__(self, performed: Performed[Batch] | None = None, refused: Refused | None = None) -> None:
        super().__init__()
        self.performed = performed
        self.refused: Refused = refused or {}


def perform(transaction: Transaction, order: BatchJobs, issued: Issued, refused: Refused) -> Performed[Batch]:
    """As `batches.perform`; of the jobs that are `refused` it is known already. Raises Undone."""
    records = _Records(transaction, refused)
    performed = batches.perform(records, order, issued, records.one)
    if order.plan:
        raise Undone(performed)
    return performed


class _Records(ordering.Records, batches.Records):
    def __init__(self, transaction: Transaction, refused: Refused) -> None:
        super().__init__(transaction)
        self._refused = refused
        self._part = ""

    def one(self, order: Order[T], issued: Issued) -> Performed[T]:
        """Carry out the order on one job."""
        self._part = str(getattr(order, "job_id", ""))
        if self._part in self._refused:
            raise self._refused[self._part]
        return performing.perform(self, order, issued)

    def hold_selected(self, selection: Selection, tasks: tuple[str, ...] | None, most: int) -> list[Job]:
        every = sorted(jobs.every(self._in), key=lambda job: job.id)
        found = [job for job in every if selection.matches(job) and is_among(job.task, tasks)][:most]
        self._in.hold_all("jobs", [job.id for job in found])
        return found

    @contextmanager
    def apart(self) -> Iterator[None]:
        back, writes = self._in.mark(), self._in.writes
        try:
            yield
        except JobschedError as why:
            if self._in.writes != writes:
                raise Undone(refused={**self._refused, self._part: why}) from why
            back()
            raise

    @contextmanager
    def undone(self) -> Iterator[None]:
        """The transaction is undone as a whole, afterwards."""
        yield
