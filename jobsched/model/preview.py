"""The dues of a schedule that does not exist yet, and what a change of clocks did to each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

import attrs

from .cron import Cron, explain
from .draft import Draft


@attrs.frozen(kw_only=True)
class Fire:
    """One due: in the schedule's zone, in UTC, and a note if a change of clocks affected it."""

    at: datetime
    utc: datetime
    note: str | None


def fires(draft: Draft, after: datetime, count: int) -> Iterator[Fire]:
    """The first `count` dues after `after` (a `start` in the future counts too); fewer when no more are left."""
    schedule = draft.schedule("", after)
    zone = ZoneInfo(draft.timezone)
    trigger = schedule.trigger
    for due in islice(schedule.dues(after), count):
        note = explain(trigger, due) if isinstance(trigger, Cron) and not schedule.jitter else None
        yield Fire(at=local(due, zone), utc=due, note=note)


def local(due: datetime, zone: ZoneInfo) -> datetime:
    """The due in the zone; if its local time lies outside of the calendar, it stays in UTC."""
    try:
        return due.astimezone(zone)
    except OverflowError:
        return due


def look_ahead(draft: Draft, after: datetime, count: int, wanted: Callable[[], None]) -> list[Fire]:
    """The same dues as a list; `wanted` is called before each, and raises when the list is no longer wanted."""
    found = []
    for fire in fires(draft, after, count):
        wanted()
        found.append(fire)
    return found
