"""The news that somebody changed the wall clock: told once a step, and not when time merely passes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock, LoopingCall
from twisted.logger import capturedLogs, formatEvent

from jobsched import clock as clock_module
from jobsched.clock import STEP, ClockWatch, Leaps, Metronome, SharedClock, bring_forward, now, told_each
from tests.fakes import StillReactor

HOUR = 3600.0
BEGIN = 1_700_000_000.0


class WebhookSender:
    """A reactor that does what a thread asks when the test looks, in the test's own thread."""

    def __init__(self) -> None:
        self._calls: queue.Queue[tuple[Callable[..., object], Any]] = queue.Queue()

    def callFromThread(self, function: Callable[..., object], *args: Any) -> None:
        self._calls.put((function, args))

    def deliver(self, seconds: float) -> bool:
        try:
            function, args = self._calls.get(timeout=seconds)
        except queue.Empty:
            return False
        function(*args)
        return True


class Times:
    """A wall clock and a count of elapsed seconds; tells when the watch has looked at both."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.error = 0.0
        self._looks = threading.Semaphore(0)
        self._calls: list[float] = []

    def wall(self) -> float:
        return BEGIN + self.passed + self.error

    def elapsed(self) -> float:
        self._looks.release()
        return 1234.5 + self.passed

    def wait_for_looks(self, count: int) -> None:
        for _ in range(count):
            assert self._looks.acquire(timeout=30)


@pytest.fixture
def post() -> WebhookSender:
    return WebhookSender()


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def steps() -> list[float]:
    return []


@pytest.fixture
def watch(
    post: WebhookSender, times: Times, steps: list[float], monkeypatch: pytest.MonkeyPatch
) -> Iterator[ClockWatch]:
    monkeypatch.setattr(clock_module, "LOOK", 0.001)
    watch = ClockWatch(post, steps.append, wall=times.wall, elapsed=times.elapsed)
    watch.startService()
    times.wait_for_looks(1)
    yield watch
    if watch.running:
        watch.stopService()


@pytest.mark.parametrize("step", [HOUR, -HOUR, STEP, -STEP, 1e9])
def test_a_step_is_told_once_with_its_size(
    watch: ClockWatch, post: WebhookSender, times: Times, steps: list[float], step: float
) -> None:
    with capturedLogs() as logs:
        times.error += step
        assert post.deliver(30)
    assert steps == [pytest.approx(step)]
    assert formatEvent(logs[0]) == f"the wall clock was stepped by {step:+.3f} s; timers are set anew"
    times.wait_for_looks(20)
    assert not post.deliver(0.01)


def test_time_that_passes_is_no_step_however_much_of_it(
    watch: ClockWatch, post: WebhookSender, times: Times, steps: list[float]
) -> None:
    for _ in range(50):
        times.passed += STEP / 2  # it may pass between the two looks, too
        times.wait_for_looks(1)
    assert not post.deliver(0.01)
    assert steps == []


def test_a_clock_that_is_slewed_is_not_stepped(
    watch: ClockWatch, post: WebhookSender, times: Times, steps: list[float]
) -> None:
    for _ in range(50):
        times.error += STEP / 5
        times.wait_for_looks(2)
    assert not post.deliver(0.01)
    assert steps == []


def test_each_of_several_steps_is_told(
    watch: ClockWatch, post: WebhookSender, times: Times, steps: list[float]
) -> None:
    for step in (HOUR, -2 * HOUR, HOUR):
        times.error += step
        assert post.deliver(30)
    assert steps == [pytest.approx(step) for step in (HOUR, -2 * HOUR, HOUR)]


def test_a_step_that_was_seen_just_before_the_stop_is_told_to_nobody(
    watch: ClockWatch, post: WebhookSender, times: Times, steps: list[float]
) -> None:
    times.error += HOUR
    times.wait_for_looks(3)
    watch.stopService()
    assert post.deliver(30)
    assert steps == []


def test_after_the_stop_no_thread_is_left(watch: ClockWatch) -> None:
    watch.stopService()
    assert "clock watch" not in [thread.name for thread in threading.enumerate()]


def test_a_wall_clock_that_goes_back_is_stepped_though_elapsed_time_went_back_with_it(
    watch: ClockWatch, post: WebhookSender, times: Times, steps: list[float]
) -> None:
    times.passed -= HOUR
    assert post.deliver(30)
    assert steps == [pytest.approx(-HOUR)]


# Timers that a clock set which was wrong


def test_timers_come_when_they_would_have_come_had_the_clock_not_been_set_back() -> None:
    clock, went = StillReactor(BEGIN), list[str]()
    for name, seconds in (("soon", 5.0), ("later", 500.0)):
        clock.callLater(seconds, went.append, name)
    clock.step(-HOUR)
    clock.callLater(7.0, went.append, "set since")
    bring_forward(clock, HOUR)
    clock.advance(5)
    assert went == ["soon"]
    clock.advance(2)
    assert went == ["soon", "set since"]
    clock.advance(492)
    assert went == ["soon", "set since"]
    clock.advance(1)
    assert went == ["soon", "set since", "later"]


def test_a_loop_goes_on_after_a_step_back() -> None:
    clock, beats = StillReactor(BEGIN), list[float]()
    loop = LoopingCall(lambda: beats.append(clock.seconds()))
    loop.clock = clock
    loop.start(60, now=False)
    clock.walk(90)
    clock.step(-400 * 24 * HOUR)
    bring_forward(clock, 400 * 24 * HOUR)
    clock.walk(150)
    assert len(beats) == 4
    loop.stop()


def test_a_metronome_tells_that_timers_were_set_by_a_clock_that_was_ahead_in_between() -> None:
    clock = StillReactor(BEGIN)
    metronome = Metronome(clock)
    assert metronome.too_late == 0
    metronome.start()
    for _ in range(10):
        clock.walk(0.7)
        assert metronome.too_late == 0
    clock.step(HOUR)
    clock.advance(0.01)  # what was due meanwhile goes off, and is set anew
    clock.step(-HOUR)
    assert metronome.too_late == pytest.approx(HOUR, abs=0.1)
    bring_forward(clock, metronome.too_late)
    assert metronome.too_late == pytest.approx(0, abs=0.1)
    clock.walk(5)
    metronome.stop()
    assert clock.getDelayedCalls() == []
    assert metronome.too_late == 0


def test_the_watch_asks_the_metronome(post: WebhookSender, times: Times, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module, "LOOK", 0.001)
    clock, steps = StillReactor(BEGIN), list[float]()
    metronome = Metronome(clock)
    watch = ClockWatch(post, steps.append, wall=times.wall, elapsed=times.elapsed, metronome=metronome)
    watch.startService()
    assert post.deliver(30)
    assert steps == []
    clock.step(HOUR)
    clock.advance(0)
    clock.step(-HOUR)
    while not steps:
        assert post.deliver(30)
    assert steps[0] == pytest.approx(-HOUR, abs=1)
    watch.stopService()
    assert clock.getDelayedCalls() == []


def test_a_clock_that_goes_on_at_once_by_hours_has_leapt_until_an_hour_is_over() -> None:
    clock = StillReactor(BEGIN)
    leaps, fresh = Leaps(clock), Leaps(clock)
    found = []
    for seconds in (0, 60, 3599, 3601, 60, 3400, 200, 60):
        clock.step(seconds)
        found.append(leaps.lately())
    assert found == [False, False, False, True, True, True, False, False]
    fresh.begin(datetime.fromtimestamp(BEGIN - 2 * HOUR, UTC))
    assert fresh.lately()


@given(st.floats(0, 4e9))
def test_now_is_what_the_clock_shows_in_utc(seconds: float) -> None:
    instant = now(StillReactor(seconds))
    assert instant.utcoffset() == datetime.now(UTC).utcoffset()
    assert instant.timestamp() == pytest.approx(seconds, abs=1e-6)


def test_now_follows_the_clock() -> None:
    clock = Clock()
    before = now(clock)
    clock.advance(90)
    assert (now(clock) - before).total_seconds() == 90


class Host:
    """A host whose wall clock may be wrong, and the true time."""

    def __init__(self, wrong: float = 0.0) -> None:
        self.reactor = StillReactor(BEGIN + wrong)
        self.passed = 0.0
        self.clock = SharedClock(self.reactor, lambda: self.passed)

    def wait(self, seconds: float) -> None:
        self.passed += seconds
        self.reactor.walk(seconds)

    def told(self, seconds: float) -> datetime:
        """What the database's clock shows, this many seconds away from the truth."""
        return datetime.fromtimestamp(BEGIN + self.passed + seconds, UTC)

    @property
    def wrong(self) -> float:
        return round(self.clock.seconds() - BEGIN - self.passed, 6)


