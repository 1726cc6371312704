"""Texts of the catalog with places such as {name}, which a job's parameters fill. A value cannot break the syntax.

For task authors; stdlib only. All raise ValueError, in words without a value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
STRING_OR_PLACE = re.compile(r'"(?:[^"\\]|\\.)*"|' + PLACE.pattern, re.DOTALL)

Values = Mapping[str, Any]  # strings, numbers, true and false
Filled = Callable[[Values], str]


def path(text: str, values: Values) -> str:
    """The path of a URL. A value stays within its segment: the number of segments does not change."""
    segments = []
    for segment in text.split("/"):
        filled = _fill(segment, values, _quote)
        if filled in {".", ".."} or (segment and not filled):
            raise ValueError(f"{segment} cannot be {filled!r} in a path")
        segments.append(filled)
    return "/".join(segments)


def query(text: str, values: Values) -> str:
    """The query of a URL."""
    return _fill(text, values, _quote)


def body(text: str, kind: str, names: Iterable[str]) -> Filled:
    """A function that fills a body of the media type `kind`; a place with none of `names` is ordinary text."""
    known = frozenset(names)
    if kind == "application/json" or kind.endswith("+json"):
        try:
            json.loads(_json(text, dict.fromkeys(known, "x"), known))
        except json.JSONDecodeError as why:
            raise ValueError(f"is no JSON: {why}") from None
        return lambda values: _json(text, values, known)
    if kind == "application/x-www-form-urlencoded":
        return lambda values: _fill(text, values, quote_plus, known)
    if kind != "text/plain" and known.intersection(PLACE.findall(text)):
        raise ValueError("parameters can be put into JSON, a form or text/plain only")
    return lambda values: _fill(text, values, str, known)


def _quote(text: str) -> str:
    return quote(text, safe="")


def _fill(text: str, values: Values, written: Callable[[str], str], known: frozenset[str] | None = None) -> str:
    def fill(place: re.Match[str]) -> str:
        return written(_words(_given(place[1], values))) if known is None or place[1] in known else place[0]

    return PLACE.sub(fill, text)


def _json(text: str, values: Values, known: frozenset[str]) -> str:
    """Within a string a value becomes a part of that string; elsewhere it becomes a JSON value."""

    def fill(match: re.Match[str]) -> str:
        if match[1] is None:
            return _fill(match[0], values, lambda words: json.dumps(words)[1:-1], known)
        return json.dumps(_given(match[1], values)) if match[1] in known else match[0]

    return STRING_OR_PLACE.sub(fill, text)


def _given(name: str, values: Values) -> object:
    if name not in values:
        raise ValueError(f"the job does not set the parameter {name}")
    return values[name]


def _words(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
