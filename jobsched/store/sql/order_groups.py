"""Orders that share a transaction in SQL: each has an outcome of its own, behind a savepoint."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from ...model.errors import JobschedError
from ...model.order import CreateJob, Issued, Order, Performed
from .. import order_groups
from ..order_groups import Asked, Outcome
from . import orders
from .transaction import Noun, Transaction

T = TypeVar("T")


class Carrying(Noun, order_groups.Carrying):
    """Carries out orders, each time in one transaction."""

    def one(self, order: Order[T], issued: Issued) -> Deferred[Performed[T]]:
        return self._in.write(orders.perform, order, issued)

    def all(self, asked: Sequence[Asked]) -> Deferred[list[Outcome]]:
        return self._in.write(perform_all, asked)


def perform_all(transaction: Transaction, asked: Sequence[Asked]) -> list[Outcome]:
    """Carry out orders, in order. One that is refused leaves nothing behind, and the others as they are."""
    outcomes: list[Outcome] = []
    for makes, alike in groupby(asked, key=lambda each: type(each[0]) is CreateJob):
        some: list[Any] = list(alike)
        outcomes += orders.create_all(transaction, some) if makes else [_apart(transaction, *each) for each in some]
    return outcomes


def _apart(transaction: Transaction, order: Order[object], issued: Issued) -> Outcome:
    try:
        with transaction.apart():
            return orders.perform(transaction, order, issued)
    except JobschedError as why:
        return why
