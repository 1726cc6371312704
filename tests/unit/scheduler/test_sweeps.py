"""How long ago the last sweep was, and what those that fail say."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from jobsched.events import Events
from jobsched.model.errors import Unavailable
from jobsched.scheduler.sweeps import SweepWatch


def begun(sweeps: SweepWatch) -> Deferred[None]:
    """A sweep is under way; it ends when this fires."""
    look: Deferred[None] = Deferred()
    Deferred.fromCoroutine(sweeps.watch(look))
    return look


def test_its_age_counts_from_the_end_of_the_last_that_was_whole() -> None:
    clock, took = Clock(), list[float]()
    events = Events()
    events.swept.subscribe(took.append)
    sweeps = SweepWatch(clock, events, clock.seconds)
    assert sweeps.age is None
    look = begun(sweeps)
    clock.advance(2)
    assert sweeps.age is None
    look.callback(None)
    clock.advance(3)
    age: float | None = sweeps.age
    assert age == 3
    assert took == [2]


def test_a_failed_one_makes_nothing_younger_and_is_told_once() -> None:
    clock, took = Clock(), list[float]()
    events = Events()
    events.swept.subscribe(took.append)
    sweeps = SweepWatch(clock, events, clock.seconds)
    begun(sweeps).callback(None)
    with capturedLogs() as logs:
        for _ in range(3):
            clock.advance(5)
            begun(sweeps).errback(Unavailable("the disk is full"))
        assert (sweeps.age, len(took)) == (15, 1)
        begun(sweeps).callback(None)
        begun(sweeps).errback(Unavailable("the disk is full"))
    said = "the store could not be swept, trying again in 5.0 s: the disk is full"
    assert [formatEvent(event) for event in logs] == [said, said]
