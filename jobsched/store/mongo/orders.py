"""Orders in MongoDB: those that `store.performing` knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from ...model.errors import JobschedError
from ...model.order import Issued, Order, Performed
from .. import order_groups, performing
from ..order_groups import Asked, Outcome
from .ordering import Records
from .transaction import Noun, Transaction

T = TypeVar("T")


class Carrying(Noun, order_groups.Carrying):
    """Carries out orders, each time in one transaction. New jobs alone share one: MongoDB has no savepoint behind which
    another order could be refused."""

    def one(self, order: Order[T], issued: Issued) -> Deferred[Performed[T]]:
        return self._in.write(perform, order, issued)

    def all(self, asked: Sequence[Asked]) -> Deferred[list[Outcome]]:
        return self._in.write(create_all, asked)


def perform(transaction: Transaction, order: Order[T], issued: Issued) -> Performed[T]:
    """As `contract.Orders.perform` has it; what is missing are the orders on many jobs."""
    return performing.perform(Records(transaction), order, issued)


def create_all(transaction: Transaction, asked: Sequence[Any]) -> list[Performed[object] | JobschedError]:
    """As `performing.create_all`."""
    return [*performing.create_all(Records(transaction), asked)]
