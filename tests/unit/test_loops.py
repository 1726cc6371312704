"""What is done again and again: no error ends it, nothing puts it off, and it does not fill the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import LogEvent, Logger, capturedLogs, formatEvent

from jobsched.loops import Alarm, FailureLog, Loop
from jobsched.model.errors import Unavailable
from jobsched.model.log_throttle import PAUSE
from tests.fakes import StillReactor

BEGIN = 1_700_000_000.0
HOUR = 3600.0

# Loops


def raises() -> None:
    raise LookupError("by itself")


@pytest.mark.parametrize("work", [raises, lambda: fail(LookupError("later")), lambda: fail(Unavailable("gone"))])
def test_an_error_is_not_the_end_of_a_loop(work: Any) -> None:
    reactor, times = StillReactor(BEGIN), list[float]()

    def turn() -> Any:
        times.append(reactor.seconds() - BEGIN)
        return work() if len(times) == 2 else succeed(None)

    loop = Loop(reactor, 5, turn, "the work")
    with capturedLogs() as logs:
        loop.start()
        reactor.walk(21)
    assert times == [0, 5, 10, 15, 20]
    (event,) = logs
    assert formatEvent(event).startswith("the work failed, trying again in 5 s: ")
    assert ("log_failure" in event) == ("gone" not in formatEvent(event)), "a fault of ours has a traceback"
    loop.stop()
    assert not reactor.getDelayedCalls()


def test_a_loop_does_nothing_twice_at_a_time() -> None:
    reactor, turns = StillReactor(BEGIN), list[Deferred[None]]()

    def turn() -> Deferred[None]:
        turns.append(Deferred())
        return turns[-1]

    loop = Loop(reactor, 5, turn, "the work")
    loop.start(now=False)
    reactor.walk(4)
    assert turns == []
    reactor.walk(20)
    assert len(turns) == 1
    turns[0].callback(None)
    reactor.walk(5)
    assert len(turns) == 2
    loop.stop()
    with capturedLogs():
        turns[1].errback(LookupError("after the end"))
        reactor.walk(60)
    assert len(turns) == 2
    assert not reactor.getDelayedCalls()


@pytest.mark.parametrize("step", [-400 * 24 * HOUR, -HOUR, HOUR])
def test_a_loop_goes_on_when_the_wall_clock_is_stepped(step: float) -> None:
    reactor, times = StillReactor(BEGIN), list[float]()
    loop = Loop(reactor, 5, lambda: times.append(reactor.seconds() - BEGIN), "the work")
    loop.start()
    reactor.walk(6)
    reactor.step(step)
    reactor.walk(10)
    assert times == [0, 5, step + 10, step + 15]
    loop.start()
    assert times[-1] == step + 16, "at once, if it is begun anew"
    loop.stop()
    loop.stop()
    assert not reactor.getDelayedCalls()


# Alarms


@given(st.lists(st.floats(0, 100), min_size=1, max_size=10))
def test_an_alarm_rings_once_at_the_earliest_time_it_was_set_to(times: list[float]) -> None:
    reactor, rung = StillReactor(BEGIN), list[float]()
    alarm = Alarm(reactor, lambda: rung.append(reactor.seconds()))
    for seconds in times:
        alarm.within(seconds)
    reactor.walk(HOUR)
    assert rung == [pytest.approx(BEGIN + min(times))]
    assert not reactor.getDelayedCalls()


def test_an_alarm_may_be_set_again_and_is_silent_when_cancelled() -> None:
    reactor, rung = StillReactor(BEGIN), list[float]()
    alarm = Alarm(reactor, lambda: rung.append(reactor.seconds() - BEGIN))
    alarm.cancel()
    alarm.within(1)
    reactor.walk(1)
    alarm.within(2)
    alarm.cancel()
    reactor.walk(5)
    alarm.within(0)
    reactor.walk(0)
    assert rung == [1, 6]


def test_an_alarm_is_not_put_off_by_a_wall_clock_set_back() -> None:
    reactor, rung = StillReactor(BEGIN), list[float]()
    alarm = Alarm(reactor, lambda: rung.append(reactor.seconds()))
    alarm.within(1)
    reactor.step(-HOUR)
    alarm.within(2)
    reactor.walk(2)
    assert rung == [BEGIN - HOUR + 1]


# Complaints


def said(events: Sequence[LogEvent]) -> list[tuple[str, bool]]:
    """Each line, and whether it has a traceback."""
    return [(formatEvent(event), "log_failure" in event) for event in events]


def test_the_same_trouble_is_told_now_and_then_another_at_once() -> None:
    reactor = StillReactor(BEGIN)
    trouble = FailureLog(Logger(), reactor)

    def fails(error: Exception) -> None:
        fail(error).addErrback(lambda why: trouble.say("{what}: {why}", why, what="work"))

    with capturedLogs() as logs:
        for _ in range(10):
            fails(Unavailable("gone"))
        assert said(logs) == [("work: gone", False)]
        fails(LookupError("odd"))
        fails(ZeroDivisionError())
        assert said(logs)[1:] == [("work: odd", True), ("work: ", True)]
        reactor.walk(PAUSE)
        fails(ZeroDivisionError())
        trouble.settled()
        fails(ZeroDivisionError())
    assert len(logs) == 5
