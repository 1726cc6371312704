"""Orders in MongoDB: those that `store.performing` knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from ...clock import elapsed
from ...model.errors import JobschedError
from ...model.order import BatchJobs, Issued, Order, Performed, PutJobs
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
            return self._batch(order, issued, {})
        if isinstance(order, PutJobs):
            return self._set(order, issued)
        return self._in.write(perform, order, issued)

    def all(self, asked: Sequence[Asked]) -> Deferred[list[Outcome]]:
        return self._in.write(create_all, asked)

    def _set(self, order: PutJobs, issued: Issued, until: float | None = None) -> Deferred[Any]:
        """While another set is put, this one collides with it, for as long as that takes."""
        limit = elapsed() + PATIENCE if until is None else until
        asked: Deferred[Any] = self._in.write(job_sets.perform, order, issued)

        def again(why: Failure) -> object:
            return self._set(order, issued, limit) if why.check(Collided) and elapsed() < limit else why

        return asked.addErrback(again)

    def _batch(self, order: BatchJobs, issued: Issued, refused: batches.Refused) -> Deferred[Any]:
        def undone(why: Failure) -> object:
            given = why.value
            if not isinstance(given, batches.Undone):
                return why
            return given.performed or self._batch(order, issued, given.refused)

        asked: Deferred[Any] = self._in.write(batches.perform, order, issued, refused)
        return asked.addErrback(undone)


def perform(transaction: Transaction, order: Order[T], issued: Issued) -> Performed[T]:
    """As `contract.Orders.perform` has it; for orders on one job or run."""
    return performing.perform(Records(transaction), order, issued)


def create_all(transaction: Transaction, asked: Sequence[Any]) -> list[Performed[object] | JobschedError]:
    """As `performing.create_all`."""
    return [*performing.create_all(Records(transaction), asked)]
