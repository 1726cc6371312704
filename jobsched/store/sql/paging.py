"""Pages of lists: as long as asked for, and no heavier than there is room for."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import add
from typing import Final

from sqlalchemy import ColumnElement, func

REST: Final = 512  # bytes of a row beside what is weighed


def weight(*columns: ColumnElement[object]) -> ColumnElement[int]:
    """The length of the texts of a row together. The database computes it without sending the texts."""
    return reduce(add, (func.coalesce(func.length(column), 0) for column in columns))


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
