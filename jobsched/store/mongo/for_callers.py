"""The store as callers may use it: they never keep all threads busy."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Concatenate, ParamSpec, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from ...threads import Bulkhead
from ..contract import deliveries as delivery_contract
from ..contract import job_sets as set_contract
from ..contract import jobs as job_contract
from ..contract import nodes as node_contract
from ..contract import orders as order_contract
from ..contract import runs as run_contract
from ..order_groups import OrderGroups
from . import job_keys, job_sets, nouns, run_lists
from .nodes import Settings
from .orders import Carrying
from .transaction import Transaction, Transactions

P = ParamSpec("P")
T = TypeVar("T")


class ForCallers:
    """New jobs that come at once share a transaction. If too many questions or orders wait, further ones are refused.

    `read` and `write` are those of the store, and may raise Busy too. A question that is cancelled before its turn is
    not asked.
    """

    shared = True  # as `Store.shared`

    def __init__(self, clock: IReactorTime, store: Transactions, threads: int, waiting: int) -> None:
        self._store = store
        self._reading = Bulkhead(threads, waiting)
        self._writing = Bulkhead(threads, waiting)
        self.jobs: job_contract.Jobs = nouns.Jobs(self)
        self.job_sets: set_contract.JobSets = job_sets.JobSets(self)
        self.job_keys: job_contract.JobKeys = job_keys.JobKeys(self)
        self.runs: run_contract.Runs = nouns.Runs(self)
        self.nodes: node_contract.Nodes = nouns.Nodes(self)
        self.holds: job_contract.Holds = nouns.Holds(self)
        self.deliveries: delivery_contract.Deliveries = nouns.Deliveries(self)
        self.audit: order_contract.AuditEntries = nouns.AuditEntries(self)
        self.orders: order_contract.Orders = OrderGroups(
            clock, Carrying(self), alone=False, most=threads, waiting=waiting
        )
        self.settings: node_contract.Settings = Settings(self)

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
