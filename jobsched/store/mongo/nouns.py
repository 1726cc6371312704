"""The nouns of the contract on MongoDB, as far as they are there: each method is one function of this package, in one
transaction.

`store/contract` has their conditions. A noun of which a part is missing does not say that it is the contract's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from twisted.internet.defer import Deferred

from ...model.change import Change, Numbers
from ...model.delivery import Attempt, Delivery
from ...model.membership import Heartbeat, Joined, MembershipSnapshot
from ...model.node import Node
from ...model.run import Run, Tail
from ..contract import changes as change_contract
from ..contract import token_uses as token_uses_contract
from . import changes, deliveries, nodes, runs, token_uses
from .transaction import Transaction

P = ParamSpec("P")
T = TypeVar("T")


class Transactions(Protocol):
    """Runs a function in a transaction, as `Store` does."""

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


class Claims(Noun):
    """What is missing: `claim`."""

    def waiting(self, now: datetime) -> Deferred[tuple[bool, datetime | None]]:
        return self._in.read(runs.waiting, now)

    def started_by(self, node_id: str) -> Deferred[list[Run]]:
        return self._in.read(runs.started_by, node_id)


class Runs(Noun):
    """What is missing: pages and counts; and `record` and `give_up`, which need jobs."""

    def get(self, run_id: str) -> Deferred[Run]:
        return self._in.read(runs.get, run_id)

    def some(self, run_ids: Sequence[str]) -> Deferred[list[Run]]:
        return self._in.read(runs.some, run_ids)

    def tail(self, run_id: str) -> Deferred[Tail | None]:
        return self._in.read(runs.tail, run_id)

    def left_behind(self, node_id: str) -> Deferred[list[Run]]:
        return self._in.read(runs.left_behind, node_id)

    def left_here(self, previous: Sequence[str], name: str) -> Deferred[list[Run]]:
        return self._in.read(runs.left_here, previous, name)

    def stops(self, node_id: str) -> Deferred[tuple[tuple[str, str], ...]]:
        return self._in.read(runs.stops, node_id)


class Nodes(Noun):
    """What is missing: `declare_dead` and `left_alone`, which need the outcomes of runs."""

    def join(self, node: Node, known: Sequence[str], gone: Sequence[str] | None) -> Deferred[Joined]:
        return self._in.write(nodes.join, node, known, gone)

    def beat(self, heartbeat: Heartbeat, now: datetime) -> Deferred[MembershipSnapshot]:
        return self._in.write(nodes.beat, heartbeat, now)

    def leave(self, node_id: str, now: datetime) -> Deferred[None]:
        return self._in.write(nodes.leave, node_id, now)

    def every(self) -> Deferred[list[Node]]:
        return self._in.read(nodes.every)

    def get(self, node_id: str) -> Deferred[Node | None]:
        return self._in.read(nodes.get, node_id)


class Deliveries(Noun):
    """What is missing: `of_run` and `of_job`, which need runs and jobs."""

    def soonest(self, full: Sequence[str], only: Sequence[str] | None) -> Deferred[datetime | None]:
        return self._in.read(deliveries.soonest, full, only)

    def take(
        self, now: datetime, most: int, of_one: int, busy: Mapping[str, int], only: Sequence[str] | None
    ) -> Deferred[list[Delivery]]:
        return self._in.write(deliveries.take, now, most, of_one, busy, only)

    def settle(self, attempts: Sequence[Attempt]) -> Deferred[None]:
        return self._in.write(deliveries.settle, attempts)


class Changes(Noun, change_contract.Changes):
    def number(self, most: int) -> Deferred[int]:
        return self._in.write(changes.number, most)

    def after(self, number: int, most: int) -> Deferred[tuple[Sequence[Change], bool]]:
        return self._in.read(changes.after, number, most)

    def numbers(self) -> Deferred[Numbers]:
        return self._in.read(changes.numbers)


class TokenUses(Noun, token_uses_contract.TokenUses):
    def note(self, uses: Mapping[str, datetime]) -> Deferred[None]:
        return self._in.write(token_uses.note, uses)

    def every(self) -> Deferred[dict[str, datetime]]:
        return self._in.read(token_uses.every)


class Retention(Noun):
    """What is missing: the turns, and all that needs runs, keys or the audit log."""

    def forget_deliveries(self, before: datetime, most: int) -> Deferred[int]:
        return self._in.write(deliveries.forget, before, most)

    def forget_changes(self, before: datetime, most: int) -> Deferred[int]:
        return self._in.write(changes.forget, before, most)

    def forget_nodes(self, now: datetime) -> Deferred[None]:
        return self._in.write(nodes.forget, now)
