"""What is worth a line in the log while no heartbeat is heard: a few lines, whatever else fails for the same reason."""

from __future__ import annotations

SOON = 5.0  # seconds until another reason is told
AGAIN = 10.0  # seconds until the same is, with the time that is left
DOUBT = 4.0  # seconds until a heartbeat has found out what others have; then it has no trouble, and they have their own
CALM = 10.0  # seconds without trouble after which the next is another


class Outage:
    """Remembers since when heartbeats fail, what was said of it, and since when others have trouble. All times are
    seconds of elapsed time."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._words = ""
        self._said: float | None = None
        self._troubled: tuple[float, float] | None = None  # since when others are, and when they were last

    def failed(self, words: str, seconds: float, again: float = AGAIN) -> bool:
        """A heartbeat failed; whether that is worth saying, for the same reason `again` after so long. Asking is
        saying."""
        self._since = seconds if self._since is None else self._since
        pause = again if words == self._words else SOON
        if self._said is not None and seconds - self._said < pause:
            return False
        self._words, self._said = words, seconds
        return True

    def over(self) -> bool:
        """A heartbeat was heard; whether it was said that none was."""
        said = self._said is not None
        self._since, self._words, self._said = None, "", None
        return said

    def tells(self, seconds: float) -> bool:
        """Somebody else cannot reach the store; whether that is said here, or soon will be."""
        if self._since is not None:
            return True
        since, last = self._troubled or (seconds, seconds)
        if seconds - last > CALM:
            since = seconds
        self._troubled = (since, seconds)
        return seconds - since < DOUBT