@pytest.mark.parametrize("wrong", [-HOUR, -30, 0, 30, HOUR])
def test_the_shared_clock_follows_the_database_whatever_the_host_says(wrong: float) -> None:
    host = Host(wrong)
    assert host.wrong == wrong
    assert round(host.clock.observe(host.told(0), host.clock.seconds()), 6) == -wrong
    assert host.wrong == 0


def test_of_several_answers_the_quickest_counts() -> None:
    host = Host(30)
    for before, after in ((0.5, 0.1), (0.01, 0.002), (3, 0), (0.2, 0.4)):
        asked = host.clock.seconds()
        host.wait(before)
        told = host.told(0)
        host.wait(after)
        host.clock.observe(told, asked)
    assert abs(host.wrong) == pytest.approx(0.004, abs=1e-6), "half the difference of there and back"


def test_a_quick_answer_of_long_ago_counts_for_less() -> None:
    host = Host()
    host.clock.observe(host.told(0), host.clock.seconds())
    host.wait(HOUR)  # in which the database's clock went 0.1 s faster
    asked = host.clock.seconds()
    host.wait(0.15)
    assert host.clock.observe(host.told(0.1), asked) == pytest.approx(0.175)


@given(st.floats(-HOUR, HOUR), st.floats(0, 2), st.floats(0, 2))
def test_a_clock_that_is_wrong_ends_within_the_time_the_answer_took(wrong: float, before: float, after: float) -> None:
    host = Host(wrong)
    asked = host.clock.seconds()
    host.wait(before)
    told = host.told(0)
    host.wait(after)
    host.clock.observe(told, asked)
    assert abs(host.wrong) <= before + after + 1e-5


