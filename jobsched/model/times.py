"""Lengths of time and instants as texts: `1h30m` is read, `1 h 30 min` and `2026-11-28T05:00:00Z` are said. The command
uses it at each start: it imports nothing that is not small."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}

_NUMBER: Final = r"\d{1,12}(?:\.\d{1,6})?"
_BARE: Final = re.compile(_NUMBER, re.ASCII)
_SPAN: Final = re.compile(rf"(?:{_NUMBER}[smhdw] ?)+", re.ASCII)
_PART: Final = re.compile(rf"({_NUMBER})([smhdw])", re.ASCII)
_TENS: Final = 9.95  # seconds from which no tenths are said


def seconds_of(text: str, *, bare: bool = True) -> float | None:
    """The seconds of `90s`, `5m`, `1h30m` or `2d 12h`, in whatever case; None: the text is no length of time.

    `bare`: whether a number alone counts, as seconds.
    """
    plain = text.strip().lower()
    if bare and _BARE.fullmatch(plain):
        return float(plain)
    if not _SPAN.fullmatch(plain):
        return None
    return sum(float(number) * UNITS[unit] for number, unit in _PART.findall(plain))


def spoken(seconds: float, small: Callable[[float], str]) -> str:
    """A length of time in the two units that matter; `small` says what is shorter than 10 seconds."""
    if seconds < _TENS:
        return small(seconds)
    whole = round(seconds)
    for unit, name, lesser, lesser_name in (("d", "d", "h", "h"), ("h", "h", "m", "min"), ("m", "min", "s", "s")):
        size = int(UNITS[unit])
        if whole >= size:
            rest = whole % size // int(UNITS[lesser])
            return f"{whole // size:,} {name}" + (f" {rest} {lesser_name}" if rest else "")
    return f"{whole} s"


def utc_text(instant: datetime) -> str:
    """The exact instant, in UTC and with a Z, as answers show it."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
