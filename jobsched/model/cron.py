"""The cron trigger: an expression followed in a time zone, over every change of its clocks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import attrs

from . import pattern, zone
from .cron_hint import LOOKED_AT, hint
from .errors import BadTrigger, Faults
from .pattern import Pattern
from .zone import DAY, TICK, Gap, Season, Zone

HORIZON = timedelta(days=18_263)  # 50 years
EARLIEST = datetime(3, 1, 1, tzinfo=UTC)  # zone arithmetic has room on both sides
LATEST = datetime(9997, 1, 1, tzinfo=UTC)
REGULAR = datetime(2400, 1, 1, tzinfo=UTC)  # from here on all zones go by yearly rules; Morocco since 2087
PERIOD = timedelta(days=146_097)  # 400 years: the dates of all years, their weekdays and such rules begin again
SAMPLE = datetime(2024, 1, 1, tzinfo=UTC)  # a rule that has no due in the 50 years from here has none at all


@attrs.frozen(kw_only=True)
class Cron:
    """Fires when the clocks of `timezone` show what `expression` says.

    An expression with fixed minutes and hours (five fields, neither begins with `*`) fires at the first instant at
    which clocks show the time or a later one: once after a gap, once in a fold, not for a day that was skipped whole.
    Any other follows real time: it fires whenever clocks show a match, never in a gap and twice in a fold.
    """

    expression: str
    timezone: str = "UTC"

    def __attrs_post_init__(self) -> None:
        _prove(self.expression, self.timezone)

    @classmethod
    def parse(cls, expression: str, timezone: str = "UTC") -> Cron:
        """The trigger. Raises BadTrigger when the expression or the zone is not understood, or nothing is ever due."""
        return cls(expression=expression, timezone=timezone)

    def next_after(self, instant: datetime) -> datetime | None:
        """The first due strictly after `instant`, in UTC; None when the next 50 years have none."""
        return _next_after(self.expression, self.timezone, instant)

    def count(self, after: datetime, until: datetime) -> int:
        """How many dues there are in `after < due <= until`, without walking from one to the next."""
        rule, place = pattern.read(self.expression), zone.find(self.timezone)
        begin, end = (min(max(instant.astimezone(UTC), EARLIEST), LATEST - TICK) for instant in (after, until))
        found = 0
        if begin < end:
            whole = max((end - max(begin, REGULAR)) // PERIOD, 0)
            found = _count(rule, place, begin, end - whole * PERIOD)
            found += whole * _in_period(self.expression, self.timezone) if whole else 0
        if until >= LATEST > after:  # from LATEST on, only the first due counts
            last = self.next_after(LATEST - TICK)
            found += last is not None and last <= until
        return found


def explain(cron: Cron, fire: datetime) -> str | None:
    """What a change of the zone's clocks did to `fire`, one of the dues of `cron`; None if nothing."""
    instant = fire.astimezone(UTC)
    place = zone.find(cron.timezone)
    for gap in place.gaps_before(instant, DAY):
        note = _explain_gap(cron, gap)
        if note and cron.next_after(gap.at - TICK) == instant:  # said once, at the first due after the gap
            return note
    turn = place.turn(instant)
    if not turn:
        return None
    wall = place.season(instant).wall(instant)
    twice = f"{_time(wall)} occurs twice on {wall:%Y-%m-%d} in {cron.timezone}"
    if pattern.read(cron.expression).fixed:
        return f"{twice}; only the first runs"
    return f"{twice}; both run, this is the {'first' if turn == 1 else 'second'}"


def _explain_gap(cron: Cron, gap: Gap) -> str | None:
    rule = pattern.read(cron.expression)
    missing = rule.after(gap.first - TICK)
    if missing is None or missing >= gap.last:
        return None
    if gap.holds_day_of(missing):
        return f"{missing:%Y-%m-%d} does not exist in {cron.timezone}; nothing runs on that day"
    second = rule.after(missing)
    several = second is not None and second < gap.last
    what = f"{_time(missing)} and later times do" if several else f"{_time(missing)} does"
    runs = "they run once," if several else "runs"
    fate = f"{runs} right after the gap" if rule.fixed else "nothing runs then"
    return f"{what} not exist on {missing:%Y-%m-%d} in {cron.timezone}; {fate}"


def _time(wall: datetime) -> str:
    return f"{wall:%H:%M:%S}" if wall.second else f"{wall:%H:%M}"


@lru_cache(maxsize=4096)
def _prove(expression: str, timezone: str) -> None:
    """Raises BadTrigger for a cron that can never be followed; its words propose one that can."""
    try:
        zone.find(timezone)
    except BadTrigger:
        faults = Faults()
        with faults.noting():
            raise
        with faults.noting():
            _prove(expression, "UTC")
        faults.check()
    try:
        _try(expression, timezone)
    except BadTrigger as why:
        if len(expression) > LOOKED_AT:
            raise
        raise BadTrigger(f"{why}; {hint(expression, timezone, _is_followed)}", why.pointer) from None


