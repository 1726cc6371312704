"""Sweeps, which look at what is due soon: how long they take, and what is said and done when they fail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..clock import elapsed
from ..events import Events
from ..loops import FailureLog

EVERY = 5.0  # seconds between sweeps
FIRST, LONGEST = 2.0, 60.0  # seconds until a refused job is tried again, at first and after many times


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


class Quarantine:
    """Remembers which jobs are left alone, and until when. Each time it is for longer: a fault of the store's own,
    which is soon over, must not make a due late, and a job that is broken for good must not make trouble all day."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}  # until when, and for how many seconds

    def add(self, job_id: str) -> float:
        """This one was refused alone; for how many seconds it is left alone."""
        _, before = self._left.get(job_id, (0.0, FIRST / 2))
        pause = min(2 * before, LONGEST)
        self._left[job_id] = (self._clock.seconds() + pause, pause)
        return pause

    def __contains__(self, job_id: str) -> bool:
        until, pause = self._left.get(job_id, (0.0, 0.0))
        return 0 < until - self._clock.seconds() <= pause  # more: the clock was set back

    def forget_old(self) -> None:
        """Drop those that were not refused again for as long as can be: they were mended, or deleted."""
        moment = self._clock.seconds()
        self._left = {
            job_id: (until, pause) for job_id, (until, pause) in self._left.items() if abs(until - moment) <= LONGEST
        }
