"""What fails a group of orders as a whole, where the store is a fake that says when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher

from jobsched.model.caller import ANYBODY
from jobsched.model.errors import Conflict, Unavailable
from jobsched.model.order import CreateJob, Issued, Performed
from jobsched.store.sql import transaction
from jobsched.store.sql.order_groups import OrderGroups
from tests.store.samples import IDS, job, signature

ISSUED = Issued(signature=signature(0), caller=ANYBODY, node_id="here", ids=IDS)


class Transactions:
    """Keeps what was asked, to be answered by the test."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, Deferred[Any]]] = []

    def read(self, *_: Any, **__: Any) -> Deferred[Any]:
        raise AssertionError

    def write(self, _change: Callable[..., Any], asked: list[Any]) -> Deferred[Any]:
        answer: Deferred[Any] = Deferred()
        self.asked.append((len(asked), answer))
        return answer


@pytest.fixture
def logged() -> Iterator[list[LogEvent]]:
    found: list[LogEvent] = []
    observer = cast(ILogObserver, found.append)
    globalLogPublisher.addObserver(observer)
    yield found
    globalLogPublisher.removeObserver(observer)


@pytest.fixture
def transactions() -> Transactions:
    return Transactions()


@pytest.fixture
def three(transactions: Transactions) -> list[Deferred[Performed[str]]]:
    """Three orders, the last two of which share a transaction that is under way."""
    groups = OrderGroups(Clock(), cast(transaction.Transactions, transactions), alone=True, most=1, waiting=9)
    given = [groups.perform(CreateJob(job=job()), ISSUED) for _ in range(3)]
    transactions.asked[0][1].callback([Performed(answer="first", entry=None)])
    assert [count for count, _ in transactions.asked] == [1, 2]
    return given


def outcome(order: Deferred[Any]) -> list[Any]:
    found: list[Any] = []
    order.addErrback(lambda why: type(why.value)).addCallback(found.append)
    return found


def test_a_refusal_of_all_is_nobodys_until_each_is_asked_alone(transactions: Transactions, three: list[Any]) -> None:
    one, other = map(outcome, three[1:])
    transactions.asked[1][1].errback(Conflict("one of them"))
    assert (one, other) == ([], [])
    assert [count for count, _ in transactions.asked] == [1, 2, 1, 1]
    transactions.asked[2][1].errback(Conflict("this one"))
    transactions.asked[3][1].callback([Performed(answer="third", entry=None)])
    assert one == [Conflict]
    assert [each.answer for each in other] == ["third"]


def test_a_store_that_is_away_is_not_asked_again(transactions: Transactions, three: list[Any]) -> None:
    one, other = map(outcome, three[1:])
    transactions.asked[1][1].errback(Unavailable("it is not known whether the change was made"))
    assert (one, other) == ([Unavailable], [Unavailable])
    assert len(transactions.asked) == 2


def test_a_fault_that_nobody_waits_for_is_logged(
    transactions: Transactions, three: list[Any], logged: list[LogEvent]
) -> None:
    two, last = three[1:]
    outcome(two)
    two.cancel()
    other = outcome(last)
    transactions.asked[1][1].errback(ZeroDivisionError())
    transactions.asked[2][1].errback(ZeroDivisionError())
    transactions.asked[3][1].errback(ZeroDivisionError())
    assert other == [ZeroDivisionError]
    assert [event["log_format"] for event in logged] == ["work failed whose caller had given it up"]
