"""What the parameters of a job may hold. They are kept with each run, shown in lists and given to programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from .errors import Invalid, place

MOST: Final = 64 * 1024  # bytes of all of them, as JSON in UTF-8


def size(parameters: Mapping[str, object]) -> int:
    """Bytes of JSON in UTF-8."""
    return len(json.dumps(dict(parameters), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))


def check(parameters: Mapping[str, object]) -> None:
    """Raises Invalid for text that no program can be given, and for more than `MOST` bytes in all."""
    for name, value in parameters.items():
        if isinstance(value, str):
            _check_text(value, place("parameters", name))
    found = size(parameters)
    if found > MOST:
        raise Invalid(f"hold {found} bytes of JSON together, and may hold {MOST}", "/parameters")


def _check_text(text: str, pointer: str) -> None:
    if "\0" in text:
        raise Invalid("holds a NUL character", pointer)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Invalid("holds half of a surrogate pair", pointer) from None
