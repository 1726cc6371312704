"""The cron dialect: which expressions are understood, and which wall times they match.

A wall time is what a clock on the wall shows, hence a naive datetime: an expression knows no zone. `model/cron` turns
the wall times of a zone into instants.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from calendar import monthrange
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import NoReturn

import attrs
from cronsim import CronSim, CronSimError

from .errors import BadTrigger

LONGEST = 255  # characters; every list that makes sense is shorter
LAST_YEAR = 9997  # leaves room for what is added to a wall time before datetimes end
CYCLE = 400  # years after which the calendar is the same again, weekdays and all
REACH = 50  # years that a match may be away
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


def refuse(detail: str) -> NoReturn:
    """Say what is wrong with an expression."""
    raise BadTrigger(detail, "/cron")


@attrs.frozen
class Field:
    """One field of an expression: what may be written in it."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()  # the first stands for 0 or, for months, 1
    sunday_again: bool = False  # `high` + 1 means `low` again
    allowed: str = ""  # in words

    @property
    def size(self) -> int:
        """How many values it has."""
        return self.high - self.low + 1

    @property
    def widest(self) -> int:
        """The widest step. In the day of week it leads from Sunday to Sunday: `*/7` is Sunday, and begins with `*`."""
        return self.high - self.low + self.sunday_again

    def number(self, text: str) -> int:
        """The value that a number or a name stands for."""
        return self.names.index(text) + self.low if text in self.names else int(text)

    def read(self, text: str) -> str:
        """`text` as cronsim is to get it. Raises BadTrigger, with a reason, for a term that is not in the dialect."""
        if "?" in text:
            refuse(f'{self.name}: "?" is not understood; write "*" for any')
        return ",".join(self._read_term(term) for term in text.split(","))

    def _read_term(self, term: str) -> str:
        body, slash, step = term.partition("/")
        if self.is_special(body):
            if slash:
                refuse(f'{self.name}: "{body}" takes no step, so "{term}" has no meaning')
            return term
        if slash:
            self._check_step(step)
        if body == "*":
            return term
        first, dash, last = body.partition("-")
        begin, end = self._value(first), self._value(last if dash else first)
        if end < begin:
            refuse(f'{self.name}: "{body}" runs backwards; write "{self.forwards(first, last, int(step or 1))}"')
        return first if dash and begin == end else term  # cronsim 2.8 takes 5-5/10 for 5/10

    def is_special(self, body: str) -> bool:
        """True for the last days of a month and the nth weekdays, which are neither number, name nor range."""
        if self.name == "day of month":
            if "W" in body and body != "LW":
                refuse(f'{self.name}: "{body}" is not understood; the only W is LW, the last weekday of the month')
            return body in ("L", "LW")
        if self.name != "day of week":
            return False
        day, hash_, nth = body.partition("#")
        if hash_:
            self._value(day)
            if not re.fullmatch("[1-5]", nth):
                refuse(f'{self.name}: "{body}" needs a number from 1 to 5 after "#": MON#2 is the second Monday')
            return True
        if body.endswith("L") and not re.fullmatch("[0-7]L", body):
            refuse(f'{self.name}: "{body}" is not understood; the last Friday of the month is 5L')
        return body.endswith("L")

    def _check_step(self, step: str) -> None:
        if not re.fullmatch("[0-9]{1,4}", step) or not 1 <= int(step) <= self.widest:
            refuse(f'{self.name}: a step of "{step}" is not allowed; 1 to {self.widest} are')

    def forwards(self, first: str, last: str, step: int) -> str:
        """A range; if it runs over the end of the field, it is written as two ranges."""
        begin, end = self.number(first), self.number(last)
        if begin <= end:
            return self._span(first, last, step)
        top, bottom = (self.names[-1], self.names[0]) if first in self.names else (str(self.high), str(self.low))
        if begin > self.high:  # Sunday is the first day too
            return self._span(bottom, last, step)
        again = self.low + step - 1 - (self.high - begin) % step
        parts = [self._span(first, top, step)]
        if again <= end:
            parts.append(self._span(bottom if again == self.low else str(again), last, step))
        return ",".join(parts)

    def _span(self, first: str, last: str, step: int) -> str:
        width = self.number(last) - self.number(first)
        if not width or step > width:
            return first
        return f"{first}-{last}" + (f"/{step}" if step > 1 else "")

    def _value(self, text: str) -> int:
        if text in self.names:
            return self.names.index(text) + self.low
        if not re.fullmatch("[0-9]{1,4}", text) or not self.low <= int(text) <= self.high + self.sunday_again:
            refuse(f'{self.name}: "{text}" is not allowed; {self.allowed or f"{self.low}-{self.high}"} are')
        return int(text)


FIELDS = (
    Field("second", 0, 59),
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day of month", 1, 31, allowed="1-31, L and LW"),
    Field("month", 1, 12, MONTHS, allowed="1-12 and JAN-DEC"),
    Field("day of week", 0, 6, DAYS, sunday_again=True, allowed="0-7 (0 and 7: Sunday), SUN-SAT, MON#2 and 5L"),
)


