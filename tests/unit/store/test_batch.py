"""Gathering: one hand-over at a time, nothing lost that was to be kept, nothing forgotten by those who wait."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import LogEvent, capturedLogs, formatEvent

from jobsched.model.errors import Unavailable
from jobsched.store.batch import Batch


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


def messages(events: list[LogEvent]) -> list[str]:
    return [formatEvent(event) for event in events]


def test_items_of_one_turn_are_handed_over_together_and_in_order(clock: Clock, taker: Taker) -> None:
    batch = Batch(clock, taker, keep=True)
    for item in (1, 2, 3):
        batch.add(item)
    assert taker.taken == []
    clock.advance(0)
    assert taker.taken == [[1, 2, 3]]


def test_there_is_one_hand_over_at_a_time_and_the_next_takes_what_came_meanwhile(clock: Clock, taker: Taker) -> None:
    batch = Batch(clock, taker, keep=True)
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
    batch = Batch(clock, taker, keep=True, most=2)
    taker.answers = [None, None, None]
    for item in range(5):
        batch.add(item)
    clock.pump([0, 0, 0])
    assert taker.taken == [[0, 1], [2, 3], [4]]


def test_what_could_not_be_stored_goes_in_again_after_a_pause_and_before_what_came_since(
    clock: Clock, taker: Taker
) -> None:
    batch = Batch(clock, taker, keep=True, pause=2)
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


def test_what_need_not_be_kept_is_dropped_and_the_next_is_handed_over_at_once(clock: Clock, taker: Taker) -> None:
    batch = Batch(clock, taker, keep=False)
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

    batch: Batch[int] = Batch(clock, give, keep=False)
    with capturedLogs() as logs:
        for item in (1, 0, 2, 0, 3):
            batch.add(item)
            clock.advance(0.5)
    assert len(messages(logs)) == 1


@pytest.mark.parametrize("keep", [True, False])
def test_a_fault_of_ours_is_logged_with_its_traceback_and_ends_nothing(clock: Clock, keep: bool) -> None:
    taken: list[list[int]] = []

    def broken(items: list[int]) -> Deferred[None]:
        taken.append(items)
        if len(taken) == 1:
            raise ZeroDivisionError  # before there is a Deferred at all
        return succeed(None)

    batch = Batch(clock, broken, keep=keep)
    batch.add(1)
    with capturedLogs() as logs:
        clock.advance(0)
    assert [event["log_failure"].type for event in logs] == [ZeroDivisionError]
    batch.add(2)
    clock.advance(1)
    assert taken == [[1], [1, 2] if keep else [2]]
    assert settled(batch)


def test_nothing_gathered_is_settled(clock: Clock, taker: Taker) -> None:
    assert settled(Batch(clock, taker, keep=True))


def settled(batch: Batch[int]) -> bool:
    """Whether it says so at once."""
    said: list[None] = []
    batch.settled().addCallback(said.append)
    return bool(said)


def test_it_is_settled_when_the_last_hand_over_is_through_and_not_before(clock: Clock, taker: Taker) -> None:
    batch = Batch(clock, taker, keep=True)
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


def test_it_is_not_settled_while_something_waits_to_be_stored_again(clock: Clock, taker: Taker) -> None:
    batch = Batch(clock, taker, keep=True, pause=2)
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
    batch = Batch(clock, taker, keep=False)
    taker.answers = [Unavailable("gone")]
    batch.add(1)
    with capturedLogs():
        clock.advance(0)
    assert settled(batch)


@pytest.mark.parametrize("answers", [[], [Unavailable("gone")]])
def test_a_clock_set_back_does_not_keep_what_comes_later_waiting_for_it(
    clock: Clock, taker: Taker, answers: list[Exception | None]
) -> None:
    clock.rightNow = 5000
    batch = Batch(clock, taker, keep=True)
    taker.answers = answers
    batch.add(1)
    with capturedLogs():
        clock.advance(0 if answers else -1)  # a hand-over is to come: at once, or after the pause
        taker.taken.clear()
        clock.rightNow -= 3600
        batch.add(2)
        clock.advance(0)
    assert taker.taken == [[1, 2]]


def test_what_is_added_during_a_hand_over_by_itself_is_not_lost(clock: Clock) -> None:
    taken: list[list[int]] = []

    def again(items: list[int]) -> Deferred[None]:
        taken.append(items)
        if items[0] < 3:
            batch.add(items[0] + 1)
        return succeed(None)

    batch: Batch[int] = Batch(clock, again, keep=True)
    batch.add(1)
    clock.pump([0, 0, 0, 0])
    assert taken == [[1], [2], [3]]
