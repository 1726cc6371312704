"""Instants as a person asks for them: with an offset, or `-8h`, `2026-11-28`, `03:00`, read in a zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import Final

import attrs

from .zone import Zone, find

EXAMPLE: Final = ("-1h", "03:00", "2030-01-31", "2030-01-31T03:00", "2030-01-31T11:00:00Z")

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGO = re.compile(r"-((?:\d{1,9}(?:\.\d{1,6})?[smhdw])+)", re.ASCII)
_PART = re.compile(r"([\d.]+)([smhdw])", re.ASCII)
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?", re.ASCII)
_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?))?", re.ASCII)
_DAYS = timedelta(days=1)


@attrs.frozen(kw_only=True)
class Asked:
    """A zone, and the instant at which somebody asks."""

    zone: Zone
    now: datetime
    chosen: bool = True  # whether whoever asks has named the zone: an instant without an offset is none without it

    @classmethod
    def of(cls, zone: str, now: datetime, *, chosen: bool = True) -> Asked:
        """Raises BadTrigger for a zone that is none."""
        return cls(zone=find(zone), now=now, chosen=chosen)

    def instant(self, text: str, after: datetime | None = None) -> datetime | None:
        """The instant that a text names; None: it is no such text.

        - `-1h30m` is so long ago, and `now` is now.
        - `2026-11-28` is the begin of that day; `2026-11-28T03:00` is a time on it, where the zone is `chosen`.
        - `03:00` is the last such time up to now or, where `after` is given, the first one after that.

        A local time that clocks skip stands for the instant at which they skip it; one that they show twice stands for
        the first of the two. Raises ValueError and OverflowError for what looks so and is nothing.
        """
        plain = text.strip()
        if plain == "now":
            return self.now
        if ago := _AGO.fullmatch(plain):
            spans = (timedelta(**{_UNITS[unit]: float(number)}) for number, unit in _PART.findall(ago[1]))
            return self.now - sum(spans, timedelta(0))
        if clock := _CLOCK.fullmatch(plain):
            return self._next(time(int(clock[1]), int(clock[2]), int(clock[3] or 0)), after)
        if (day := _DAY.fullmatch(plain.upper())) and (self.chosen or day[2] is None):
            return self._shown(datetime.fromisoformat(f"{day[1]}T{day[2] or '00:00'}"))
        return None

    def _next(self, clock: time, after: datetime | None) -> datetime:
        edge = self.now if after is None else after
        today = self.zone.season(edge).wall(edge).date()
        found = [self._shown(datetime.combine(today + number * _DAYS, clock)) for number in range(-2, 3)]
        if after is None:
            return max(each for each in found if each <= edge)
        return min(each for each in found if each > edge)

    def _shown(self, wall: datetime) -> datetime:
        """When clocks show `wall` or, where they skip it, a later time."""
        season = self.zone.first_reaching(wall, datetime.min.replace(year=2, tzinfo=UTC))
        return max(season.instant(wall), season.begin)
