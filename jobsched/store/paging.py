"""Pages of lists: as long as asked for, and no heavier than there is room for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

REST: Final = 512  # bytes of a row beside what is weighed


def cut(found: Iterable[tuple[str, int]], limit: int, room: int) -> tuple[list[str], bool]:
    """From rows of (id, weight): the ids of the first rows, up to `limit` and as many as have `room` together, but at
    least one. And whether there are more."""
    ids: list[str] = []
    left = room
    for row_id, heavy in found:
        left -= heavy + REST
        if len(ids) == limit or (ids and left < 0):
            return ids, True
        ids.append(row_id)
    return ids, False
