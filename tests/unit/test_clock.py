"""The news that somebody changed the wall clock: told once a step, and not when time merely passes."""

from __future__ import annotations

import asyncio
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.base import ReactorBase
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.error import ConnectionDone
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.task import Clock, LoopingCall
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure

from jobsched import clock as clock_module
from jobsched.clock import STEP, ClockWatch, Leaps, Onward, SharedClock, WallClock, count_elapsed, elapsed, now
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
    """A wall clock and two counts of elapsed seconds, one of which leaves out what the machine slept; tells when the
    watch has looked at them."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.error = 0.0
        self.slept = 0.0
        self._looks = threading.Semaphore(0)

    def wall(self) -> float:
        return BEGIN + self.passed + self.error

    def elapsed(self) -> float:
        return 1234.5 + self.passed

    def awake(self) -> float:
        self._looks.release()
        return 234.5 + self.passed - self.slept

    def wait_for_looks(self, count: int) -> None:
        while self._looks.acquire(blocking=False):
            pass  # those before now: on a busy machine they would stand for looks that nobody has made
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
    watch = ClockWatch(post, steps.append, times.wall, times.elapsed, times.awake)  # type: ignore[arg-type]  # a fake
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


def test_a_step_seen_just_before_the_stop_is_told_to_nobody(
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


def test_a_wall_clock_back_is_stepped_though_elapsed_went_back(
    watch: ClockWatch, post: WebhookSender, times: Times, steps: list[float]
) -> None:
    times.passed -= HOUR
    assert post.deliver(30)
    assert steps == [pytest.approx(-HOUR)]


def test_a_machine_that_slept_wakes_the_reactor_without_a_step(
    watch: ClockWatch, post: WebhookSender, times: Times, steps: list[float]
) -> None:
    times.slept += HOUR
    with capturedLogs() as logs:
        assert post.deliver(30)
    assert [formatEvent(event) for event in logs] == ["the machine was asleep for 3600 s"]
    times.wait_for_looks(20)
    assert not post.deliver(0.01)
    assert steps == []


def test_a_part_that_fails_at_a_step_does_not_end_the_watch(
    post: WebhookSender, times: Times, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_seconds: float) -> None:
        raise LookupError("a fault of ours")

    monkeypatch.setattr(clock_module, "LOOK", 0.001)
    watch = ClockWatch(post, broken, times.wall, times.elapsed, times.awake)  # type: ignore[arg-type]  # a fake
    watch.startService()
    times.wait_for_looks(1)
    with capturedLogs() as logs:
        for _ in range(2):
            times.error += HOUR
            assert post.deliver(30)
    watch.stopService()
    assert [formatEvent(event) for event in logs][1::2] == ["a part could not set its timers anew"] * 2


# Elapsed time


@pytest.fixture(params=[EPollReactor, SelectReactor, AsyncioSelectorReactor])
def reactor(request: pytest.FixtureRequest) -> Iterator[ReactorBase]:
    """One of Twisted's own, which does not run."""
    with closing(asyncio.new_event_loop()) as loop:
        reactor = request.param(loop) if request.param is AsyncioSelectorReactor else request.param()
        yield reactor
        reactor.removeReader(reactor.waker)
        reactor.waker.connectionLost(Failure(ConnectionDone()))


def test_timers_of_twisteds_reactors_count_the_seconds_given(reactor: ReactorBase) -> None:
    """Whatever the wall clock shows, and also those that were set by it before."""
    went, passed = list[str](), [50.0]
    before = reactor.callLater(20, went.append, "set before")
    count_elapsed(reactor, lambda: passed[0])
    later = reactor.callLater(5, went.append, "set since")
    assert later.getTime() == 55
    assert before.getTime() == pytest.approx(70, abs=1)
    before.reset(20)
    assert before.getTime() == 70
    assert reactor.timeout() == pytest.approx(5)
    for seconds, gone in ((4.5, []), (0.5, ["set since"]), (16, ["set since", "set before"])):
        passed[0] += seconds
        reactor.runUntilCurrent()
        assert went == gone
    later = reactor.callLater(5, went.append, "put off")
    later.reset(10)
    passed[0] += 6
    reactor.runUntilCurrent()
    assert later.active()
    assert later.getTime() == passed[0] + 4
    loop, beats = LoopingCall(lambda: beats.append(passed[0])), list[float]()
    loop.clock = reactor
    loop.start(60)
    for _ in range(3):
        passed[0] += 60
        reactor.runUntilCurrent()
    loop.stop()
    assert beats == [77, 137, 197, 257]


SLEEP = """
import threading, time
from twisted.internet import reactor
from jobsched.clock import ClockWatch, count_elapsed, elapsed

slept = []
count = lambda: elapsed() + sum(slept)
count_elapsed(reactor, count)
watch = ClockWatch(reactor, lambda seconds: None, lambda: time.time() + sum(slept), count)
reactor.callWhenRunning(watch.startService)
reactor.callLater(3600, reactor.stop)
asleep = threading.Timer(1, slept.append, [3600])  # a timer of the reactor would wake it
asleep.start()
reactor.run()
watch.stopService()
"""


@pytest.mark.slow
def test_what_was_due_while_the_machine_slept_is_done_soon() -> None:
    """The reactor waits in the kernel, which does not count the time asleep: without the watch it is an hour late."""
    done = subprocess.run([sys.executable, "-c", SLEEP], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_reactor_counts_elapsed_time_if_nothing_else_is_said(reactor: ReactorBase) -> None:
    count_elapsed(reactor)
    before = elapsed()
    assert before <= reactor.seconds() <= elapsed()


def test_a_count_goes_on_when_that_of_the_host_goes_back() -> None:
    counts = iter([10.0, 12.0, 400.0, 13.0, 15.5, 3.0, 4.0])
    seconds = Onward(lambda: next(counts))
    assert [seconds() for _ in range(7)] == [10, 12, 400, 400, 402.5, 402.5, 403.5]


def test_a_clock_ahead_by_hours_has_leapt_until_an_hour_is_over() -> None:
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
        self.clock = SharedClock(self.reactor, lambda: self.passed, self.reactor.seconds)

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
def test_the_shared_clock_follows_the_database_not_the_host(wrong: float) -> None:
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
def test_a_wrong_clock_ends_within_the_time_of_the_answer(wrong: float, before: float, after: float) -> None:
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
    host, fired = Host(30), list[str]()
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


def test_the_wall_clock_is_the_hosts_timers_are_the_reactors() -> None:
    reactor, wall, fired = Clock(), [BEGIN], list[str]()
    clock = WallClock(reactor, lambda: wall[0])
    call = clock.callLater(10, fired.append, "fired")
    assert (clock.seconds(), call.getTime()) == (BEGIN, BEGIN + 10)
    wall[0] -= HOUR
    assert (clock.seconds(), call.getTime()) == (BEGIN - HOUR, BEGIN - HOUR + 10)
    reactor.advance(9)
    assert fired == []
    reactor.advance(1)
    assert fired == ["fired"]
