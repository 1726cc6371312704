"""Whether a complaint is worth a line in the log: the same words again and again hide the other lines."""

from __future__ import annotations

PAUSE = 30.0  # seconds until the same words are logged again


class LogThrottle:
    """Remembers which words were logged last, and when."""

    def __init__(self) -> None:
        self._words = ""
        self._said = 0.0

    def should_log(self, words: str, seconds: float) -> bool:
        """Whether `words` are new, or were logged `PAUSE` or more before `seconds`. True: they count as logged now."""
        if words == self._words and 0 <= seconds - self._said < PAUSE:
            return False
        self._words, self._said = words, seconds
        return True

    def settled(self) -> None:
        """There is nothing to complain about any more: the next time is news."""
        self._words = ""
