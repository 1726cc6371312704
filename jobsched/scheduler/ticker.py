"""The in-memory timer that wakes the scheduler for one job. It decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall

from ..model.ids import EPOCH

AFTER = 0.001  # seconds: a timer must not fire the moment before its due
NEAR = 0.0001  # seconds off the aim that a timer may be
DRIFT = 0.005  # seconds off the job's grid that a loop may be


class Ticker:
    """Calls `fire` at each due it was aimed at; for an interval job a `LoopingCall` goes on by itself."""

    def __init__(self, clock: IReactorTime, fire: Callable[[], None]) -> None:
        self._clock = clock
        self._fire = fire
        self._call: IDelayedCall | None = None
        self._loop: LoopingCall | None = None
        self._every: timedelta | None = None

    def aim(self, due: datetime, every: timedelta | None) -> None:
        """Fire at `due`, and then each `every`, if given. Aiming again at what it does already changes nothing."""
        at = (due - EPOCH).total_seconds() + AFTER
        if every == self._every and self._fires_at(at):
            return
        self.stop()
        self._every = every
        call = self._fire if every is None else partial(self._begin, every)
        self._call = self._clock.callLater(self._delay(at), call)
        if self._call.getTime() > at + NEAR:  # something took the processor between two looks at the clock
            self._call.reset(self._delay(at))

    def _delay(self, at: float) -> float:
        return max(at - self._clock.seconds(), 0)

    def stop(self) -> None:
        """Fire no more."""
        if self._loop is not None and self._loop.running:
            self._loop.stop()
        self._loop = None
        if self._call is not None and self._call.active():
            self._call.cancel()

    def _begin(self, every: timedelta) -> None:
        self._loop = LoopingCall(self._fire)
        self._loop.clock = self._clock
        self._loop.start(every.total_seconds())

    def _fires_at(self, at: float) -> bool:
        """Whether the timer that is running now, the loop's once it goes, is well set: never before the due."""
        pending = self._call if self._loop is None else self._loop.call
        return pending is not None and pending.active() and -AFTER / 2 <= pending.getTime() - at <= DRIFT
