"""What each noun of the contract is on SQL: questions and changes, each in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from twisted.internet.defer import Deferred

from .transaction import Transaction

P = ParamSpec("P")
T = TypeVar("T")


class Transactions(Protocol):
    """Runs a function in a transaction. `Store` and `ForCallers` do so."""

    def read(
        self, question: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]:
        """Run it in a transaction that reads."""

    def write(self, change: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Run it in a transaction that may write."""


class Noun:
    """The questions and changes of one noun."""

    def __init__(self, transactions: Transactions) -> None:
        self._in = transactions