class Pattern:
    """A set of wall times, on whole seconds; `fixed` if they are times of the day rather than a rhythm.

    `rule` is the expression as cronsim has read it, and says whether a day matches. The search of cronsim is not used:
    it would go, day by day and hour by hour, through all the time between two matches.
    """

    def __init__(self, rule: CronSim, *, fixed: bool) -> None:
        self.fixed = fixed
        self._rule = rule
        self._months, self._hours = sorted(rule.months), sorted(rule.hours)
        self._minutes, self._seconds = sorted(rule.minutes), sorted(rule.seconds)
        self._first = time(self._hours[0], self._minutes[0], self._seconds[0])
        self._known: dict[tuple[int, int], list[int]] = {}  # shared by threads: at worst two compute the same item

    def after(self, wall: datetime) -> datetime | None:
        """The first match strictly after `wall`; None when the next 50 years have none."""
        start = wall.replace(microsecond=0) + timedelta(seconds=1)
        for day in self._days_from(start.date()):
            if day > start.date():
                return datetime.combine(day, self._first)
            found = self._on_day_from(start)
            if found is not None:
                return found
        return None

    def count(self, after: datetime, until: datetime) -> int:
        """How many matches there are in `after < wall <= until`: days are counted, not walked."""
        if until <= after:
            return 0
        begin, end = after.date(), until.date()
        days = 0 if begin == end else self._days_before(end) - self._days_before(begin)
        a_day = len(self._hours) * len(self._minutes) * len(self._seconds)
        return days * a_day + self._on_day_until(until) - self._on_day_until(after)

    def _on_day_until(self, wall: datetime) -> int:
        """How many matches there are from the beginning of a day to `wall`."""
        if wall.month not in self._rule.months or wall.day not in self._days_of(wall.year, wall.month):
            return 0
        minutes, seconds = len(self._minutes), len(self._seconds)
        found = bisect_left(self._hours, wall.hour) * minutes * seconds
        if wall.hour in self._rule.hours:
            found += bisect_left(self._minutes, wall.minute) * seconds
            if wall.minute in self._rule.minutes:
                found += bisect_right(self._seconds, wall.second)
        return found

    def _days_before(self, day: date) -> int:
        """How many days match before `day`, since the beginning of the calendar."""
        cycles, years = divmod(day.year - 1, CYCLE)
        found = sum(len(self._days_of(day.year, month)) for month in self._months if month < day.month)
        if day.month in self._rule.months:
            found += bisect_left(self._days_of(day.year, day.month), day.day)
        return cycles * self._years[CYCLE] + self._years[years] + found

    @cached_property
    def _years(self) -> list[int]:
        """Item n: how many days match in the first n years of a cycle, after which weekdays are the same again."""
        of_year = (sum(len(self._days_of(year, month)) for month in self._months) for year in range(1, CYCLE + 1))
        return [0, *accumulate(of_year)]

    def _on_day_from(self, start: datetime) -> datetime | None:
        """The first match from `start` to the end of its day; the day is known to match."""
        if start.hour in self._rule.hours:
            second = _from(self._seconds, start.second)
            if start.minute in self._rule.minutes and second is not None:
                return start.replace(second=second)
            minute = _from(self._minutes, start.minute + 1)
            if minute is not None:
                return start.replace(minute=minute, second=self._first.second)
        hour = _from(self._hours, start.hour + 1)
        return None if hour is None else datetime.combine(start, self._first.replace(hour=hour))

    def _days_from(self, start: date) -> Iterator[date]:
        """The days that match, from `start` on."""
        for year in range(start.year, min(start.year + REACH, LAST_YEAR) + 1):
            for month in self._months:
                if year > start.year or month > start.month:
                    yield from (date(year, month, day) for day in self._days_of(year, month))
                elif month == start.month:
                    days = self._days_of(year, month)
                    yield from (date(year, month, day) for day in days[bisect_left(days, start.day) :])

    def _days_of(self, year: int, month: int) -> list[int]:
        """The days of a month that match: the same for all months of this length that begin on this weekday."""
        kind = monthrange(year, month)
        if kind not in self._known:
            days = range(1, kind[1] + 1)
            self._known[kind] = [day for day in days if self._rule.match_day(date(year, month, day))]
        return self._known[kind]


def _from(values: list[int], least: int) -> int | None:
    """The first of the rising `values` that is not below `least`."""
    place = bisect_left(values, least)
    return values[place] if place < len(values) else None


@lru_cache(maxsize=4096)
def read(expression: str) -> Pattern:
    """The pattern that `expression` means. Raises BadTrigger, which says what is wrong and where."""
    parts = _expand(expression).upper().split()
    terms = [field.read(part) for field, part in zip(FIELDS[-len(parts) :], parts, strict=True)]
    fixed = len(parts) == 5 and not any(part.startswith("*") for part in parts[:2])
    try:
        rule = CronSim(" ".join(terms), datetime(2000, 1, 1))  # noqa: DTZ001 - a wall time has no zone
    except CronSimError:  # each term is right, so their combination is not
        refuse(f'"{expression}" never comes: no month it names has such a day')
    return Pattern(rule, fixed=fixed)


def _expand(expression: str) -> str:
    """`expression` as five or six fields."""
    if len(expression) > LONGEST:
        refuse(f"a cron expression has at most {LONGEST} characters, not {len(expression)}")
    parts = expression.split()
    if not all(part.isascii() and part.isprintable() for part in parts):
        refuse("a cron expression has only plain letters, digits and the signs * , - / #")
    if parts and re.match(r"(CRON_)?TZ=", parts[0], re.IGNORECASE):
        refuse(f'"{parts[0]}" is no field; the zone is to be given as timezone')
    if parts and parts[0].startswith("@"):
        name = " ".join(parts).lower()
        if name not in ALIASES:
            refuse(f'"{" ".join(parts)}" is not understood; {", ".join(sorted(ALIASES))} are')
        return ALIASES[name]
    if len(parts) not in (5, 6):
        refuse(
            "a cron expression has five fields (minute, hour, day of month, month, day of week), "
            f"or six with the second first, not {len(parts)}"
        )
    return " ".join(parts)
