"""Times as a person names them, `-8h`, `2026-11-28`, `03:00`, read in a zone, and the instants that they stand for."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import attrs

from .errors import Invalid
from .zone import Zone, find

EXAMPLE: Final = ("-1h", "03:00", "2030-01-31", "2030-01-31T03:00", "2030-01-31T11:00:00Z")

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGO = re.compile(r"-((?:\d{1,9}(?:\.\d{1,6})?[smhdw])+)", re.ASCII)
_PART = re.compile(r"([\d.]+)([smhdw])", re.ASCII)
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?", re.ASCII)
_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)(Z|[+-]\d{2}:?\d{2})?)?", re.ASCII)
_DAYS = timedelta(days=1)
LAST: Final = datetime.max.replace(tzinfo=UTC)  # the last instant that there is


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
        day = _DAY.fullmatch(plain.upper())
        if day and day[3] is None and (self.chosen or day[2] is None):
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


@attrs.frozen
class Window:
    """The instants `begin <= instant < end`; none is after `LAST`, so that this one is there as an `end` too."""

    begin: datetime
    end: datetime

    @classmethod
    def at(cls, instant: datetime) -> Window:
        """That instant alone."""
        return cls(instant, instant if instant == LAST else instant + timedelta.resolution)

    def holds(self, instant: datetime) -> bool:
        """Whether `instant` is one of them."""
        return self.begin <= instant < self.end or instant == self.end == LAST


@attrs.frozen(kw_only=True)
class Named:
    """What a text named. A local time that clocks show twice has two windows; one that they skip has none."""

    text: str
    windows: tuple[Window, ...]
    near: datetime  # what comes before and after the time is looked for from here
    note: str | None = None  # what a change of clocks did to that time


def named(text: str, timezone: str, now: datetime) -> Named:
    """What `text` names: a minute if no seconds are given, else a second; a day if there is no time.

    A time without a date is the last such time up to `now` in `timezone`; a date without an offset is read there too.
    Raises Invalid.
    """
    find(timezone)
    zone = ZoneInfo(timezone)
    try:
        if found := _CLOCK.fullmatch(text.strip()):
            wall = time(int(found[1]), int(found[2]), int(found[3] or 0))
            return _last(text, wall, _length(found[3]), zone, timezone, now)
        if found := _DAY.fullmatch(text.strip().upper()):
            return _dated(text, found, zone, timezone)
    except (ValueError, OverflowError):
        pass
    raise Invalid(f"is no time, as {', '.join(EXAMPLE[1:])} are", "?at")


def _length(seconds: str | None) -> timedelta:
    return timedelta(minutes=1) if seconds is None else timedelta(seconds=1)


def _last(text: str, wall: time, length: timedelta, zone: ZoneInfo, timezone: str, now: datetime) -> Named:
    today = now.astimezone(zone).date()
    for days in (0, 1):
        found = _local(text, datetime.combine(today - timedelta(days=days), wall), length, zone, timezone)
        if found.near <= now:
            return found
    raise ValueError(text)


def _dated(text: str, found: re.Match[str], zone: ZoneInfo, timezone: str) -> Named:
    day, clock, offset = found.groups()
    if clock is None:
        first = date.fromisoformat(day)
        begin, end = (datetime.combine(each, time(), zone) for each in (first, first + timedelta(days=1)))
        window = Window(begin.astimezone(UTC), end.astimezone(UTC))
        return Named(text=text, windows=(window,), near=window.begin)
    length = _length(clock[6:] or None)
    if offset is None:
        return _local(text, datetime.fromisoformat(f"{day}T{clock}"), length, zone, timezone)
    begin = datetime.fromisoformat(f"{day}T{clock}{offset}").astimezone(UTC)
    return Named(text=text, windows=(Window(begin, begin + length),), near=begin)


def _local(text: str, wall: datetime, length: timedelta, zone: ZoneInfo, timezone: str) -> Named:
    begins = sorted({wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)})
    there = [begin for begin in begins if begin.astimezone(zone).replace(tzinfo=None, fold=0) == wall]
    note = None
    if not there:
        note = f"{wall:%H:%M} does not exist on {wall:%Y-%m-%d} in {timezone}"
    elif len(there) > 1:
        note = f"{wall:%H:%M} occurs twice on {wall:%Y-%m-%d} in {timezone}"
    return Named(
        text=text, windows=tuple(Window(begin, begin + length) for begin in there), near=begins[0], note=note
    )  # fmt: skip
