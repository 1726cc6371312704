"""What time it is, and a notice when the wall clock is stepped."""

from __future__ import annotations

import math
import os
import select
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorFromThreads, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

LOOK = 0.5  # seconds between looks at the wall clock
BEAT = 1.0  # seconds between two beats of the metronome
DRIFT = 5e-5  # seconds by which two clocks may drift apart in a second
LEAP = 3600.0  # seconds: a longer jump ahead is a leap, and for so long after it nothing is deleted for its age
STEP = 0.5  # seconds: a difference of so much is a step; slewing stays far below


def elapsed() -> float:
    """Seconds since this host was started, including the time for which it was suspended; no step changes them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def now(clock: IReactorTime) -> datetime:
    """The instant that `clock` shows, in UTC."""
    return datetime.fromtimestamp(clock.seconds(), UTC)


def bring_forward(reactor: IReactorTime, seconds: float) -> None:
    """The wall clock was set back by `seconds`: make earlier timers go off at the moment for which they were meant."""
    for call in reactor.getDelayedCalls():
        if call.getTime() - reactor.seconds() > seconds:  # else the timer was set just now, by the new clock
            call.delay(-seconds)


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
class SharedClock:
    """The time that all nodes share: this host's elapsed time, plus an offset that observations of the database's clock
    set. A step of this host's wall clock does not move the shared clock. Timers are the reactor's.
    """

    def __init__(self, reactor: IReactorTime, elapsed: Callable[[], float] = elapsed) -> None:
        self._reactor = reactor
        self._elapsed = elapsed
        self._offset = reactor.seconds() - elapsed()
        self._unsure = math.inf  # seconds by which the offset could be wrong when it was set
        self._set = 0.0  # elapsed time when the offset was set

    def seconds(self) -> float:
        return self._elapsed() + self._offset

    def callLater(
        self,
        delay: float,
        callable: Callable[..., object],  # noqa: A002  # as the interface has it
        *args: object,
        **kw: object,
    ) -> IDelayedCall:
        call: IDelayedCall = self._reactor.callLater(delay, callable, *args, **kw)
        return _SharedCall(self, self._reactor, call)

    def getDelayedCalls(self) -> list[IDelayedCall]:
        return [_SharedCall(self, self._reactor, call) for call in self._reactor.getDelayedCalls()]

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
class _SharedCall:
    """A timer of the reactor whose `getTime` is a time of the shared clock."""

    def __init__(self, clock: SharedClock, reactor: IReactorTime, call: IDelayedCall) -> None:
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


class Metronome:
    """A timer of the reactor that is set again at each beat. If the wall clock is ahead only between two looks, no step
    is seen, but all timers set in that moment go off too late. `too_late` tells so if this timer is among them."""

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Go off for the first time in `BEAT` seconds, and then again each `BEAT` seconds."""
        self._call = self._reactor.callLater(BEAT, self.start)

    def stop(self) -> None:
        """Do not go off any more."""
        if self._call is not None and self._call.active():
            self._call.cancel()

    @property
    def too_late(self) -> float:
        """Seconds by which the next beat will come too late."""
        if self._call is None or not self._call.active():
            return 0.0
        return max(self._call.getTime() - self._reactor.seconds() - BEAT, 0.0)


def told_each(reactor: IReactorTime, hearers: Sequence[Callable[[], object]]) -> Callable[[float], None]:
    """A function that tells all `hearers` of a step, even if one fails: their timers go by the old clock."""

    def tell(seconds: float) -> None:
        if seconds < 0:
            bring_forward(reactor, -seconds)
        for hear in hearers:
            with ClockWatch.log.failuresHandled("a part could not set its timers anew"):
                hear()

    return tell


class ClockWatch(Service):
    """Tells of steps of the wall clock. Looks from a thread: after a step back, Twisted's own timers stand still."""

    name = "clock watch"
    log = Logger()

    def __init__(
        self,
        reactor: IReactorFromThreads,
        stepped: Callable[[float], None],
        wall: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = time.monotonic,
        metronome: Metronome | None = None,
    ) -> None:
        self._reactor = reactor
        self._stepped = stepped
        self._metronome = metronome
        self._wall = wall
        self._elapsed = elapsed
        self._ring, self._stop = -1, -1  # the two ends of a pipe; a byte in it ends the thread
        self._thread = threading.Thread(target=self._watch, name="clock watch", daemon=True)

    def startService(self) -> None:
        super().startService()
        self._stop, self._ring = os.pipe()
        if self._metronome is not None:
            self._metronome.start()
        self._thread.start()

    def stopService(self) -> None:
        super().stopService()
        if self._metronome is not None:
            self._metronome.stop()
        os.write(self._ring, b".")
        self._thread.join()
        os.close(self._ring)
        os.close(self._stop)

    def _watch(self) -> None:
        """Each wait has a length, not an end time: a wait for a time would not end if its clock were set back too."""
        ring = select.poll()
        ring.register(self._stop, select.POLLIN)
        wall = self._wall()
        offset = wall - self._elapsed()
        while not ring.poll(LOOK * 1000):
            (last, wall), before = (wall, self._wall()), offset
            offset = wall - self._elapsed()
            step = offset - before
            if wall - last <= -STEP:  # even if the other clock went back with it
                step = min(step, wall - last)
            if abs(step) >= STEP:
                self._reactor.callFromThread(self._tell, step)
            elif self._metronome is not None:
                self._reactor.callFromThread(self._listen, self._metronome)

    def _listen(self, metronome: Metronome) -> None:
        if self.running and metronome.too_late >= STEP:
            self._tell(-metronome.too_late)

    def _tell(self, seconds: float) -> None:
        self.log.warn("the wall clock was stepped by {seconds:+.3f} s; timers are set anew", seconds=seconds)
        if self.running:
            self._stepped(seconds)
