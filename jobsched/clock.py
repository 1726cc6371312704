"""Elapsed time, by which all timers go; what time it is; and a notice when the wall clock is stepped.

A reactor of Twisted has one count of seconds, the wall clock's, for its timers and for all that ask it for the time.
Here these are two: `count_elapsed` makes the reactor count elapsed seconds, and a `WallClock` tells what time it is.
"""

from __future__ import annotations

import math
import os
import select
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorFromThreads, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

LOOK = 0.5  # seconds between looks at the clocks
DRIFT = 5e-5  # seconds by which two clocks may drift apart in a second
LEAP = 3600.0  # seconds: a longer jump ahead is a leap, and for so long after it nothing is deleted for its age
STEP = 0.5  # seconds: a difference of so much is a step; slewing stays far below


def elapsed() -> float:
    """Seconds since this host was started, including the time for which it was suspended; no step changes them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def wall_time() -> float:
    """Seconds since 1970 by the clock of this host, which somebody may step."""
    return time.time()


def now(clock: IReactorTime) -> datetime:
    """The instant that `clock` shows, in UTC."""
    return datetime.fromtimestamp(clock.seconds(), UTC)


def back_then(clock: IReactorTime, moment: float | None) -> datetime:
    """The instant that `clock` showed at a moment that `elapsed` has counted, in UTC; None: that it shows now."""
    ago = 0.0 if moment is None else elapsed() - moment
    return datetime.fromtimestamp(clock.seconds() - ago, UTC)


class Onward:
    """A count of seconds that never goes back. If the host's own count does, as in a machine that is set back to an
    earlier state, this one goes on from where it is. For one thread."""

    def __init__(self, count: Callable[[], float] = elapsed) -> None:
        self._count = count
        self._ahead = 0.0
        self._last = -math.inf

    def __call__(self) -> float:
        moment = self._count() + self._ahead
        if moment < self._last:
            self._ahead += self._last - moment
            moment = self._last
        self._last = moment
        return moment


def count_elapsed(reactor: IReactorTime, seconds: Callable[[], float] | None = None) -> None:
    """From now on the timers of this reactor count elapsed seconds, also the timers that are set already."""
    seconds = seconds or Onward()
    ahead = seconds() - reactor.seconds()
    calls: Sequence[Any] = reactor.getDelayedCalls()
    for call in calls:
        call.delay(ahead)
        call.seconds = seconds  # a timer of Twisted's keeps the count by which it was set
    reactor.seconds = seconds  # type: ignore[method-assign]  # see `twisted_private`


class Leaps:
    """Whether a clock, asked now and then, lately jumped ahead by more than an hour: something old by that clock may be
    new. The machine may have slept, or the clock is wrong."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._last: float | None = None
        self._seen: float | None = None  # what the clock showed after its last leap

    def begin(self, last: datetime) -> None:
        """The clock showed `last` at an earlier look."""
        self._last = last.timestamp()

    def lately(self) -> bool:
        """Whether there was a leap within the last hour."""
        moment = self._clock.seconds()
        if self._last is not None and moment - self._last > LEAP:
            self._seen = moment
        self._last = moment
        return self._seen is not None and 0 <= moment - self._seen < LEAP


@implementer(IReactorTime)
class WallClock:
    """What time it is by the clock of this host, which somebody may step. Timers are the reactor's. No step makes them
    go off earlier or later, and so their `getTime` is stepped with the clock."""

    def __init__(self, reactor: IReactorTime, wall: Callable[[], float] = wall_time) -> None:
        self._reactor = reactor
        self._wall = wall

    def seconds(self) -> float:
        return self._wall()

    def callLater(
        self,
        delay: float,
        callable: Callable[..., object],  # noqa: A002  # as the interface has it
        *args: object,
        **kw: object,
    ) -> IDelayedCall:
        call: IDelayedCall = self._reactor.callLater(delay, callable, *args, **kw)
        return _Timer(self, self._reactor, call)

    def getDelayedCalls(self) -> list[IDelayedCall]:
        return [_Timer(self, self._reactor, call) for call in self._reactor.getDelayedCalls()]


