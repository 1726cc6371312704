"""A time as a person names it, "03:00" or "2026-11-28", and the instants that it stands for."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import attrs

from .errors import Invalid
from .zone import find

EXAMPLE: Final = "03:00, 2030-01-31, 2030-01-31T03:00 or 2030-01-31T02:00Z"

_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?", re.ASCII)
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(Z|[+-]\d{2}:?\d{2})?)?", re.ASCII)


@attrs.frozen
class Window:
    """The instants `begin <= instant < end`."""

    begin: datetime
    end: datetime

    def holds(self, instant: datetime) -> bool:
        """Whether `instant` is one of them."""
        return self.begin <= instant < self.end


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
        if found := _TIME.fullmatch(text.strip()):
            wall = time(int(found[1]), int(found[2]), int(found[3] or 0))
            return _last(text, wall, _length(found[3]), zone, timezone, now)
        if found := _DATE.fullmatch(text.strip().upper()):
            return _dated(text, found, zone, timezone)
    except (ValueError, OverflowError):
        pass
    raise Invalid(f"is no time, as {EXAMPLE} are", "?at")


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
