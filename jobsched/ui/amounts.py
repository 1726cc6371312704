"""Lengths of time and lists as people type them in forms. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ..model.errors import Invalid
from ..model.times import UNITS, seconds_of


def seconds(text: str, pointer: str) -> float:
    """Of `90`, `90s`, `5m`, `1h30m`. Raises Invalid."""
    found = seconds_of(text)
    if found is None:
        raise Invalid("is a length of time such as 90s, 5m, 1h30m or 2d", pointer)
    return found


def length(value: float | None) -> str:
    """As it is typed; "" for None."""
    if value is None:
        return ""
    for unit in ("w", "d", "h", "m"):
        if value and not value % UNITS[unit]:
            return f"{value / UNITS[unit]:.0f}{unit}"
    return f"{value:.6f}".rstrip("0").rstrip(".") + "s"


def pairs(text: str, pointer: str) -> dict[str, str]:
    """Lines of `name=value`. Raises Invalid."""
    found: dict[str, str] = {}
    for line in text.split("\n"):
        name, sign, value = line.partition("=")
        if not line.strip():
            continue
        if not sign or not name.strip():
            raise Invalid(f"{line.strip()[:80]!r} is no line of the form name=value", pointer)
        if name.strip() in found:
            raise Invalid(f"{name.strip()[:80]!r} is given twice", pointer)
        found[name.strip()] = value.strip()
    return found


def typed(value: str) -> str | int | float | bool:
    """What a value means: a number, true or false, or a text; a text that looks so stands in quotes."""
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return found if isinstance(found, (str, int, float, bool)) else value


def lines(found: Mapping[str, object]) -> str:
    """The lines that `pairs` and `typed` read as this again. A line break in a text is written as in JSON."""
    return "\n".join(f"{name}={_shown(value)}" for name, value in found.items())


def _shown(value: object) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    plain = typed(value) == value and isinstance(typed(value), str) and value == value.strip() and "\n" not in value
    return value if plain and "\r" not in value and not value.startswith('"') else json.dumps(value, ensure_ascii=False)
