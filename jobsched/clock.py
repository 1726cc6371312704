"""What time it is, and the news that somebody changed it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorFromThreads, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

LOOK = 0.5  # seconds between looks
DRIFT = 5e-5  # seconds that two clocks may come apart in a second
STEP = 0.5  # seconds of difference that make a step; slewing stays far below


def elapsed() -> float:
    """Seconds since this host was started, those included in which it was suspended; nobody can step them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def now(clock: IReactorTime) -> datetime:
    """The instant that `clock` shows, in UTC."""
    return datetime.fromtimestamp(clock.seconds(), UTC)


@implementer(IReactorTime)
class SharedClock:
    """What time it is for all nodes alike: this host's elapsed time, set by what the database's clock was seen to be.

    That somebody steps the clock of this host does not move it. Timers are the reactor's.
    """

    def __init__(self, reactor: IReactorTime, elapsed: Callable[[], float] = elapsed) -> None:
        self._reactor = reactor
        self._elapsed = elapsed
        self._offset = reactor.seconds() - elapsed()
        self._unsure = math.inf  # seconds that it may be wrong, when it was set
        self._set = 0.0  # elapsed time when it was

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

    def observe(self, told: datetime, asked: float) -> float:
        """The database's clock was at `told` at some moment between `asked` and now, as `seconds` shows them.

        Follows it where this clock cannot be right, and where the answer was quicker than the one it goes by: it is
        then less than half of that time wrong. By how many seconds it was set.
        """
        moment, heard = told.timestamp(), self.seconds()
        if asked > heard:  # it was set back meanwhile, by another answer
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
    """A timer of the reactor that tells its time as the shared clock does."""

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


def told_each(hearers: Sequence[Callable[[], object]]) -> Callable[[float], None]:
    """Tells all of them of a step, whatever one of them makes of it: their timers wait for times of the old clock."""

    def tell(_seconds: float) -> None:
        for hear in hearers:
            with ClockWatch.log.failuresHandled("a part could not set its timers anew"):
                hear()

    return tell


class ClockWatch(Service):
    """Tells of wall clock steps, from a thread: Twisted's own timers stand still while a clock set back catches up."""

    name = "clock watch"
    log = Logger()

    def __init__(
        self,
        reactor: IReactorFromThreads,
        stepped: Callable[[float], None],
        wall: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reactor = reactor
        self._stepped = stepped
        self._wall = wall
        self._elapsed = elapsed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="clock watch", daemon=True)

    def startService(self) -> None:
        super().startService()
        self._thread.start()

    def stopService(self) -> None:
        super().stopService()
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        offset = self._wall() - self._elapsed()
        while not self._stop.wait(LOOK):
            before, offset = offset, self._wall() - self._elapsed()
            if abs(offset - before) >= STEP:
                self._reactor.callFromThread(self._tell, offset - before)

    def _tell(self, seconds: float) -> None:
        self.log.warn("the wall clock was stepped by {seconds:+.3f} s; timers are set anew", seconds=seconds)
        if self.running:
            self._stepped(seconds)
