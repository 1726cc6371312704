"""Looks at what is due soon: how long they take, when one was whole last, and what is said of those that fail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ..clock import elapsed
from ..model.complaint import Complaint
from ..model.errors import told

EVERY = 5.0  # seconds between sweeps


class Sweeps:
    """Keeps watch over the scheduler's sweeps."""

    log = Logger()

    def __init__(self, clock: IReactorTime, elapsed: Callable[[], float] = elapsed) -> None:
        self._clock = clock
        self._elapsed = elapsed
        self._complaint = Complaint()
        self._last: float | None = None  # elapsed time when one was whole
        self.swept: Callable[[float], object] = lambda seconds: None  # hears how long each took

    @property
    def age(self) -> float | None:
        """Seconds since a sweep was whole; None: none was yet."""
        return None if self._last is None else self._elapsed() - self._last

    async def watch(self, look: Awaitable[None]) -> None:
        """One sweep. Never fails: a loop must not end by an error."""
        begun = self._elapsed()
        try:
            await look
        except Exception as why:
            if not told(why) and self._complaint.worth_saying(str(why), self._clock.seconds()):
                self.log.error("the store could not be swept, trying again in {seconds} s: {why}",
                               seconds=EVERY, why=str(why))  # fmt: skip
            return
        self._complaint.settled()
        self._last = self._elapsed()
        self.swept(self._last - begun)
