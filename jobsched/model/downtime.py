"""A time in which nothing could be run, and what is said of it."""

from __future__ import annotations

from datetime import datetime, timedelta

import attrs

from .overdue import spoken

SECOND = timedelta(seconds=1)


@attrs.frozen
class Downtime:
    """From the last sign of life, `begin`, until there was one again: `what` was so, as in "no daemon ran"."""

    begin: datetime
    end: datetime
    what: str

    def holds(self, due: datetime) -> bool:
        """Whether `due` passed in this time."""
        return self.begin <= due < self.end

    def __str__(self) -> str:
        begin, end = (instant.replace(microsecond=0) for instant in (self.begin, self.end))
        return f"{self.what} from {begin:%FT%TZ} until {end:%FT%TZ} ({spoken(end - begin)})"
