"""OnCalendar expressions of systemd as cron expressions or as one instant, as far as these can say them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from ..model import zone
from ..model.cron import Cron
from ..model.errors import BadTrigger, Invalid

WORDS: Final = {
    "minutely": "*-*-* *:*:00", "hourly": "*-*-* *:00:00", "daily": "*-*-* 00:00:00", "weekly": "Mon *-*-* 00:00:00",
    "monthly": "*-*-01 00:00:00", "quarterly": "*-01,04,07,10-01 00:00:00", "semiannually": "*-01,07-01 00:00:00",
    "yearly": "*-01-01 00:00:00", "annually": "*-01-01 00:00:00",
}  # fmt: skip
DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
LONG: Final = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
ZONE: Final = re.compile("UTC|[A-Za-z]+(?:/[A-Za-z0-9_+-]+)+")
DATE: Final = re.compile(r"(?:([^-~\s]+)-)?([^-~\s]+)([-~])([^-~\s]+)")
TIME: Final = re.compile(r"([^:\s]+):([^:\s]+)(?::([^:\s]+))?")
TERM: Final = re.compile(r"(\*|[0-9]{1,4})(?:\.\.([0-9]{1,4}))?(?:/([0-9]{1,4}))?")
BOUNDS: Final = {"second": (0, 59), "minute": (0, 59), "hour": (0, 23), "day of month": (1, 31), "month": (1, 12)}
NTH: Final = {(7 * nth + 1, 7 * nth + 7): nth + 1 for nth in range(4)}  # 1..7: the first of a weekday in its month
LONGEST: Final = 500  # characters


def fields(text: str) -> dict[str, object]:
    """The fields of a job that an expression says: `cron` and `timezone`, or `at`. Raises Invalid."""
    if len(text) > LONGEST:
        raise Invalid(f"an expression has at most {LONGEST} characters")
    if not text.strip():
        raise Invalid("an expression is missing")
    parts = WORDS.get(text.strip().lower(), text).split()
    timezone = parts.pop() if len(parts) > 1 and ZONE.fullmatch(parts[-1]) else None
    if timezone is None and len(parts) == 2 and parts[0].lower() in WORDS:
        raise BadTrigger(f'"{parts[1][:80]}" is no IANA time zone')
    if len(parts) == 1 and timezone is not None and parts[0].lower() in WORDS:
        parts = WORDS[parts[0].lower()].split()
    if timezone is not None:
        zone.find(timezone)
    days = parts.pop(0) if parts and re.match("[A-Za-z]", parts[0]) else "*"
    date = parts.pop(0) if parts and ":" not in parts[0] else "*-*-*"
    time = parts.pop(0) if parts else "00:00:00"
    if parts:
        raise Invalid(f'"{parts[0][:80]}" is not understood')
    found = _of_parts(days, date, time, timezone)
    zoned = {} if timezone is None or "at" in found else {"timezone": timezone}
    return found | zoned


def _of_parts(days: str, date: str, time: str, timezone: str | None) -> dict[str, object]:
    dated, timed = DATE.fullmatch(date), TIME.fullmatch(time)
    if dated is None:
        raise Invalid(f'"{date}" is no date such as *-*-01')
    if timed is None:
        raise Invalid(f'"{time}" is no time such as 02:30')
    year, month, sign, day = dated.groups()
    if (year or "*") != "*":
        return _once(days, date, time, timezone)
    if "." in (timed[3] or "").replace("..", ""):
        raise Invalid("parts of a second cannot be said")
    second = _terms("second", timed[3] or "0")
    clock = [_terms("minute", timed[2]), _terms("hour", timed[1])]
    months, weekdays = _terms("month", month), _weekdays(days)
    if sign == "~":
        if not re.fullmatch("0?1", day):
            raise Invalid("of days counted from the end of a month only the last, ~01, can be said")
        day_terms = "L"
    else:
        day_terms = _terms("day of month", day)
    if weekdays != "*" and day_terms != "*":
        day_terms, weekdays = "*", _nth(day, sign, weekdays)
    cron = " ".join([*([] if second == "0" else [second]), *clock, day_terms, months, weekdays])
    Cron(expression=cron, timezone=timezone or "UTC")
    return {"cron": cron}


def _nth(day: str, sign: str, weekdays: str) -> str:
    """Weekdays that have to lie on certain days of the month: only the nth of a month can be said."""
    span = re.fullmatch(r"0?([0-9]+)\.\.0?([0-9]+)", day)
    nth = NTH.get((int(span[1]), int(span[2]))) if span and sign == "-" else None
    numbers = _days_of(weekdays)
    if nth is None or not numbers:
        raise Invalid(
            "weekdays on certain days of a month cannot be said, but for the first to fourth of a month: 1..7, 8..14, "
            "15..21, 22..28"
        )
    return ",".join(f"{number}#{nth}" for number in numbers)


def _once(days: str, date: str, time: str, timezone: str | None) -> dict[str, object]:
    """The instant that a date with its year names."""
    if days != "*" or not re.fullmatch(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}", date):
        raise Invalid("years can be said only of one day, such as 2030-01-31, without weekdays")
    if not re.fullmatch("[0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2})?", time):
        raise Invalid("on one day only one time can be said")
    if timezone is None:
        raise Invalid("an instant needs its zone: write it behind the time, such as UTC or Europe/Berlin")
    numbers = [int(number) for number in re.findall("[0-9]+", f"{date} {time}")]
    try:
        local = datetime(*numbers, tzinfo=ZoneInfo(timezone))  # type: ignore[misc,arg-type]  # as many as it takes
        return {"at": local.isoformat()}
    except ValueError as why:
        raise Invalid(f"{date} {time} is no time: {why}") from None


def _terms(name: str, text: str) -> str:
    """A field of numbers as cron has it."""
    low, high = BOUNDS[name]
    return ",".join(_term(name, term, low, high) for term in text.split(","))


def _term(name: str, term: str, low: int, high: int) -> str:
    found = TERM.fullmatch(term)
    if found is None:
        raise Invalid(f'{name}: "{term[:80]}" is not understood')
    first, last, step = found.groups()
    if first == "*":
        if last or step:
            raise Invalid(f'{name}: "{term}" is not understood; every second one is {low}/2')
        return "*"
    begin, end = int(first), int(last or (high if step else first))
    if not low <= begin <= end <= high:
        raise Invalid(f'{name}: "{term}" is not allowed; {low} to {high} are')
    every = int(step or 1)
    if step == "0":
        raise Invalid(f'{name}: a step of "0" is not allowed')
    if begin == end or begin + every > end:
        return str(begin)
    if (begin, end) == (low, high):
        return "*" if every == 1 else f"*/{every}"
    return f"{begin}-{end}" + (f"/{every}" if every > 1 else "")


def _weekdays(text: str) -> str:
    if text == "*":
        return "*"
    numbers = set[int]()
    for term in text.rstrip(",").split(","):
        first, _, last = term.replace("..", "-").partition("-")
        begin, end = _weekday(first), _weekday(last or first)
        numbers |= {number % 7 for number in range(begin, end + 1 if end >= begin else end + 8)}
    return "*" if len(numbers) == 7 else ",".join(map(str, sorted(numbers)))


def _weekday(text: str) -> int:
    for names in (DAYS, LONG):
        if text.lower() in names:
            return names.index(text.lower())
    raise Invalid(f'"{text[:80]}" is no weekday')


def _days_of(weekdays: str) -> list[str]:
    return [] if weekdays == "*" else weekdays.split(",")