def _try(expression: str, timezone: str) -> None:
    if _next(pattern.read(expression), zone.find(timezone), SAMPLE) is None:
        pattern.refuse(f'"{expression}" never comes in {timezone}: nothing is due within 50 years')


def _is_followed(expression: str, timezone: str) -> bool:
    with suppress(BadTrigger):
        _try(expression, timezone)
        return True
    return False


@lru_cache(maxsize=2048)  # jobs of a set have few rules, and all are made at one instant
def _next_after(expression: str, timezone: str, instant: datetime) -> datetime | None:
    return _next(pattern.read(expression), zone.find(timezone), instant)


def _next(rule: Pattern, place: Zone, instant: datetime) -> datetime | None:
    if instant.tzinfo is None:
        raise ValueError("an instant is an aware datetime")
    if instant >= LATEST:
        return None
    instant = max(instant, EARLIEST).astimezone(UTC)
    due = _next_fixed(rule, place, instant) if rule.fixed else _next_real(rule, place, instant)
    return due if due is not None and due - instant <= HORIZON else None


def _next_fixed(rule: Pattern, place: Zone, instant: datetime) -> datetime | None:
    """The first instant after `instant` at which clocks reach a match that they had not reached before."""
    wall = rule.after(place.latest_shown(instant))
    while wall is not None:
        season = place.first_reaching(wall, instant)
        due = season.instant(wall)
        if due >= season.begin:
            return due
        gap = place.gap_at(season)
        if gap is None or not gap.holds_day_of(wall):
            return season.begin
        wall = rule.after(wall.replace(hour=23, minute=59, second=59))
    return None


def _next_real(rule: Pattern, place: Zone, instant: datetime) -> datetime | None:
    """The first instant after `instant` at which clocks show a match."""
    season = place.season(instant)
    wall = rule.after(season.wall(instant))
    while wall is not None and season.begin - instant <= HORIZON:
        due = season.instant(wall)
        if due < season.end:
            return due
        beyond = season.end
        if beyond > instant + 2 * DAY:  # no clock is set back by two days: no match comes earlier
            beyond = max(beyond, wall.replace(tzinfo=UTC) - 2 * DAY)
        season, before = place.season(beyond), season
        opening = season.wall(season.begin)
        if opening > wall or season.offset < before.offset:  # the match was skipped, or earlier matches come again
            wall = rule.after(opening - TICK)
    return None


def _seasons(place: Zone, begin: datetime, end: datetime) -> Iterator[Season]:
    """The seasons of `begin <= instant <= end`."""
    season = place.season(begin)
    yield season
    while season.end <= end:
        season = place.following(season)
        yield season


@lru_cache(maxsize=256)
def _in_period(expression: str, timezone: str) -> int:
    return _count(pattern.read(expression), zone.find(timezone), REGULAR, REGULAR + PERIOD)


def _count(rule: Pattern, place: Zone, begin: datetime, end: datetime) -> int:
    """The dues in `begin < due <= end`."""
    return _count_fixed(rule, place, begin, end) if rule.fixed else _count_real(rule, place, begin, end)


def _count_real(rule: Pattern, place: Zone, begin: datetime, end: datetime) -> int:
    """The matches that clocks show in `begin < instant <= end`."""
    return sum(
        rule.count(season.wall(max(begin, season.begin - TICK)), season.wall(min(end, season.end - TICK)))
        for season in _seasons(place, begin, end)
    )


def _count_fixed(rule: Pattern, place: Zone, begin: datetime, end: datetime) -> int:
    """The instants in `begin < instant <= end` at which clocks reach a match that they had not reached before."""
    found, reached = 0, place.latest_shown(begin)
    for season in _seasons(place, begin, end):
        opening = season.wall(season.begin)
        if season.begin > begin and opening > reached:
            found += _comes_at(rule, place.gap_at(season), reached, opening)
            reached = opening
        latest = season.wall(min(end, season.end - TICK))
        found += rule.count(reached, latest)
        reached = max(reached, latest)
    return found


def _comes_at(rule: Pattern, gap: Gap | None, reached: datetime, opening: datetime) -> bool:
    """Whether a match in `reached < wall <= opening` is due at once; a match on a day that was skipped whole is not."""
    wall = rule.after(reached)
    while wall is not None and wall <= opening:
        if gap is None or wall >= gap.last or not gap.holds_day_of(wall):
            return True
        wall = rule.after(wall.replace(hour=23, minute=59, second=59))
    return False
