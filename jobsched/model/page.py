"""Some of a list: as much as was asked for, and no heavier than there is room for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, Generic, TypeVar

import attrs

from .ids import EPOCH, MICROSECOND, is_made, made_at

T = TypeVar("T")

ROW: Final = 512  # bytes of a row beside what is weighed


@attrs.frozen
class Page(Generic[T]):
    """Some of a list, and whether there is more behind it."""

    values: Sequence[T]
    more: bool

    @classmethod
    def of(cls, found: Sequence[T], limit: int) -> Page[T]:
        """Of what was found when one more than `limit` was asked for."""
        return cls(found[:limit], len(found) > limit)


@attrs.frozen
class Cursor:
    """A place in the list of jobs, which goes by (creation, id): behind the job `job_id`, there or gone."""

    job_id: str
    created: datetime | None = None  # None: that of the job, if it is there

    @property
    def text(self) -> str:
        """As a link has it."""
        return self.job_id if self.created is None else f"{(self.created - EPOCH) // MICROSECOND}~{self.job_id}"

    @classmethod
    def of(cls, text: str) -> Cursor | None:
        """What a link had; None: the begin. An id alone counts too: links of older releases have one."""
        found = re.fullmatch(r"(-?[0-9]{1,18})~(.*)", text, re.DOTALL)
        if found is None:
            return cls(text) if text else None
        try:
            return cls(found[2], EPOCH + int(found[1]) * MICROSECOND)
        except OverflowError:
            return cls(text)

    @property
    def otherwise(self) -> datetime | None:
        """When the job was made, as far as its id says so: for one that is gone. None: it does not say."""
        return made_at(self.job_id) if is_made(self.job_id) else None


def cut(found: Iterable[tuple[str, int]], limit: int, room: int) -> tuple[list[str], bool]:
    """From rows of (id, weight): the ids of the first rows, up to `limit` and as many as have `room` together, but at
    least one. And whether there are more."""
    ids: list[str] = []
    left = room
    for row_id, heavy in found:
        left -= heavy + ROW
        if len(ids) == limit or (ids and left < 0):
            return ids, True
        ids.append(row_id)
    return ids, False
