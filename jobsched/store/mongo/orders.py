"""Orders in MongoDB: those that `store.performing` knows."""

from __future__ import annotations

from typing import TypeVar

from ...model.order import Issued, Order, Performed
from .. import performing
from .ordering import Records
from .transaction import Transaction

T = TypeVar("T")


def perform(transaction: Transaction, order: Order[T], issued: Issued) -> Performed[T]:
    """As `contract.Orders.perform` has it; what is missing are the orders on many jobs."""
    return performing.perform(Records(transaction), order, issued)
