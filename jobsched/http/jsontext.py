"""JSON on the wire: JSON that is sent can be shown on a terminal, JSON that is received holds no name twice."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from ..model.errors import place
from ..model.printable import shown


def encoded(value: object) -> bytes:
    """JSON with invisible characters escaped: the meaning is the same, and a terminal shows it safely."""
    data = msgspec.json.encode(value)
    return data if data.isascii() else shown(data.decode()).encode()


class _Doubled(dict[str, Any]):
    """An object that holds a name twice."""

    def __init__(self, found: dict[str, object], name: str) -> None:
        super().__init__(found)
        self.name = name


class _Twice(Exception):
    """Some object holds a name twice."""


def _once(pairs: list[tuple[str, object]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise _Twice


def _kept(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    return _Doubled(found, Counter(name for name, _ in pairs).most_common(1)[0][0])


# Made once: to make one takes as long as to read a job. Numbers are left as text: their values are not needed here, and
# to compute a long one costs time.
_LOOK = json.JSONDecoder(object_pairs_hook=_once, parse_int=str, parse_float=str)
_FIND = json.JSONDecoder(object_pairs_hook=_kept, parse_int=str, parse_float=str)


def duplicate(text: bytes) -> str | None:
    """The pointer (RFC 6901) to a name that an object in `text` holds twice; None: there is none. "a" and "\\u0061" are
    the same name. RFC 8259 leaves open which of the two values counts, so two programs may choose differently.

    `text` is JSON in UTF-8, not nested deeper than Python can follow: it has been decoded once before.
    """
    words = text.decode()
    try:
        _LOOK.decode(words)
    except _Twice:
        return next(_places(_FIND.decode(words), ""))
    return None


def _places(value: object, pointer: str) -> Iterator[str]:
    """The pointers to doubled names, the outermost first. If a later value replaced an earlier one of the same name,
    doubled names within the earlier value are not found, but that name is."""
    if isinstance(value, _Doubled):
        yield pointer + place(value.name)
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        yield from _places(each, pointer + place(str(name)))
