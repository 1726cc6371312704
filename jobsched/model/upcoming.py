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
from .hold import Hold
from .ids import EPOCH, MICROSECOND
from .job import Pause
from .labels import Label
from .preview import local
from .trigger import TICK, Schedule

MOST: Final = 20_000  # jobs of one question
SKIPPED: Final = "it is skipped"
LEFT: Final = "it is left until then, for misfire_grace and catch_up"

_PLACE = re.compile(r"(\d{1,18})\.([!-~]{1,64})", re.ASCII)


@attrs.frozen
class Stop:
    """What keeps a job from starting at its dues before `until`, and what becomes of these; None: at all of them."""

    until: datetime | None
    words: str

    def stops(self, due: datetime) -> bool:
        """Whether that due starts nothing."""
        return self.until is None or due < self.until

    @classmethod
    def of_hold(cls, hold: Hold) -> Stop:
        """What a hold does that is in force."""
        return cls(hold.until, f"{hold.words}; {SKIPPED if hold.missed == 'skip' else LEFT}")

    @classmethod
    def of_pause(cls, pause: Pause) -> Stop:
        """What a pause does."""
        return cls(pause.until, f"{pause.words}; {SKIPPED}")


@attrs.frozen(kw_only=True)
class Planned:
    """What is needed of a job to say when it will be due."""

    id: str
    name: str
    task: str
    schedule: Schedule
    timezone: str
    next_due: datetime
    left: int | None  # dues before `max_runs`; None: no limit. Those at which it is stopped do not count
    stops: tuple[Stop, ...] = ()

    def stop(self, due: datetime) -> Stop | None:
        """What keeps it from starting at that due."""
        return next((each for each in self.stops if each.stops(due)), None)

    @property
    def free(self) -> datetime | None:
        """Since when nothing stops it; None: something does without an end."""
        ends = [each.until for each in self.stops]
        return None if None in ends else max((end for end in ends if end is not None), default=EPOCH)


@attrs.frozen(kw_only=True)
class PlannedFilter:
    """Of which jobs: those that are not paused, or whose pause will end by itself, and whose next due is before `end`;
    what is None does not matter."""

    end: datetime
    job_id: str | None = None
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
    """One due of one job: in the job's zone, in UTC, and a note if a change of clocks affected it, or if nothing starts
    then."""

    job: Planned
    at: datetime
    utc: datetime
    note: str | None
    held: bool = False

    @property
    def place(self) -> Place:
        """Where it stands in the list."""
        return Place(self.utc, self.job.id)


def upcoming(
    jobs: Iterable[Planned], begin: datetime, end: datetime, after: Place | None, limit: int,
    wanted: Callable[[], None], *, held: bool = True,
) -> list[UpcomingDue]:  # fmt: skip
    """Up to `limit` dues in `begin <= due < end`, by (due, job), those behind `after`; with `held` also those at which
    a job is stopped. `wanted` is called before each step, and raises when the list is no longer wanted.

    It is what will be due if nothing changes: no job is made, changed or paused, and each due is decided in its time.
    """
    if after is not None:
        begin = max(begin, after.due)
    some = jobs if held else (job for job in jobs if job.free is not None)
    firsts = _firsts(some, begin, wanted, held)
    waiting = [(due, job.id, job, left) for job, due, left in firsts if due < end]
    heapify(waiting)
    found: list[UpcomingDue] = []
    while waiting and len(found) < limit:
        wanted()
        due, job_id, job, left = heappop(waiting)
        if after is None or Place(due, job_id) > after:
            found.append(_shown(job, due))
        rest = left if left is None or job.stop(due) is not None else left - 1
        following = None if rest == 0 else job.schedule.next_after(due)
        if following is not None and following < end:
            heappush(waiting, (following, job_id, job, rest))
    return found


def _firsts(
    jobs: Iterable[Planned], begin: datetime, wanted: Callable[[], None], held: bool
) -> Iterator[tuple[Planned, datetime, int | None]]:
    """Of each job that has one: its first due from `begin` on, and how many it has left then, that one among them.
    Without `held`, the first at which nothing stops it."""
    for job in jobs:
        wanted()
        first: datetime | None = job.next_due
        left, free = job.left, job.free
        since = begin if held or free is None else max(begin, free)
        if job.next_due < since:
            first = job.schedule.next_after(since - TICK)
            counted = since if free is None else max(job.next_due, free)  # dues before it are none of `left`
            if left is not None and counted < since:
                left -= job.schedule.count_up_to(left, counted - TICK, since - TICK)
        if first is not None and (left is None or left > 0):
            yield job, first, left


def _shown(job: Planned, due: datetime) -> UpcomingDue:
    trigger: Any = job.schedule.trigger
    note = explain(trigger, due) if isinstance(trigger, Cron) and not job.schedule.jitter else None
    stop = job.stop(due)
    if stop is not None:
        note = stop.words if note is None else f"{stop.words}; {note}"
    return UpcomingDue(job=job, at=local(due, ZoneInfo(job.timezone)), utc=due, note=note, held=stop is not None)