def test_to_step_the_hosts_clock_does_not_move_the_shared_one() -> None:
    host = Host()
    host.reactor.step(HOUR)
    assert host.wrong == 0
    host.wait(5)
    assert host.wrong == 0


def test_timers_of_the_shared_clock_tell_its_time() -> None:
    host, fired = Host(30), []
    host.clock.observe(host.told(0), host.clock.seconds())
    call = host.clock.callLater(10, fired.append, "fired")
    assert call.getTime() == pytest.approx(BEGIN + 10)
    assert [each.getTime() for each in host.clock.getDelayedCalls()] == [pytest.approx(BEGIN + 10)]
    host.wait(4)
    assert call.getTime() == pytest.approx(BEGIN + 10)
    call.reset(2)
    assert call.getTime() == pytest.approx(BEGIN + 6)
    call.delay(1)
    host.wait(2.5)
    assert fired == []
    assert call.active()
    host.wait(0.5)
    assert fired == ["fired"]
    assert not call.active()
    other = host.clock.callLater(1, fired.append, "never")
    other.cancel()
    host.wait(2)
    assert fired == ["fired"]


def test_a_part_that_fails_at_a_step_keeps_no_other_from_hearing_of_it() -> None:
    """The timers of each wait for times of the old clock."""
    heard: list[str] = []

    def broken() -> None:
        raise LookupError("a fault of ours")

    reactor = Clock()
    timer = reactor.callLater(100.0, heard.append, "late")
    tell = told_each(reactor, [lambda: heard.append("one"), broken, lambda: heard.append("another")])
    with capturedLogs() as logs:
        tell(-60.0)
    assert heard == ["one", "another"]
    assert timer.getTime() == 40.0  # it was set by the clock that was ahead
    assert [formatEvent(event) for event in logs] == ["a part could not set its timers anew"]
