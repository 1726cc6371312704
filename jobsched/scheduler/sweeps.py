"""Sweeps look for jobs that are due soon: how long a sweep takes, and what is logged and done after a failure."""

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
    """Times the scheduler's sweeps, and logs their failures."""

    log = Logger()

    def __init__(self, clock: IReactorTime, events: Events, elapsed: Callable[[], float] = elapsed) -> None:
        self._clock = clock
        self._events = events
        self._elapsed = elapsed
        self._failure_log = FailureLog(self.log, clock)
        self._last: float | None = None  # elapsed time at the end of the last whole sweep

    @property
    def age(self) -> float | None:
        """Seconds since the last whole sweep; None: there was none yet."""
        return None if self._last is None else self._elapsed() - self._last

    async def watch(self, look: Awaitable[None]) -> None:
        """Await one sweep. Never fails: an error must not end the loop of sweeps."""
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
    """Remembers which jobs are left alone, and until when: something in their rows makes changes fail, and would keep
    other jobs from theirs.

    Each pause is twice the one before, up to `LONGEST`. A short fault of the store must not make a due late, and a
    job that is broken for good must not be tried all day.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}  # job id -> the end and the length of its pause

    def add(self, job_id: str) -> float:
        """The store refused this job alone; returns for how many seconds the job is left alone."""
        _, before = self._left.get(job_id, (0.0, FIRST / 2))
        pause = min(2 * before, LONGEST)
        self._left[job_id] = (self._clock.seconds() + pause, pause)
        return pause

    def __contains__(self, job_id: str) -> bool:
        until, pause = self._left.get(job_id, (0.0, 0.0))
        return 0 < until - self._clock.seconds() <= pause  # more: the clock was set back

    def forget_old(self) -> None:
        """Forget the jobs that were not refused again for `LONGEST` after their pause: they were mended, or deleted."""
        moment = self._clock.seconds()
        self._left = {
            job_id: (until, pause) for job_id, (until, pause) in self._left.items() if abs(until - moment) <= LONGEST
        }
