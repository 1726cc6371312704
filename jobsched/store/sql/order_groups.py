"""Group commit: orders of callers that come at once share a transaction, each with an outcome of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, TypeAlias, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ...model.errors import Busy, JobschedError, Unavailable
from ...model.order import (
    CancelRun,
    ChangeJob,
    CreateJob,
    DeleteJob,
    Issued,
    Order,
    PauseJob,
    Performed,
    PutJob,
    RerunRun,
    ResumeJob,
    RunJob,
)
from ..contract import orders as order_contract
from . import orders
from .transaction import Transaction, Transactions

T = TypeVar("T")
Asked: TypeAlias = tuple[Order[object], Issued]
Outcome: TypeAlias = Performed[object] | JobschedError

OF_ONE = (ChangeJob, PutJob, PauseJob, ResumeJob, DeleteJob, RunJob, RerunRun, CancelRun)  # one job or run
MOST = 64  # orders in one transaction
LATE = 0.05  # seconds after which a group keeps no others waiting

log = Logger()


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


def shareable(order: Order[object], *, alone: bool) -> bool:
    """Whether an order may share a transaction: it must not keep the others waiting.

    `alone`: no other transaction changes anything meanwhile. Elsewhere an order on a job may have to wait for whoever
    holds the job, and two groups could wait for each other.
    """
    return isinstance(order, CreateJob) or (alone and isinstance(order, OF_ONE))


class _Waiting:
    """An order that waits for its outcome."""

    __slots__ = ("answer", "asked")

    def __init__(self, asked: Asked, give_up: Callable[[_Waiting], None]) -> None:
        self.asked = asked
        self.answer: Deferred[Any] = Deferred(lambda _: give_up(self))


class OrderGroups(order_contract.Orders):
    """Gives orders to the store. An order that finds no other under way is carried out at once. What comes meanwhile
    waits, at most `waiting` orders, and shares the next group, so that groups grow under load.

    A group that takes longer than `LATE` seconds keeps no others waiting: another is begun beside it, up to `most`.

    If the store is away, all orders of a group fail so; if something else fails the group, each is given again, alone.
    An order that its caller gives up before its turn is not carried out.
    """

    def __init__(
        self, clock: IReactorTime, transactions: Transactions, *, alone: bool, most: int, waiting: int
    ) -> None:  # fmt: skip
        self._clock = clock
        self._in = transactions
        self._alone = alone
        self._most = 1 if alone else most
        self._waiting = waiting
        self._queue: deque[_Waiting] = deque()
        self._under_way = 0
        self._late = 0  # of those under way
        self._look: IDelayedCall | None = None

    def perform(self, order: Order[T], issued: Issued) -> Deferred[Performed[T]]:
        if not shareable(order, alone=self._alone):
            return self._in.write(orders.perform, order, issued)
        if len(self._queue) >= self._waiting:
            raise Busy(f"{self._waiting} requests of this kind wait for their turn already; ask again later")
        waiting = _Waiting((order, issued), self._give_up)
        self._queue.append(waiting)
        self._go_on()
        return waiting.answer

    def _give_up(self, waiting: _Waiting) -> None:
        if waiting in self._queue:
            self._queue.remove(waiting)

    def _go_on(self) -> None:
        while self._queue and self._under_way - self._late < 1 and self._under_way < self._most:
            group = [self._queue.popleft() for _ in range(min(len(self._queue), MOST))]
            self._under_way += 1
            maybeDeferred(self._in.write, perform_all, [each.asked for each in group]).addCallbacks(
                _answer, self._failed, callbackArgs=(group,), errbackArgs=(group,)
            ).addBoth(self._done)
        if self._look is None and self._under_way and self._under_way < self._most:
            self._look = self._clock.callLater(LATE, self._looked)

    def _looked(self) -> None:
        self._look = None
        self._late = self._under_way
        self._go_on()

    def _failed(self, why: Failure, group: list[_Waiting]) -> None:
        if why.check(Unavailable, Busy) or len(group) == 1:
            for each in group:
                _tell(each, why)
            return
        for each in group:
            maybeDeferred(self._in.write, perform_all, [each.asked]).addCallbacks(
                _answer, self._failed, callbackArgs=([each],), errbackArgs=([each],)
            )

    def _done(self, _: object) -> None:
        self._under_way -= 1
        self._late = min(self._late, self._under_way)
        if not self._under_way and self._look is not None:
            self._look.cancel()
            self._look = None
        self._go_on()


def _answer(outcomes: list[Outcome], group: Sequence[_Waiting]) -> None:
    for each, outcome in zip(group, outcomes, strict=True):
        _tell(each, Failure(outcome) if isinstance(outcome, JobschedError) else outcome)


def _tell(waiting: _Waiting, result: Performed[object] | Failure) -> None:
    if not waiting.answer.called:
        waiting.answer.callback(result)  # the result may be a Failure
    elif isinstance(result, Failure) and not result.check(JobschedError):
        log.failure("work failed whose caller had given it up", result)
