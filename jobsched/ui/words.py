"""What the page says of times, spans, schedules and states. Pure functions."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import attrs

from ..model.cron import Cron
from ..model.job import Job
from ..model.preview import local
from ..model.times import spoken, utc_text
from ..model.trigger import Interval

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

WEEKDAYS: Final = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ALIASES: Final = {
    "@hourly": "hourly",
    "@daily": "00:00 daily",
    "@midnight": "00:00 daily",
    "@weekly": "00:00 on Sun",
    "@monthly": "00:00 on day 1",
    "@yearly": "00:00 on 1 January",
    "@annually": "00:00 on 1 January",
}
_NUMBER = re.compile(r"\d{1,2}", re.ASCII)
_DAYS = re.compile(r"[0-7](?:[,-][0-7])*", re.ASCII)


@attrs.frozen
class Look:
    """How a state is shown: by icon, word and colour, never by colour alone. `icon` is a symbol of the base template,
    `mark` a character for a small place."""

    word: str
    icon: str
    tone: str
    mark: str


STATES: Final = {
    "waiting": Look("waiting", "clock", "wait", "…"),
    "running": Look("running", "dot", "run", "▸"),
    "stopping": Look("stopping", "dot", "run", "▹"),
    "succeeded": Look("succeeded", "check", "good", "✓"),
    "failed": Look("failed", "cross", "bad", "✕"),
    "timed_out": Look("timed out", "timer", "bad", "⧗"),
    "cancelled": Look("cancelled", "stop", "dull", "■"),
    "lost": Look("lost", "question", "bad", "?"),
    "skipped": Look("skipped", "skip", "dull", "»"),
    "missed": Look("missed", "gap", "bad", "∅"),
    "scheduled": Look("scheduled", "clock", "calm", "·"),
    "paused": Look("paused", "bars", "pause", "‖"),
    "ended": Look("ended", "stop", "dull", "■"),
    "overdue": Look("overdue", "late", "bad", "!"),
    "alive": Look("alive", "check", "good", "✓"),
    "stopped": Look("stopped", "stop", "dull", "■"),
    "dead": Look("dead", "cross", "bad", "✕"),
    "delivered": Look("delivered", "check", "good", "✓"),
}


def span(seconds: float | None) -> str:
    """A length of time, in the two units that matter."""
    return "-" if seconds is None else spoken(seconds, _short)


def _short(seconds: float) -> str:
    if 0 < seconds < 0.05:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f}".removesuffix(".0") + " s"


def relative(instant: datetime, now: datetime) -> str:
    """How long ago, or in how long: one unit, so that it need not tick."""
    seconds = (instant - now).total_seconds()
    far = abs(seconds)
    if far < 1:
        return "now"
    for size, unit in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (1, "s")):
        if far >= size or size == 1:
            if size >= HOUR and far < 10 * size and unit == "h":
                minutes = int(far % HOUR // MINUTE)
                text = f"{int(far // HOUR)} h" + (f" {minutes} min" if minutes else "")
            else:
                text = f"{int(far // size):,} {unit}"
            return f"in {text}" if seconds > 0 else f"{text} ago"
    return "now"


def moment(instant: datetime, zone: ZoneInfo, now: datetime) -> str:
    """A time as a clock of the zone shows it; the year only if it is not this one. Without `strftime`, which takes
    longer than all the rest: a screen has thousands."""
    shown = local(instant, zone)
    day = f"{WEEKDAYS[shown.isoweekday()]} {shown.day} {MONTHS[shown.month - 1]}"
    year = "" if shown.year == year_of(now, zone) else f" {shown.year}"
    return f"{day}{year} {shown.hour:02}:{shown.minute:02}:{shown.second:02}"


@lru_cache(maxsize=64)
def year_of(now: datetime, zone: ZoneInfo) -> int:
    """The year that a calendar of the zone shows."""
    return local(now, zone).year


def offset(instant: datetime, zone: ZoneInfo) -> timedelta | None:
    """By how much the zone differs from UTC then."""
    return local(instant, zone).utcoffset()


def schedule(job: Job) -> tuple[str, str]:
    """When a job runs, in short; and the rule as it was given."""
    trigger = job.schedule.trigger
    if isinstance(trigger, Interval):
        every = f"every {span(trigger.every.total_seconds())}"
        return every, every
    if isinstance(trigger, Cron):
        return f"{cron(trigger.expression)}, {job.timezone}", f"{trigger.expression} ({job.timezone})"
    at = trigger.next_after(datetime.min.replace(tzinfo=UTC))
    return "once", f"once, at {utc_text(at)}" if at else "once"


def cron(expression: str) -> str:
    """The common rules in words; another one as it is."""
    text = " ".join(expression.split())
    if text.lower() in _ALIASES:
        return _ALIASES[text.lower()]
    fields = text.split(" ")
    if len(fields) != 5 or fields[3] != "*":
        return text
    minute, hour, day, _, weekday = fields
    if hour == day == weekday == "*":
        return _of_minutes(minute) or text
    if not (_NUMBER.fullmatch(minute) and _NUMBER.fullmatch(hour)):
        return text
    at = f"{int(hour):02}:{int(minute):02}"
    if day == weekday == "*":
        return f"{at} daily"
    if weekday == "*" and _NUMBER.fullmatch(day):
        return f"{at} on day {int(day)}"
    if day == "*" and _DAYS.fullmatch(weekday):
        return f"{at} on {re.sub('[0-7]', lambda found: WEEKDAYS[int(found[0])], weekday)}".replace("-", " to ")
    return text


def _of_minutes(minute: str) -> str | None:
    if minute == "*":
        return "every min"
    if _NUMBER.fullmatch(minute):
        return f"hourly at :{int(minute):02}"
    step = minute.removeprefix("*/")
    return f"every {step} min" if minute.startswith("*/") and _NUMBER.fullmatch(step) else None


def size(count: int) -> str:
    """A number of bytes."""
    number = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024 or unit == "GiB":
            return f"{number:.0f} {unit}" if unit == "B" or number >= 10 else f"{number:.1f} {unit}"
        number /= 1024
    return f"{count} B"
