"""Lists of jobs: their order, and what is shown of each beside its definition."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from statistics import median
from typing import Final, Literal, NamedTuple, get_args

import attrs

from .errors import Invalid
from .run import State

Asked = Literal["created", "name", "next_due", "state", "last_ended", "attention", "when", "took", "task"]
Sort = Asked | Literal["id"]  # `id`: for lists that stay the same, byte by byte; no caller names it

SORTS: Final[tuple[Asked, ...]] = get_args(Asked)
RECENT: Final = 12  # outcomes that are shown
USUAL: Final = 20  # outcomes that say how long it usually takes
LOOKED_AT: Final = 22  # runs among which they are looked for: some may be active; each of them costs a read
LAST_AMONG: Final = 16  # runs among which the last that started is looked for, to sort by how long it took
WORDS: Final = 8  # that may be looked for at once


@attrs.frozen(kw_only=True)
class JobOrder:
    """`back`: the other way round."""

    sort: Sort = "created"
    back: bool = False

    @classmethod
    def of(cls, text: str) -> JobOrder:
        """Of `name` or `-name`. Raises Invalid."""
        for sort in SORTS:
            if text.removeprefix("-") == sort:
                return cls(sort=sort, back=text.startswith("-"))
        raise Invalid(f"is one of {', '.join(SORTS)}, or one of them behind a minus: the other way round", "?sort")


@attrs.frozen
class ListPlace:
    """Where a job stands in a list: the values that it is sorted by, and its id."""

    values: tuple[str | int, ...]
    job_id: str

    @classmethod
    def of(cls, text: str, values: int) -> ListPlace:
        """The place that `str` has written. Raises Invalid."""
        try:
            *found, job_id = json.loads(text)
            if len(found) != values or not isinstance(job_id, str) or not all(map(_is_value, found)):
                raise ValueError(text)
        except (ValueError, TypeError, RecursionError):
            raise Invalid("is no place in this list: follow the Link header", "?after") from None
        return cls(tuple(found), job_id)

    def __str__(self) -> str:
        return json.dumps([*self.values, self.job_id], separators=(",", ":"))


class Outcome(NamedTuple):
    """A run that has ended, in short. A page has thousands of them, so they are no objects of attrs."""

    id: str
    task: str
    due: datetime
    state: State
    duration: float | None  # seconds; None: it did not start


@attrs.frozen(kw_only=True)
class Activity:
    """What a job does, and has done lately."""

    active: int = 0  # runs that wait or run
    recent: Sequence[Outcome] = ()  # newest first
    median: float | None = None  # seconds that the last `USUAL` took, those that succeeded; None: there is none

    @classmethod
    def of(cls, recent: Sequence[Outcome], ran: Iterable[tuple[str, float | None]], active: int = 0) -> Activity:
        """`ran`: the state and the duration of each of the last `USUAL` outcomes, of which `recent` are the newest."""
        took = [duration for state, duration in ran if state == "succeeded" and duration is not None]
        return cls(active=active, recent=tuple(recent), median=median(took) if took else None)


IDLE: Final = Activity()


def words(text: str) -> tuple[str, ...]:
    """The words of which each has to be found. Raises Invalid."""
    found = tuple(dict.fromkeys(text.split()))
    if len(found) > WORDS:
        raise Invalid(f"has more than {WORDS} words", "?q")
    return found


def _is_value(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return False
    return isinstance(value, str) or abs(value) < 2**63
