"""Stopping on purpose: who has a job's dues pass, since when, until when and why."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import attrs

LONGEST_REASON: Final = 500  # characters


@attrs.frozen(kw_only=True)
class Pause:
    """How a job came to be paused. Dues before `until` pass, one at `until` runs; None: until the job is resumed."""

    by: str | None  # the name of a token; None: no token was needed
    at: datetime  # since when
    until: datetime | None = None
    reason: str = ""

    def is_over(self, now: datetime) -> bool:
        """Whether it has ended by itself."""
        return self.until is not None and self.until <= now

    @property
    def words(self) -> str:
        """What is said of the dues that passed."""
        return stopped("paused", self.by, self.until, self.reason)


def stopped(how: str, by: str | None, until: datetime | None, reason: str) -> str:
    """In words: "paused by alice until 2026-11-28T05:00:00Z: database upgrade", as far as these are known."""
    words = how if by is None else f"{how} by {by}"
    if until is not None:
        words += f" until {until.isoformat().replace('+00:00', 'Z')}"
    return f"{words}: {reason}" if reason else words
