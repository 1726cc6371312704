"""What to log while heartbeats fail: a few lines, however many other parts fail for the same reason."""

from __future__ import annotations

SOON = 5.0  # seconds until a different reason is logged
AGAIN = 10.0  # seconds until the same reason is logged again, with the time that is left
# Seconds in which a heartbeat fails too if the store is away. If none fails, the trouble of other parts is their own.
DOUBT = 4.0
CALM = 10.0  # seconds without trouble after which the next trouble is a new one


class Outage:
    """Remembers since when heartbeats fail, what was logged, and since when other parts have trouble with the store.

    All times are seconds of elapsed time.
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self._words = ""
        self._said: float | None = None
        self._troubled: tuple[float, float] | None = None  # the first and last time of other parts' trouble

    def failed(self, words: str, seconds: float, again: float = AGAIN) -> bool:
        """A heartbeat failed: whether to log that; the same `words` only `again` seconds later. True: they count as
        logged now."""
        self._since = seconds if self._since is None else self._since
        pause = again if words == self._words else SOON
        if self._said is not None and seconds - self._said < pause:
            return False
        self._words, self._said = words, seconds
        return True

    def over(self) -> bool:
        """A heartbeat succeeded: whether its failure had been logged before."""
        said = self._said is not None
        self._since, self._words, self._said = None, "", None
        return said

    def tells(self, seconds: float) -> bool:
        """Another part cannot reach the store: whether the heartbeat's own lines tell that, or soon will."""
        if self._since is not None:
            return True
        since, last = self._troubled or (seconds, seconds)
        if seconds - last > CALM:
            since = seconds
        self._troubled = (since, seconds)
        return seconds - since < DOUBT
