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


def duplicate(text: bytes) -> str | None:
    """The pointer (RFC 6901) to a name that an object in `text` holds twice; None: there is none. "a" and "\\u0061" are
    the same name. RFC 8259 leaves open which of the two values counts, so two programs may choose differently.

    `text` is JSON in UTF-8, not nested deeper than Python can follow: it has been decoded once before.
    """
    some_doubled = False

    def take(pairs: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal some_doubled
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        some_doubled = True
        return _Doubled(found, Counter(name for name, _ in pairs).most_common(1)[0][0])

    # Numbers are left as text: their values are not needed here, and to compute a long one costs time.
    whole = json.loads(text.decode(), object_pairs_hook=take, parse_int=str, parse_float=str)
    return next(_places(whole, "")) if some_doubled else None


def _places(value: object, pointer: str) -> Iterator[str]:
    """The pointers to doubled names, the outermost first. If a later value replaced an earlier one of the same name,
    doubled names within the earlier value are not found, but that name is."""
    if isinstance(value, _Doubled):
        yield pointer + place(value.name)
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        yield from _places(each, pointer + place(str(name)))
