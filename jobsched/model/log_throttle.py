"""Whether a complaint is worth a line in the log: the same words again and again hide what else is said."""

from __future__ import annotations

PAUSE = 30.0  # seconds until the same is said again


class LogThrottle:
    """Remembers what was said last, and when."""

    def __init__(self) -> None:
        self._words = ""
        self._said = 0.0

    def should_log(self, words: str, seconds: float) -> bool:
        """Whether `words`, at this time in seconds, are new or were said long ago. Asking is saying."""
        if words == self._words and 0 <= seconds - self._said < PAUSE:
            return False
        self._words, self._said = words, seconds
        return True

    def settled(self) -> None:
        """There is nothing to complain about any more: the next time is news."""
        self._words = ""
