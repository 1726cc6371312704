"""Some of a list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import attrs

T = TypeVar("T")


@attrs.frozen
class Page(Generic[T]):
    """Some of a list, and whether there is more behind it."""

    values: Sequence[T]
    more: bool

    @classmethod
    def of(cls, found: Sequence[T], limit: int) -> Page[T]:
        """Of what was found when one more than `limit` was asked for."""
        return cls(found[:limit], len(found) > limit)
