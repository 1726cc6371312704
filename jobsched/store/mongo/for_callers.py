"""The store as callers may use it: they never keep all threads busy."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Concatenate, ParamSpec, TypeVar

from twisted.internet.defer import Deferred

from ...threads import Bulkhead
from . import nouns, run_lists
from .transaction import Transaction

P = ParamSpec("P")
T = TypeVar("T")


class ForCallers:
    """If too many questions or orders of callers wait, further ones are refused.

    `read` and `write` are those of the store, and may raise Busy too. A question that is cancelled before its turn is
    not asked.
    """

    def __init__(self, store: nouns.Transactions, reading: Bulkhead, writing: Bulkhead) -> None:
        self._store = store
        self._reading = reading
        self._writing = writing
        self.jobs = nouns.Jobs(self)
        self.runs = nouns.Runs(self)
        self.nodes = nouns.Nodes(self)
        self.holds = nouns.Holds(self)
        self.deliveries = nouns.Deliveries(self)
        self.audit = nouns.AuditEntries(self)
        self.orders = nouns.Orders(self)
        self.settings = nouns.Settings(self)

    def oldest_run(self) -> Deferred[datetime | None]:
        """The due of the run that was made first, of those that are kept."""
        return self.read(run_lists.oldest)

    def read(
        self, question: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]:
        """Ask a question."""
        return self._reading.run(lambda: self._store.read(question, *args, **kwargs))

    def write(self, change: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Make a change."""
        return self._writing.run(lambda: self._store.write(change, *args, **kwargs))
