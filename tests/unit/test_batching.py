"""Gathering: one hand-over at a time, nothing lost that was to be kept, nothing forgotten by those who wait."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, zip_longest
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import LogEvent, capturedLogs, formatEvent
from twisted.python.failure import Failure

from jobsched.batching import Batch
from jobsched.model.errors import Unavailable


class Taker:
    """Takes batches; answers when told to, or at once with `answer`."""

    def __init__(self) -> None:
        self.taken: list[list[int]] = []
        self.open: list[Deferred[None]] = []
        self.answers: list[Exception | None] = []  # given at once, in order; without one the answer is left open

    def __call__(self, items: list[int]) -> Deferred[None]:
        self.taken.append(items)
        if self.answers:
            answer = self.answers.pop(0)
            return succeed(None) if answer is None else fail(answer)
        self.open.append(Deferred())
        return self.open[-1]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def taker() -> Taker:
    return Taker()


def never(item: int, _why: Failure) -> None:
    raise AssertionError(f"{item} was not refused")


def messages(events: Sequence[LogEvent]) -> list[str]:
    return [formatEvent(event) for event in events]


def test_items_of_one_turn_are_handed_over_together_in_order(clock: Clock, taker: Taker) -> None:
    batch = Batch(clock, taker, never, keep=True)
    for item in (1, 2, 3):
        batch.add(item)
    assert taker.taken == []
    clock.advance(0)
    assert taker.taken == [[1, 2, 3]]


def test_one_hand_over_at_a_time_the_next_takes_what_came(clock: Clock, taker: Taker) -> None:
    batch = Batch(clock, taker, never, keep=True)
    batch.add(1)
    clock.advance(0)
    batch.add(2)
    clock.advance(5)
    batch.add(3)
    clock.advance(5)
    assert taker.taken == [[1]]
    taker.open[0].callback(None)
    clock.advance(0)
    assert taker.taken == [[1], [2, 3]]


def test_no_batch_is_larger_than_allowed(clock: Clock, taker: Taker) -> None:
    batch = Batch(clock, taker, never, keep=True, most=2)
    taker.answers = [None, None, None]
    for item in range(5):
        batch.add(item)
    clock.pump([0, 0, 0])
    assert taker.taken == [[0, 1], [2, 3], [4]]


def test_two_hand_overs_are_spaced(clock: Clock, taker: Taker) -> None:
    batch = Batch(clock, taker, never, keep=True, spacing=2)
    taker.answers = [None, None, None]
    batch.add(1)
    clock.advance(0)
    batch.add(2)
    clock.advance(1)
    batch.add(3)
    assert taker.taken == [[1]]
    clock.advance(1)
    assert taker.taken == [[1], [2, 3]]
    clock.advance(2)
    batch.add(4)
    clock.advance(0)
    assert taker.taken == [[1], [2, 3], [4]], "it was long ago"


def test_a_clock_that_is_set_back_makes_no_space_longer(clock: Clock, taker: Taker) -> None:
    clock.advance(3600)
    batch = Batch(clock, taker, never, keep=True, spacing=2)
    taker.answers = [None, None]
    batch.add(1)
    clock.advance(0)
    clock.rightNow -= 3000
    batch.add(2)
    clock.advance(2)
    assert taker.taken == [[1], [2]]


def test_what_was_not_stored_goes_first_after_a_pause(clock: Clock, taker: Taker) -> None:
    batch = Batch(clock, taker, never, keep=True, pause=2)
    batch.add(1)
    clock.advance(0)
    batch.add(2)
    with capturedLogs() as logs:
        taker.open[0].errback(Unavailable("the disk is full"))
    batch.add(3)
    clock.advance(1.9)
    assert taker.taken == [[1]]
    clock.advance(0.1)
    assert taker.taken == [[1], [1, 2, 3]]
    assert messages(logs) == ["1 changes were not stored; trying again: the disk is full"]


def test_what_need_not_be_kept_is_dropped_and_the_next_goes(clock: Clock, taker: Taker) -> None:
    batch = Batch(clock, taker, never, keep=False)
    taker.answers = [Unavailable("the disk is full"), None]
    batch.add(1)
    with capturedLogs() as logs:
        clock.advance(0)
    batch.add(2)
    clock.advance(0)
    assert taker.taken == [[1], [2]]
    assert messages(logs) == ["1 changes were not stored; the sweep will find them again: the disk is full"]


def test_what_was_not_tried_does_not_make_the_same_trouble_news(clock: Clock) -> None:
    def give(items: list[int]) -> Deferred[bool]:
        return succeed(False) if items == [0] else fail(Unavailable("the disk is full"))

    batch: Batch[int] = Batch(clock, give, never, keep=False)
    with capturedLogs() as logs:
        for item in (1, 0, 2, 0, 3):
            batch.add(item)
            clock.advance(0.5)
    assert len(messages(logs)) == 1


@pytest.mark.parametrize("keep", [True, False])
def test_a_fault_of_ours_is_logged_whole_and_ends_nothing(clock: Clock, keep: bool) -> None:
    taken: list[list[int]] = []

    def broken(items: list[int]) -> Deferred[None]:
        taken.append(items)
        if len(taken) == 1:
            raise ZeroDivisionError  # before there is a Deferred at all
        return succeed(None)

    refused: list[int] = []
    batch = Batch(clock, broken, lambda item, _: refused.append(item), keep=keep)
    batch.add(1)
    with capturedLogs() as logs:
        clock.advance(0)
    assert [event["log_failure"].type for event in logs] == [ZeroDivisionError]
    batch.add(2)
    clock.pump([0, 1, 0])
    assert taken == [[1], [2], *([[1]] if keep else [])]
    assert refused == ([] if keep else [1])
    assert settled(batch)


# What is refused


@attrs.define
class Store:
    """Takes all but what is bad; `given` is what it took, transaction by transaction."""

    bad: set[int] = attrs.field(factory=set)
    outages: list[int] = attrs.field(factory=list)  # calls, counted from 0, at which it cannot be used
    nothing: bool = False  # it refuses also what is to be stored in the place of others
    calls: int = 0
    given: list[list[int]] = attrs.field(factory=list)
    instead: list[int] = attrs.field(factory=list)

    def give(self, items: list[int]) -> Deferred[None]:
        self.calls += 1
        if self.calls - 1 in self.outages:
            return fail(Unavailable("gone"))
        if self.bad.intersection(items):
            return fail(ValueError("refused"))
        self.given.append(items)
        return succeed(None)

    def refused(self, item: int, why: Failure) -> None:
        assert why.check(ValueError)
        if self.nothing:
            raise LookupError("nothing can be stored")
        self.instead.append(item)

    def batch(self, clock: Clock, **fields: Any) -> Batch[int]:
        return Batch(clock, self.give, self.refused, **({"keep": True} | fields))

    @property
    def took(self) -> list[int]:
        return [item for items in self.given for item in items]


def test_one_that_is_refused_keeps_no_other_from_being_stored(clock: Clock) -> None:
    store = Store(bad={37})
    batch = store.batch(clock)
    for item in range(100):
        batch.add(item)
    with capturedLogs() as logs:
        clock.advance(0)
    assert store.took == [item for item in range(100) if item != 37], "all others, in order"
    assert len(store.given) <= 7, "found by halving"
    assert messages(logs) == ["100 changes were refused by the store; they are tried one by one"]


def test_what_is_refused_is_tried_once_more_by_itself(clock: Clock) -> None:
    store = Store(bad={1, 2})
    batch = store.batch(clock, pause=2)
    batch.add(1)
    batch.add(2)
    with capturedLogs():
        clock.advance(0)
        store.bad = {2}
        clock.advance(1.9)
        assert (store.took, store.instead) == ([], [])
        clock.pump([0.1, 0])
    assert (store.took, store.instead) == ([1], [2])
    assert settled(batch)
    clock.advance(3600)
    assert (store.took, store.instead) == ([1], [2])
    assert not clock.getDelayedCalls()


def test_what_nothing_can_replace_is_kept_and_tried_more_rarely(clock: Clock) -> None:
    store = Store(bad={1}, nothing=True)
    batch = store.batch(clock)
    batch.add(1)
    tries: list[float] = []
    with capturedLogs() as logs:
        for _ in range(400):
            calls = store.calls
            batch.add(0)
            clock.pump([1, 0])
            if store.calls - calls > 1:
                tries.append(clock.seconds())
    assert [after - before for before, after in pairwise(tries)] == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60]
    assert store.took == [0] * 400
    assert any("nothing can be stored in their place" in message for message in messages(logs))
    assert not settled(batch)
    store.nothing = False
    clock.pump([60, 0])
    assert store.instead == [1]
    assert settled(batch)


def test_what_need_not_be_kept_is_refused_at_once(clock: Clock) -> None:
    store = Store(bad={2, 3})
    batch = store.batch(clock, keep=False)
    for item in range(8):
        batch.add(item)
    with capturedLogs():
        clock.advance(0)
    assert (store.took, store.instead) == ([0, 1, 4, 5, 6, 7], [2, 3])
    assert settled(batch)


def test_a_fault_in_dealing_with_a_refused_one_stops_no_other(clock: Clock) -> None:
    store = Store(bad={2}, nothing=True)
    batch = store.batch(clock, keep=False)
    for item in range(4):
        batch.add(item)
    with capturedLogs() as logs:
        clock.advance(0)
    assert store.took == [0, 1, 3]
    assert messages(logs)[-1] == "a refused change could not be handled"


def test_a_store_that_went_gets_the_rest_and_nothing_twice(clock: Clock) -> None:
    store = Store(bad={6}, outages=[3])
    batch = store.batch(clock)
    for item in range(8):
        batch.add(item)
    with capturedLogs():
        clock.advance(0)  # all, the first half, the second, then 4 and 5
        assert store.took == [0, 1, 2, 3]
        clock.pump([1, 1, 0])
    assert store.took == [0, 1, 2, 3, 4, 5, 7]
    assert store.instead == [6]


@given(
    st.lists(st.integers(0, 40), unique=True),
    st.sets(st.integers(0, 40)),
    st.lists(st.integers(0, 30), max_size=10),
    st.integers(1, 10),
    st.lists(st.sampled_from([0.0, 0.5, 1.0]), max_size=40),
)
def test_whatever_happens_each_is_stored_once_or_refused_once(
    items: list[int], bad: set[int], outages: list[int], most: int, pauses: list[float]
) -> None:
    clock, store = Clock(), Store(bad, outages)
    batch = store.batch(clock, most=most)
    with capturedLogs():
        for item, pause in zip_longest(items, pauses[: len(items)], fillvalue=0.0):
            batch.add(int(item))
            clock.advance(pause)
        for _ in range(200):
            clock.advance(1)
    assert sorted(store.took) == sorted(set(items) - bad)
    assert sorted(store.instead) == sorted(set(items) & bad)
    assert settled(batch)
    assert not clock.getDelayedCalls()


def test_nothing_gathered_is_settled(clock: Clock, taker: Taker) -> None:
    assert settled(Batch(clock, taker, never, keep=True))


def settled(batch: Batch[int]) -> bool:
    """Whether it says so at once."""
    said: list[None] = []
    batch.settled().addCallback(said.append)
    return bool(said)


def test_it_is_settled_when_the_last_hand_over_is_through(clock: Clock, taker: Taker) -> None:
    batch = Batch(clock, taker, never, keep=True)
    batch.add(1)
    said: list[str] = []
    batch.settled().addCallback(lambda _: said.append("one"))
    clock.advance(0)
    batch.add(2)
    batch.settled().addCallback(lambda _: said.append("other"))
    taker.open[0].callback(None)
    assert said == []
    clock.advance(0)
    taker.open[1].callback(None)
    assert said == ["one", "other"]
    assert not clock.getDelayedCalls()


def test_it_is_not_settled_while_something_waits_for_a_retry(clock: Clock, taker: Taker) -> None:
    batch = Batch(clock, taker, never, keep=True, pause=2)
    taker.answers = [Unavailable("gone"), Unavailable("still gone"), None]
    batch.add(1)
    said: list[None] = []
    batch.settled().addCallback(said.append)
    with capturedLogs():
        clock.pump([0, 2])
        assert said == []
        clock.advance(2)
    assert said == [None]


def test_a_failure_that_drops_the_items_settles_too(clock: Clock, taker: Taker) -> None:
    batch = Batch(clock, taker, never, keep=False)
    taker.answers = [Unavailable("gone")]
    batch.add(1)
    with capturedLogs():
        clock.advance(0)
    assert settled(batch)


def test_what_is_added_during_a_hand_over_by_itself_is_not_lost(clock: Clock) -> None:
    taken: list[list[int]] = []

    def again(items: list[int]) -> Deferred[None]:
        taken.append(items)
        if items[0] < 3:
            batch.add(items[0] + 1)
        return succeed(None)

    batch: Batch[int] = Batch(clock, again, never, keep=True)
    batch.add(1)
    clock.pump([0, 0, 0, 0])
    assert taken == [[1], [2], [3]]
