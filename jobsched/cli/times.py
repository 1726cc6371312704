"""Times as a person reads and writes them: in the zone of this host, or in the one that was asked for."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..model import times
from .errors import Usage

EXAMPLES: Final = "05:00, 2h30m, 2026-12-01 or 2026-12-01T05:00"
SPANS: Final = "90s, 5m, 1h30m, 2d or 1w"
TENTH: Final = 0.1  # seconds


def now() -> datetime:
    """What time it is on this host."""
    return datetime.now(UTC)  # noqa: TID251  # a command is no part of a daemon: it has the host's clock alone


def span(text: str) -> float:
    """Seconds that a text such as 1h30m stands for; a number alone is seconds. Raises Usage."""
    found = times.seconds_of(text)
    if found is None:
        raise Usage(f'"{text}" is no time span, as {SPANS} are')
    return found


def spoken(seconds: float) -> str:
    """A span, in its two largest units; where it is short to the tenth, for columns, or in milliseconds."""
    return f"-{spoken(-seconds)}" if seconds < 0 else times.spoken(seconds, _short)


def _short(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if 0 < seconds < TENTH / 2 else _tenths(seconds)


def _tenths(seconds: float) -> str:
    return f"{seconds:.1f} s"


def whole(seconds: float) -> str:
    """A span without a fraction that is nothing."""
    return f"{int(seconds)} s" if 0 <= seconds < 10 and float(seconds).is_integer() else spoken(seconds)


class Times:
    """Reads and writes times in one zone. `name`: what the server knows the zone by."""

    def __init__(self, zone: str | None = None, utc: bool = False) -> None:
        wanted = "UTC" if utc else zone
        self.name = wanted or own_zone()
        try:
            self.zone: tzinfo | None = UTC if self.name == "UTC" else ZoneInfo(self.name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as why:
            raise Usage(f'there is no zone "{self.name}"; a zone is a name such as Europe/Berlin') from why

    def of(self, text: str | None) -> datetime | None:
        """An instant of an answer, in this zone."""
        return None if text is None else datetime.fromisoformat(text).astimezone(self.zone)

    def short(self, text: str | None, empty: str = "-") -> str:
        """For a person: without what goes without saying today."""
        found = self.of(text)
        if found is None:
            return empty
        today = now().astimezone(self.zone)
        if found.date() == today.date():
            return f"{found:%H:%M:%S}"
        return f"{found:%a %d %b %H:%M}" if abs(found - today) < timedelta(days=300) else f"{found:%Y-%m-%d %H:%M}"

    def full(self, text: str | None, empty: str = "-") -> str:
        """To the second, with the offset."""
        found = self.of(text)
        return empty if found is None else found.isoformat(sep=" ", timespec="seconds")

    def away(self, text: str | None, empty: str = "-") -> str:
        """How far an instant is from now."""
        found = self.of(text)
        if found is None:
            return empty
        seconds = (found - now()).total_seconds()
        far = times.spoken(abs(seconds), _tenths)
        return f"in {far}" if seconds >= 0 else f"{far} ago"

    def ahead(self, text: str) -> str:
        """The instant that a person means who says until when: a time of day is the next such time, 2h is from now."""
        plain = text.strip()
        try:
            if (seconds := times.seconds_of(plain.removeprefix("+"), bare=False)) is not None:
                return (now() + timedelta(seconds=seconds)).isoformat()
            return self._named(plain).astimezone(UTC).isoformat()
        except (ValueError, OverflowError) as why:
            raise Usage(f'"{text}" is no time, as {EXAMPLES} are') from why

    def back(self, text: str) -> str:
        """The instant that a person means who says since when: a time of day is the last such time, -8h is ago."""
        from ..model.errors import JobschedError
        from ..model.time_text import Asked

        try:
            found = Asked.of(self.name, now()).instant(text)
        except (JobschedError, ValueError, OverflowError):
            found = None
        return self.ahead(text) if found is None else found.isoformat()

    def _named(self, text: str) -> datetime:
        if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text, re.ASCII):
            hour, minute, *second = map(int, text.split(":"))
            here = now().astimezone(self.zone)
            found = here.replace(hour=hour, minute=minute, second=second[0] if second else 0, microsecond=0, fold=0)
            if found.astimezone(UTC) <= here.astimezone(UTC):
                day = found.replace(tzinfo=None) + timedelta(days=1)
                found = day.replace(tzinfo=self.zone)
            return found
        found = datetime.fromisoformat(text)
        return found if found.tzinfo is not None else found.replace(tzinfo=self.zone)


def own_zone() -> str:
    """The name of this host's zone, UTC where it has none that others know."""
    name = os.environ.get("TZ", "").removeprefix(":")
    if not name:
        try:
            name = str(Path("/etc/localtime").readlink()).partition("zoneinfo/")[2]
        except OSError:
            name = ""
    return name or "UTC"
