"""Looks at what is due soon: how long they take, when one was whole last, and what is said of those that fail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..clock import elapsed
from ..events import Events
from ..loops import FailureLog

EVERY = 5.0  # seconds between sweeps


class SweepWatch:
    """Keeps watch over the scheduler's sweeps."""

    log = Logger()

    def __init__(self, clock: IReactorTime, events: Events, elapsed: Callable[[], float] = elapsed) -> None:
        self._clock = clock
        self._events = events
        self._elapsed = elapsed
        self._failure_log = FailureLog(self.log, clock)
        self._last: float | None = None  # elapsed time when one was whole

    @property
    def age(self) -> float | None:
        """Seconds since a sweep was whole; None: none was yet."""
        return None if self._last is None else self._elapsed() - self._last

    async def watch(self, look: Awaitable[None]) -> None:
        """One sweep. Never fails: a loop must not end by an error."""
        begun = self._elapsed()
        try:
            await look
            self._last = self._elapsed()
            self._events.swept(self._last - begun)
        except Exception:
            self._failure_log.say("the store could not be swept, trying again in {seconds} s: {why}", Failure(),
                              seconds=EVERY)  # fmt: skip
        else:
            self._failure_log.settled()
