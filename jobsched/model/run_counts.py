"""How many runs came to which state in each hour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import attrs

from .errors import Invalid
from .run import State
from .zone import DAY, TICK, Zone

HOUR: Final = timedelta(hours=1)
MOST: Final = 169  # hours: a week, and the one that a change of clocks adds
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


def by_hour(tally: Tally, borders: Sequence[datetime]) -> list[dict[State, int]]:
    """How many runs there are of each state between each two of the borders.

    A stretch counts as many as it stands for; its dues are taken to be evenly spread from the first to the last.
    """
    found = [Counter[State](each) for each in tally.single]
    for stretch in tally.stretches:
        before = _up_to(stretch, borders[0])
        for number, border in enumerate(borders[1:]):
            up_to = _up_to(stretch, border)
            found[number][stretch.state] += up_to - before
            before = up_to
    return [{state: count for state, count in each.items() if count} for each in found]


def _up_to(stretch: Stretch, border: datetime) -> int:
    """How many dues of a stretch lie before the border."""
    if border <= stretch.due:
        return 0
    if border > stretch.until:
        return stretch.count
    return -((stretch.due - border) * (stretch.count - 1) // (stretch.until - stretch.due))