@implementer(IReactorTime)
class SharedClock(WallClock):
    """The time that all nodes share: this host's elapsed time, plus an offset that observations of the database's clock
    set. A step of this host's wall clock does not move the shared clock.
    """

    def __init__(
        self, reactor: IReactorTime, elapsed: Callable[[], float] = elapsed, wall: Callable[[], float] = wall_time
    ) -> None:
        super().__init__(reactor, wall)
        self._elapsed = elapsed
        self._offset = wall() - elapsed()
        self._unsure = math.inf  # seconds by which the offset could be wrong when it was set
        self._set = 0.0  # elapsed time when the offset was set

    def seconds(self) -> float:
        return self._elapsed() + self._offset

    def observe(self, database: datetime, asked: float) -> float:
        """The database's clock showed `database` at some moment between `asked` and now, both as `seconds` shows them.

        This clock is set if that proves it wrong, or if the answer came more quickly than the one by which the clock
        was set before: the error is at most half the time that the answer took. Returns the seconds by which this
        clock was moved; 0: it was not.
        """
        moment, heard = database.timestamp(), self.seconds()
        if asked > heard:  # this clock was set back meanwhile, by another answer
            return 0.0
        unsure = (heard - asked) / 2
        known = self._unsure + DRIFT * (self._elapsed() - self._set)
        if asked <= moment <= heard and unsure >= known:
            return 0.0
        wrong = moment - (asked + heard) / 2
        self._offset += wrong
        self._unsure, self._set = unsure, self._elapsed()
        return wrong


@implementer(IDelayedCall)
class _Timer:
    """A timer of the reactor whose `getTime` is a time of `clock`."""

    def __init__(self, clock: WallClock, reactor: IReactorTime, call: IDelayedCall) -> None:
        self._clock = clock
        self._reactor = reactor
        self._call = call

    def getTime(self) -> float:
        return self._clock.seconds() + self._call.getTime() - self._reactor.seconds()

    def cancel(self) -> None:
        self._call.cancel()

    def delay(self, secondsLater: float) -> None:
        self._call.delay(secondsLater)

    def reset(self, secondsFromNow: float) -> None:
        self._call.reset(secondsFromNow)

    def active(self) -> bool:
        return self._call.active()


class ClockWatch(Service):
    """Tells of steps of the wall clock, and wakes the reactor when the machine has slept: the reactor's wait for its
    next timer does not count the time asleep, and would end too late."""

    name = "clock watch"
    log = Logger()

    def __init__(
        self,
        reactor: IReactorFromThreads,
        stepped: Callable[[float], object],
        wall: Callable[[], float] = wall_time,
        elapsed: Callable[[], float] = elapsed,
        awake: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reactor = reactor
        self._stepped = stepped
        self._wall = wall
        self._elapsed = elapsed
        self._awake = awake  # elapsed time without that in which the machine slept
        self._ring, self._stop = -1, -1  # the two ends of a pipe; a byte in it ends the thread
        self._thread: threading.Thread

    def startService(self) -> None:
        super().startService()
        self._stop, self._ring = os.pipe()
        self._thread = threading.Thread(target=self._watch, name="clock watch", daemon=True)
        self._thread.start()

    def stopService(self) -> None:
        super().stopService()
        os.write(self._ring, b".")
        self._thread.join()
        os.close(self._ring)
        os.close(self._stop)

    def _watch(self) -> None:
        """Each wait has a length, not an end time: a wait for a time would not end if its clock were set back too."""
        ring = select.poll()
        ring.register(self._stop, select.POLLIN)
        wall, elapsed, awake = self._look()
        while not ring.poll(LOOK * 1000):
            before = wall, elapsed, awake
            wall, elapsed, awake = self._look()
            passed = elapsed - before[1]
            step = wall - before[0] - passed
            if wall - before[0] <= -STEP:  # even if the other clock went back with it
                step = min(step, wall - before[0])
            if abs(step) >= STEP:
                self._reactor.callFromThread(self._tell, step)
            asleep = passed - (awake - before[2])
            if asleep >= STEP:
                self._reactor.callFromThread(self._awoke, asleep)  # the reactor then looks what is due

    def _look(self) -> tuple[float, float, float]:
        return self._wall(), self._elapsed(), self._awake()

    def _awoke(self, seconds: float) -> None:
        self.log.info("the machine was asleep for {seconds:.0f} s", seconds=seconds)

    def _tell(self, seconds: float) -> None:
        self.log.warn("the wall clock was stepped by {seconds:+.3f} s; timers are set anew", seconds=seconds)
        if self.running:
            with self.log.failuresHandled("a part could not set its timers anew"):
                self._stepped(seconds)
