"""How many runs came to which state in each hour."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import attrs

from .errors import Invalid
from .ids import EPOCH, MICROSECOND
from .run import State
from .zone import DAY, TICK, Zone

HOUR: Final = timedelta(hours=1)
MOST: Final = 170  # hours: a week, the one that a change of clocks adds, the one that both ends share
MOST_RUNS: Final = 1_000_000  # that are looked at
MOST_STRETCHES: Final = 50_000
EARLIEST, LATEST = 2, 9998  # years in which zones can be asked


@attrs.frozen(kw_only=True)
class Stretch:
    """A record that stands for `count` dues from `due` to `until`."""

    state: State
    due: datetime
    until: datetime
    count: int


@attrs.frozen(kw_only=True)
class Tally:
    """What was counted: single runs by state, for each hour, and stretches, each whole. `more`: there are too many."""

    single: Sequence[Mapping[State, int]] = ()
    stretches: Sequence[Stretch] = ()
    more: bool = False


def edges(begin: datetime, end: datetime, zone: Zone) -> list[datetime]:
    """The two, and between them the begin of each hour as clocks of the zone show it. Raises Invalid for more than
    `MOST` hours, and for none."""
    if begin >= end:
        raise Invalid("lies before from, or is the same", "?to")
    if begin.year < EARLIEST or end.year > LATEST:
        raise Invalid(f"lies outside the years {EARLIEST} to {LATEST}", "?from")
    found = [begin]
    while (following := _next(found[-1], zone)) < end:
        found.append(following)
        if len(found) > MOST:
            raise Invalid(f"lies more than {MOST} hours before to", "?from")
    return [*found, end]


def day_before(end: datetime, zone: Zone) -> datetime:
    """The begin of the hour that lies 23 hours before the one that is not over at `end`, or ends then. Raises
    Invalid."""
    try:
        begin = end - DAY - TICK
    except OverflowError:
        raise Invalid(f"lies outside the years {EARLIEST} to {LATEST}", "?to") from None
    return edges(begin, end, zone)[1]


def _next(edge: datetime, zone: Zone) -> datetime:
    """The begin of the next hour. Where clocks are set one begins too, also if that is by half an hour."""
    season = zone.season(edge)
    found = season.instant(season.wall(edge).replace(minute=0, second=0, microsecond=0) + HOUR)
    cut = found > season.end and zone.following(season).offset != season.offset
    return season.end if cut else found


def by_hour(
    tally: Tally, borders: Sequence[datetime], wanted: Callable[[], object] = lambda: None
) -> list[dict[State, int]]:  # fmt: skip
    """How many runs there are of each state between each two of the borders.

    A stretch counts as many as it stands for; its dues are taken to be evenly spread from the first to the last.
    `wanted` is called before each stretch, and raises when nobody wants the answer any more.
    """
    found = [Counter[State](each) for each in tally.single]
    marks = [_mark(border) for border in borders]
    for stretch in tally.stretches:
        wanted()
        due, until = _mark(stretch.due), _mark(stretch.until)
        number = max(bisect_right(marks, due) - 1, 0)
        before = _up_to(stretch.count, due, until, marks[number])
        while number < len(found) and marks[number] <= until:
            up_to = _up_to(stretch.count, due, until, marks[number + 1])
            found[number][stretch.state] += up_to - before
            number, before = number + 1, up_to
    return [{state: count for state, count in each.items() if count} for each in found]


def _mark(instant: datetime) -> int:
    """An instant as a number: dues times microseconds are more than a `timedelta` can hold."""
    return (instant - EPOCH) // MICROSECOND


def _up_to(count: int, due: int, until: int, border: int) -> int:
    """How many dues of a stretch lie before the border."""
    if border <= due:
        return 0
    if border > until:
        return count
    return -((due - border) * (count - 1) // (until - due))
