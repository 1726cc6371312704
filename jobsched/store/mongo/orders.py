"""Orders in MongoDB: those that `store.performing` knows."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Final, TypeVar, cast

from twisted.internet.defer import Deferred

from ...clock import elapsed
from ...model.batch import Batch
from ...model.errors import JobschedError
from ...model.job_set import SetDone
from ...model.order import BatchJobs, CreateJob, Issued, Order, Performed, PutJobs
from .. import order_groups, performing
from ..order_groups import Asked, Outcome
from . import batches, job_sets
from .db_errors import Collided
from .ordering import Records
from .transaction import Noun, Transaction

T = TypeVar("T")

PATIENCE: Final = 60  # seconds that a set waits for others


class Carrying(Noun, order_groups.Carrying):
    """Carries out orders, each time in one transaction. New jobs alone share one: MongoDB has no savepoint behind which
    another order could be refused."""

    def one(self, order: Order[T], issued: Issued) -> Deferred[Performed[T]]:
        if isinstance(order, BatchJobs):
            return _answer(self._batch(order, issued))
        if isinstance(order, PutJobs):
            return _answer(self._set(order, issued))
        return self._in.write(perform, order, issued)

    def all(self, asked: Sequence[Asked]) -> Deferred[list[Outcome]]:
        return self._in.write(create_all, asked)

    async def _set(self, order: PutJobs, issued: Issued) -> Performed[SetDone]:
        """While another set is put, this one collides with it, for as long as that takes."""
        limit = elapsed() + PATIENCE
        while True:
            try:
                return await self._in.write(job_sets.perform, order, issued)
            except Collided:
                if elapsed() >= limit:
                    raise

    async def _batch(self, order: BatchJobs, issued: Issued) -> Performed[Batch]:
        refused: batches.Refused = {}
        while True:
            try:
                return await self._in.write(batches.perform, order, issued, refused)
            except batches.Undone as why:
                if why.performed is not None:
                    return why.performed
                refused = why.refused


def _answer(carried_out: Coroutine[Deferred[object], object, Performed[object]]) -> Deferred[Performed[T]]:
    """That of an order on many jobs: no checker knows that an `Order[T]` which is such an order answers a T."""
    return cast("Deferred[Performed[T]]", Deferred.fromCoroutine(carried_out))


def perform(transaction: Transaction, order: Order[T], issued: Issued) -> Performed[T]:
    """As `contract.Orders.perform` has it; for orders on one job or run."""
    return performing.perform(Records(transaction), order, issued)


def create_all(transaction: Transaction, asked: Sequence[Asked]) -> list[Performed[object] | JobschedError]:
    """As `performing.create_all`; all of these orders are such."""
    new = [(order, issued) for order, issued in asked if isinstance(order, CreateJob)]
    assert len(new) == len(asked)
    return [*performing.create_all(Records(transaction), new)]
