"""The ticker: fires at each due it was aimed at, never before it, and not after it was stopped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from twisted.logger import capturedLogs

from jobsched.scheduler.ticker import AFTER, DRIFT, NEAR, Ticker
from tests.fakes import StillReactor
from tests.unit.scheduler.world import CountedLoop

T0 = datetime(2024, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def clock() -> StillReactor:
    return StillReactor(T0.timestamp())


@pytest.fixture
def fired() -> list[float]:
    return []


@pytest.fixture
def ticker(clock: StillReactor, fired: list[float]) -> Ticker:
    """Notes the seconds since T0 at which it fired."""
    return Ticker(clock, lambda: fired.append(round(clock.seconds() - T0.timestamp(), 6)))


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def test_it_fires_once_at_the_due_it_was_aimed_at(clock: StillReactor, ticker: Ticker, fired: list[float]) -> None:
    ticker.aim(at(3), None)
    clock.walk(100)
    assert fired == [3.001]
    assert not clock.getDelayedCalls()


def test_it_never_fires_before_its_due(clock: StillReactor, ticker: Ticker, fired: list[float]) -> None:
    ticker.aim(at(3), None)
    clock.walk(3)
    assert fired == []
    assert AFTER > 0


def test_a_due_that_has_passed_fires_at_once(clock: StillReactor, ticker: Ticker, fired: list[float]) -> None:
    ticker.aim(at(-3600), None)
    clock.advance(0)
    assert fired == [0]


def test_for_an_interval_it_goes_on_by_itself(clock: StillReactor, ticker: Ticker, fired: list[float]) -> None:
    ticker.aim(at(3), SECOND)
    clock.walk(4)
    assert fired == [3.001]
    clock.walk(2)
    assert fired == [3.001, 4.001, 5.001]


def test_aiming_at_the_due_it_goes_for_already_changes_no_timer(clock: StillReactor, ticker: Ticker) -> None:
    ticker.aim(at(3), SECOND)
    before = clock.getDelayedCalls()
    ticker.aim(at(3), SECOND)
    assert clock.getDelayedCalls() == before
    clock.walk(3.5)
    loop = clock.getDelayedCalls()
    ticker.aim(at(4), SECOND)
    assert clock.getDelayedCalls() == loop


def test_a_loop_that_is_aimed_at_each_due_fires_once_a_due(
    clock: StillReactor, ticker: Ticker, fired: list[float]
) -> None:
    clock.walk(0.5)
    for due in range(1, 200):
        ticker.aim(at(due), SECOND)
        clock.walk(1)
    assert fired == [pytest.approx(due + AFTER, abs=DRIFT) for due in range(1, 200)]


def test_a_loop_that_began_late_is_brought_back_to_the_grid(
    clock: StillReactor, ticker: Ticker, fired: list[float]
) -> None:
    ticker.aim(at(1), SECOND)
    clock.advance(1.4)  # the reactor was blocked
    ticker.aim(at(2), SECOND)
    clock.walk(1.2)
    assert fired == [1.4, 2.001]


def test_a_loop_the_reactor_was_late_for_keeps_the_grid(
    clock: StillReactor, ticker: Ticker, fired: list[float]
) -> None:
    ticker.aim(at(1), SECOND)
    clock.advance(1.003)
    ticker.aim(at(2), SECOND)
    clock.walk(0.5)
    clock.advance(0.9)
    clock.walk(1)
    assert fired == [1.003, 2.403, 3.001]


def test_a_drift_below_what_a_person_sees_is_left_alone(
    clock: StillReactor, ticker: Ticker, fired: list[float]
) -> None:
    ticker.aim(at(1), SECOND)
    clock.walk(1.5)
    timers = clock.getDelayedCalls()
    ticker.aim(at(1.997), SECOND)  # the clock by which it goes was corrected
    assert clock.getDelayedCalls() == timers
    clock.walk(2)
    assert fired == [1.001, 2.001, 2.998]


def test_it_has_one_loop_however_often_that_is_moved(
    clock: StillReactor, ticker: Ticker, fired: list[float], loops: list[CountedLoop]
) -> None:
    ticker.aim(at(1), SECOND)
    clock.walk(1.5)
    ticker.aim(at(2.2), SECOND)
    clock.walk(3)
    assert fired == [1.001, 2.201, 3.201, 4.201]
    assert [(loop.starts, loop.beats) for loop in loops] == [(2, 4)]


@pytest.mark.parametrize("seconds", [0.1, 0.3, 1, 7, 59.9, 600])
def test_no_rounding_error_makes_a_loop_beat_twice(
    clock: StillReactor, ticker: Ticker, fired: list[float], seconds: float
) -> None:
    ticker.aim(at(seconds), timedelta(seconds=seconds))
    clock.walk(1000.5 * seconds)
    assert fired == [pytest.approx(beat * seconds + AFTER, abs=NEAR) for beat in range(1, 1001)]


def test_a_loop_that_broke_goes_on_when_it_is_aimed_again(clock: StillReactor) -> None:
    fired: list[float] = []

    def fire() -> None:
        fired.append(round(clock.seconds() - T0.timestamp(), 6))
        if len(fired) == 2:
            raise ZeroDivisionError

    ticker = Ticker(clock, fire)
    ticker.aim(at(1), SECOND)
    with capturedLogs() as logs:
        clock.walk(3)
    assert [event["log_failure"].type for event in logs] == [ZeroDivisionError]
    ticker.aim(at(4), SECOND)
    clock.walk(3)
    ticker.stop()
    assert fired == [1.001, 2.001, 4.001, 5.001]


@pytest.mark.parametrize("early", [0.002, 0.004])
def test_a_loop_that_would_fire_before_its_due_is_brought_back(
    clock: StillReactor, ticker: Ticker, fired: list[float], early: float
) -> None:
    ticker.aim(at(1), SECOND)
    clock.walk(1.5)
    ticker.aim(at(2 + early), SECOND)  # the job's start was changed
    clock.walk(1)
    assert fired[1] >= 2 + early


def test_a_new_interval_with_the_same_next_due_is_followed(
    clock: StillReactor, ticker: Ticker, fired: list[float]
) -> None:
    ticker.aim(at(1), SECOND)
    clock.walk(1.5)
    ticker.aim(at(2), 3 * SECOND)
    clock.walk(6)
    assert fired == [1.001, 2.001, 5.001]


def test_a_loop_that_is_aimed_at_a_single_due_goes_no_further(
    clock: StillReactor, ticker: Ticker, fired: list[float]
) -> None:
    ticker.aim(at(1), SECOND)
    clock.walk(1.5)
    ticker.aim(at(2), None)
    clock.walk(10)
    assert fired == [1.001, 2.001]


def test_an_earlier_due_takes_the_place_of_a_later_one(clock: StillReactor, ticker: Ticker, fired: list[float]) -> None:
    ticker.aim(at(9), None)
    ticker.aim(at(2), None)
    clock.walk(10)
    assert fired == [2.001]


def test_it_can_be_aimed_again_after_it_has_fired(clock: StillReactor, ticker: Ticker, fired: list[float]) -> None:
    ticker.aim(at(1), None)
    clock.walk(1.5)
    ticker.aim(at(1), None)
    clock.advance(0)
    assert fired == [1.001, 1.5]


def test_it_can_be_aimed_while_it_fires(clock: StillReactor) -> None:
    fired: list[float] = []

    def fire() -> None:
        fired.append(round(clock.seconds() - T0.timestamp(), 6))
        aimed.aim(at(len(fired) + 1), SECOND)

    aimed = Ticker(clock, fire)
    aimed.aim(at(1), SECOND)
    clock.walk(5.5)
    aimed.stop()
    assert fired == [1.001, 2.001, 3.001, 4.001, 5.001]
    assert not clock.getDelayedCalls()


@pytest.mark.parametrize("every", [None, SECOND])
@pytest.mark.parametrize("when", [0.5, 1.5])
def test_a_stopped_ticker_fires_no_more_and_leaves_no_timer(
    clock: StillReactor, ticker: Ticker, fired: list[float], every: timedelta | None, when: float
) -> None:
    ticker.aim(at(1), every)
    clock.walk(when)
    count = len(fired)
    ticker.stop()
    ticker.stop()
    clock.walk(10)
    assert len(fired) == count
    assert not clock.getDelayedCalls()
