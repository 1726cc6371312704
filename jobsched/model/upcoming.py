"""What will be due: the dues of many jobs in one list, and what a change of clocks did to each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from heapq import heapify, heappop, heappush
from typing import Any, Final
from zoneinfo import ZoneInfo

import attrs

from .cron import Cron, explain
from .errors import Invalid
from .ids import EPOCH, MICROSECOND
from .labels import Label
from .preview import local
from .trigger import TICK, Schedule

MOST: Final = 20_000  # jobs of one question

_PLACE = re.compile(r"(\d{1,18})\.([!-~]{1,64})", re.ASCII)


@attrs.frozen(kw_only=True)
class Planned:
    """What is needed of a job to say when it will be due."""

    id: str
    name: str
    task: str
    schedule: Schedule
    timezone: str
    next_due: datetime
    left: int | None  # dues before `max_runs`; None: no limit


@attrs.frozen(kw_only=True)
class PlannedFilter:
    """Of which jobs: those that are not paused and whose next due is before `end`; what is None does not matter."""

    end: datetime
    task: str | None = None
    labels: tuple[Label, ...] = ()  # all of them
    tasks: tuple[str, ...] | None = None  # patterns of those that may be seen


@attrs.frozen(order=True)
class Place:
    """Where a due stands in the list."""

    due: datetime
    job_id: str

    @classmethod
    def of(cls, text: str) -> Place:
        """The place that `str` has written. Raises Invalid."""
        found = _PLACE.fullmatch(text)
        try:
            if found is None:
                raise ValueError(text)
            return cls(EPOCH + int(found[1]) * MICROSECOND, found[2])
        except (ValueError, OverflowError):
            raise Invalid("is no place in this list: follow the Link header", "?after") from None

    def __str__(self) -> str:
        return f"{(self.due - EPOCH) // MICROSECOND}.{self.job_id}"


@attrs.frozen(kw_only=True)
class UpcomingDue:
    """One due of one job: in the job's zone, in UTC, and a note if a change of clocks affected it."""

    job: Planned
    at: datetime
    utc: datetime
    note: str | None

    @property
    def place(self) -> Place:
        """Where it stands in the list."""
        return Place(self.utc, self.job.id)


def upcoming(
    jobs: Iterable[Planned], begin: datetime, end: datetime, after: Place | None, limit: int, wanted: Callable[[], None]
) -> list[UpcomingDue]:
    """Up to `limit` dues in `begin <= due < end`, by (due, job), those behind `after`. `wanted` is called before each
    step, and raises when the list is no longer wanted.

    It is what will be due if nothing changes: no job is made, changed or paused, and each due is decided in its time.
    """
    if after is not None:
        begin = max(begin, after.due)
    waiting = [(due, job.id, job, left) for job, due, left in _firsts(jobs, begin, wanted) if due < end]
    heapify(waiting)
    found: list[UpcomingDue] = []
    while waiting and len(found) < limit:
        wanted()
        due, job_id, job, left = heappop(waiting)
        if after is None or Place(due, job_id) > after:
            found.append(_shown(job, due))
        following = None if left == 1 else job.schedule.next_after(due)
        if following is not None and following < end:
            heappush(waiting, (following, job_id, job, None if left is None else left - 1))
    return found


def _firsts(
    jobs: Iterable[Planned], begin: datetime, wanted: Callable[[], None]
) -> Iterator[tuple[Planned, datetime, int | None]]:
    """Of each job that has one: its first due from `begin` on, and how many it has left then, that one among them."""
    for job in jobs:
        wanted()
        first: datetime | None = job.next_due
        left = job.left
        if job.next_due < begin:
            first = job.schedule.next_after(begin - TICK)
            left = left and left - job.schedule.count(job.next_due - TICK, begin - TICK)
        if first is not None and (left is None or left > 0):
            yield job, first, left


def _shown(job: Planned, due: datetime) -> UpcomingDue:
    trigger: Any = job.schedule.trigger
    note = explain(trigger, due) if isinstance(trigger, Cron) and not job.schedule.jitter else None
    return UpcomingDue(job=job, at=local(due, ZoneInfo(job.timezone)), utc=due, note=note)
