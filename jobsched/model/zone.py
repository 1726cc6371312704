"""What the clocks of a time zone show, and when: the changes of a zone, found by asking zoneinfo for offsets."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import attrs

from .errors import BadTrigger

TICK = timedelta(microseconds=1)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)  # offsets are smaller
PROBE = timedelta(days=3)  # no zone ever took a change back that soon (Freetown, 1939: after four days)
RULED = 2100  # the year from which every zone has one rule for all years
CYCLE = 400  # years after which the calendar is the same again, weekdays and all
CYCLE_DAYS = timedelta(days=146_097)
HOSTS_OWN = ("localtime", "posixrules", "Factory", "posix/", "right/")  # not a place's time on every host


@attrs.frozen
class Season:
    """A time `begin <= instant < end` with one offset from UTC. Its neighbours may have the same one."""

    begin: datetime
    end: datetime
    offset: timedelta

    def wall(self, instant: datetime) -> datetime:
        """What a clock shows at `instant`; at the season's `end`, what it shows before it is set."""
        return (instant + self.offset).replace(tzinfo=None)

    def instant(self, wall: datetime) -> datetime:
        """When a clock shows `wall`; outside the season if it is not shown within."""
        return wall.replace(tzinfo=UTC) - self.offset


@attrs.frozen
class Gap:
    """Wall times `first <= wall < last` that are never shown, since clocks were set forward at `at`."""

    at: datetime
    first: datetime
    last: datetime

    def holds_day_of(self, wall: datetime) -> bool:
        """True if the whole day of `wall` is missing, as 2011-12-30 is in Pacific/Apia."""
        midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)
        return self.first <= midnight and midnight + DAY <= self.last


@attrs.frozen
class Zone:
    """A time zone as a row of seasons. Instants are aware and in UTC, between the years 2 and 9998."""

    name: str

    def season(self, instant: datetime) -> Season:
        """The season that `instant` lies in."""
        cycles = max(instant.year - RULED, 0) // CYCLE
        if not cycles:
            return next(season for season in _seasons(self.name, instant.year) if instant < season.end)
        away = cycles * CYCLE_DAYS  # so that dues far apart do not fill the memory with years that are alike
        like = self.season(instant - away)
        return Season(like.begin + away, like.end + away, like.offset)

    def following(self, season: Season) -> Season:
        """The season that begins when `season` ends."""
        return self.season(season.end)

    def preceding(self, season: Season) -> Season:
        """The season that ends when `season` begins."""
        return self.season(season.begin - TICK)

    def latest_shown(self, instant: datetime) -> datetime:
        """The latest wall time shown up to `instant`: after clocks were set back, it was shown before that."""
        season = self.season(instant)
        latest = season.wall(instant)
        while season.begin > instant - 2 * DAY:
            season = self.preceding(season)
            latest = max(latest, season.wall(season.end) - TICK)
        return latest

    def first_reaching(self, wall: datetime, since: datetime) -> Season:
        """The first season, from the one at `since`, in which clocks show `wall` or a later time."""
        season = self.season(max(since, wall.replace(tzinfo=UTC) - DAY))
        while season.wall(season.end) <= wall:
            season = self.following(season)
        return season

    def gap_at(self, season: Season) -> Gap | None:
        """The wall times skipped when `season` began."""
        first, last = self.preceding(season).wall(season.begin), season.wall(season.begin)
        return Gap(season.begin, first, last) if first < last else None

    def gaps_before(self, instant: datetime, reach: timedelta) -> list[Gap]:
        """The gaps whose end is at most `reach` before `instant`, latest first."""
        season, gaps = self.season(instant), []
        while season.begin >= instant - reach:
            if gap := self.gap_at(season):
                gaps.append(gap)
            season = self.preceding(season)
        return gaps

    def turn(self, instant: datetime) -> int:
        """0 if clocks show the wall time of `instant` once, else 1 for its first and 2 for its second time."""
        local = instant.astimezone(ZoneInfo(self.name))
        if local.fold:
            return 2
        return int(local.utcoffset() != local.replace(fold=1).utcoffset())


@lru_cache(maxsize=1024)
def find(name: str) -> Zone:
    """The zone of an IANA name; BadTrigger with a near name when there is none."""
    try:
        if name.startswith(HOSTS_OWN):
            raise ValueError(name)
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # ZoneInfo raises all of them for a name that is none
        raise BadTrigger(f'"{name[:80]}" is not an IANA time zone{_hint(name)}', "/timezone") from None
    return Zone(name)


def _hint(name: str) -> str:
    known = _known()
    near = difflib.get_close_matches(name[:80].lower(), known, n=1)
    return f'; did you mean "{known[near[0]]}"?' if near else ', as "Europe/Berlin" or "UTC" is'


@lru_cache(maxsize=1)
def _known() -> dict[str, str]:
    return {name.lower(): name for name in sorted(available_timezones()) if not name.startswith(HOSTS_OWN)}


@lru_cache(maxsize=8192)
def _seasons(name: str, year: int) -> tuple[Season, ...]:
    """The seasons of one year, cut at its ends in UTC."""
    zone = ZoneInfo(name)
    begin, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    probes = [*(begin + beat * PROBE for beat in range(366 // PROBE.days)), end]
    offsets = [_offset(zone, probe) for probe in probes]
    edges = [begin]
    for (early, before), (late, after) in pairwise(zip(probes, offsets, strict=True)):
        if before != after:
            edges += _changes(zone, early, late)
    if edges[-1] != end:
        edges.append(end)
    return tuple(Season(early, late, _offset(zone, early)) for early, late in pairwise(edges))


def _changes(zone: ZoneInfo, early: datetime, late: datetime) -> list[datetime]:
    """The instants in `early < instant <= late` at which the offset changes, to the second."""
    if _offset(zone, early) == _offset(zone, late):
        return []
    seconds = (late - early) // SECOND
    if seconds == 1:
        return [late]
    middle = early + seconds // 2 * SECOND
    return _changes(zone, early, middle) + _changes(zone, middle, late)


def _offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    offset = instant.astimezone(zone).utcoffset()
    assert offset is not None  # a ZoneInfo always has one
    return offset
