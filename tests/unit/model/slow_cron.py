"""A cron daemon that is slow and plain: it wakes every minute and looks. What the real rule is compared with."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

MINUTE = timedelta(minutes=1)
ZONES = sorted(available_timezones() - {"localtime", "Factory"})
MONTHS = ["", "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


def number(text: str) -> int:
    return MONTHS.index(text) if text in MONTHS else DAYS.index(text) if text in DAYS else int(text)


def term_holds(term: str, value: int, low: int, high: int) -> bool:
    span, _, step = term.partition("/")
    if span == "*":
        begin, end = low, high
    elif "-" in span:
        begin, end = (number(side) for side in span.split("-"))
    else:
        begin = number(span)
        end = high if step else begin
    return begin <= value <= end and (value - begin) % int(step or 1) == 0


def day_of_month_holds(term: str, day: date) -> bool:
    last = monthrange(day.year, day.month)[1]
    if term == "L":
        return day.day == last
    if term == "LW":
        ends = [day.replace(day=last - back) for back in range(3)]
        return day == next(end for end in ends if end.isoweekday() <= 5)
    return term_holds(term, day.day, 1, 31)


def day_of_week_holds(term: str, day: date) -> bool:
    sunday_based = {day.isoweekday() % 7, day.isoweekday()}
    if "#" in term:
        weekday, nth = term.split("#")
        return number(weekday) in sunday_based and (day.day - 1) // 7 + 1 == int(nth)
    if term.endswith("L"):
        return int(term[:-1]) in sunday_based and (day + timedelta(days=7)).month != day.month
    return any(term_holds(term, value, 0, 7) for value in sunday_based)


@cache
def day_holds(expression: str, day: date) -> bool:
    days, months, weekdays = expression.split()[-3:]
    in_month = any(term_holds(term, day.month, 1, 12) for term in months.split(","))
    by_day = any(day_of_month_holds(term, day) for term in days.split(","))
    by_week = any(day_of_week_holds(term, day) for term in weekdays.split(","))
    both = days.startswith("*") or weekdays.startswith("*")
    return in_month and (by_day and by_week if both else by_day or by_week)


@cache
def clock_holds(expression: str, hour: int, minute: int, second: int) -> bool:
    fields = expression.split()[:-3]
    values = [(second, 59), (minute, 59), (hour, 23)][-len(fields) :]
    if len(fields) == 2 and second:
        return False
    return all(
        any(term_holds(term, value, 0, high) for term in field.split(","))
        for field, (value, high) in zip(fields, values, strict=True)
    )


def holds(expression: str, wall: datetime) -> bool:
    return clock_holds(expression, wall.hour, wall.minute, wall.second) and day_holds(expression, wall.date())


def shown(zone: str, begin: datetime, end: datetime, beat: timedelta) -> list[tuple[datetime, datetime]]:
    place = ZoneInfo(zone)
    instants = [begin + beat * count for count in range((end - begin) // beat)]
    return [(instant, instant.astimezone(place).replace(tzinfo=None)) for instant in instants]


def scan(expression: str, zone: str, begin: datetime, end: datetime, beat: timedelta = MINUTE) -> list[datetime]:
    """Every due in `begin <= due < end`."""
    fields = expression.split()
    if len(fields) == 5 and fields[0][0] != "*" and fields[1][0] != "*":
        return [due for due in scan_fixed(expression, zone, begin - timedelta(days=2), end) if due >= begin]
    return [instant for instant, wall in shown(zone, begin, end, beat) if holds(expression, wall)]


def scan_fixed(expression: str, zone: str, begin: datetime, end: datetime) -> Iterator[datetime]:
    """A daemon that starts what it has not yet started of the times up to now; days never seen are no days."""
    faces = shown(zone, begin, end, MINUTE)
    days_seen = {wall.date() for _, wall in faces}
    done = faces[0][1] - MINUTE
    for instant, wall in faces:
        owed = [done + MINUTE * beat for beat in range(1, (wall - done) // MINUTE + 1)]
        if any(holds(expression, each) and each.date() in days_seen for each in owed):
            yield instant
        done = max(done, wall)


@cache
def changes(zone: str, first: int = 2011, last: int = 2035) -> list[datetime]:
    """The first minutes of every new offset in those years."""
    place, found = ZoneInfo(zone), []

    def offset(instant: datetime) -> timedelta | None:
        return instant.astimezone(place).utcoffset()

    early, before = datetime(first, 1, 1, tzinfo=UTC), offset(datetime(first, 1, 1, tzinfo=UTC))
    while early.year <= last:
        late = early + timedelta(days=1)
        after = offset(late)
        if before != after:
            minute = early
            while offset(minute) == before:
                minute += 60 * MINUTE if offset(minute + 60 * MINUTE) == before else MINUTE
            found.append(minute)
        early, before = late, after
    return found
