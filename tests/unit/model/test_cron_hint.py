"""What is refused comes with a hint: it is accepted, and means what was meant, as a lenient reader understands it."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from jobsched.model.cron import Cron
from jobsched.model.cron_hint import AT_START, EXAMPLE, hint
from jobsched.model.draft import Draft
from jobsched.model.errors import BadTrigger
from tests.unit.model.slow_cron import DAYS, MONTHS, clock_holds, day_holds

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NEW_YORK = "America/New_York"


def refused(expression: str, timezone: str = "UTC") -> str | None:
    """With which words; None: it is accepted."""
    try:
        Cron(expression=expression, timezone=timezone)
    except BadTrigger as why:
        return f"{why}" if why.pointer == "/cron" else f"{why.pointer}?"
    return None


def offered(words: str, timezone: str = "UTC") -> dict[str, Any]:
    """The fields of the job that a hint is for, which must be accepted; {} if it is an example."""
    if words.endswith((EXAMPLE, AT_START)):
        return {}
    if given_fields := re.search(r"; give (\{.*\})$", words):
        fields = json.loads(given_fields[1])
    elif jobs := re.search(r'make a job for each length of month: "(.*)", "(.*)" and "(.*)"$', words):
        for cron in jobs.groups():
            accepted({"cron": cron, "timezone": timezone})
        return {"jobs": jobs.groups()}
    else:
        written = re.search(r'; write "([^"]*)"$', words)
        assert written is not None, words
        fields = {"cron": written[1]}
    accepted({"timezone": timezone} | fields)
    return dict(fields)


def accepted(fields: dict[str, Any]) -> None:
    every = timedelta(**fields["interval"]) if "interval" in fields else None
    draft = Draft(task="task", name="job", every=every, cron=fields.get("cron"), timezone=fields["timezone"])
    assert draft.job("job", NOW).next_due is not None


def test_the_example_is_one() -> None:
    accepted({"cron": EXAMPLE.split('"')[1], "timezone": "UTC"})


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("@every 5m", {"interval": {"minutes": 5}}),
        ("@every 90s", {"interval": {"seconds": 90}}),
        ("@Every 1h30m", {"interval": {"seconds": 5400}}),
        ("@every 1.5h", {"interval": {"hours": 1.5}}),
        ("@every 500ms", {"interval": {"seconds": 0.5}}),
        ("@every 1d", {"interval": {"days": 1}}),
        ("@every 1ms", {}),
        ("@every 900000d", {}),
        ("@every day", {}),
        ("@reboot", {}),
        ("@daily 5", {}),
        ("CRON_TZ=Asia/Tokyo 0 0 * * *", {"cron": "0 0 * * *", "timezone": "Asia/Tokyo"}),
        ("TZ=Asia/Tokyo 0 0 * * 7-2", {"cron": "0 0 * * 0-2", "timezone": "Asia/Tokyo"}),
        ("TZ=Mars/Olympus 0 0 * * *", {}),
        ("*/60 * * * *", {"cron": "0 * * * *"}),
        ("*/90 * * * *", {"interval": {"minutes": 90}}),
        ("*/90 * * * * *", {"interval": {"seconds": 90}}),
        ("0 */36 * * *", {"interval": {"hours": 36}}),
        ("0 */24 * * *", {"cron": "0 0 * * *"}),
        ("0,30 */36 * * *", {"cron": "0,30 0 * * *"}),
        ("*/90 9-17 * * *", {"cron": "0 9-17 * * *"}),
        ("0 0 */40 * *", {"interval": {"days": 40}}),
        ("0 0 */31 * *", {"cron": "0 0 1 * *"}),
        ("0 0 */31 * FRI", {}),
        ("0 0 * * */14", {"interval": {"days": 14}}),
        ("0 0 1-7 * */8", {"cron": "0 0 1-7 * */7"}),
        ("0 0 1 */12 *", {"cron": "0 0 1 1 *"}),
        ("58-2/2 * * * *", {"cron": "58,0-2/2 * * * *"}),
        ("0 0 * * 7-2", {"cron": "0 0 * * 0-2"}),
        ("0 0 * * FRI-MON", {"cron": "0 0 * * FRI-SAT,SUN-MON"}),
        ("0 22-2 * NOV-FEB *", {"cron": "0 22-23,0-2 * NOV-DEC,JAN-FEB *"}),
        ("0 0 ? * MON", {"cron": "0 0 * * MON"}),
        ("0 0 12 1 * ?", {"cron": "0 0 12 1 * *"}),
        ("0 0 12 * * ? *", {"cron": "0 0 12 * * *"}),
        ("0 0 * * FRIDAY", {"cron": "0 0 * * FRI"}),
        ("0 0 * * MON#6", {}),
        ("0 0 * * FRIL", {"cron": "0 0 * * 5L"}),
        ("0 0 L/2 * *", {"cron": "0 0 L * *"}),
        ("0 0 WL * *", {"cron": "0 0 LW * *"}),
        ("0 0 15W * *", {}),
        ("0 0 MON#1 * *", {"cron": "0 0 * * MON#1"}),
        ("60 24 * * *", {"cron": "0 0 * * *"}),
        ("1,,2 1- * * *", {"cron": "1,2 1-23 * * *"}),
        ("-5 +5 * * *", {"cron": "0-5 5 * * *"}),
        ("H/15 H * * *", {"cron": "*/15 0 * * *"}),
        ("1\N{EN DASH}5 * * * *", {"cron": "1-5 * * * *"}),
        ("0 0 30 2 *", {"cron": "0 0 L 2 *"}),
        ("0 3 * * * /usr/bin/backup", {"cron": "0 3 * * *"}),
        ("0 3 * * * root /usr/bin/backup --all", {"cron": "0 3 * * *"}),
        ("", {}),
        ("* * * *", {}),
        ("1," * 200 + "1 * * * *", {}),
        ("\u0665 * * * *", {"cron": "5 * * * *"}),
        ("* * * * * 9", {}),
    ],
)  # fmt: skip
def test_a_hint_is_what_was_meant(expression: str, expected: dict[str, Any]) -> None:
    words = refused(expression)
    assert words is not None
    assert offered(words) == expected


def test_what_only_gaps_have_comes_right_after_them() -> None:
    assert offered(refused("0 30 2 * 3 SUN#2", NEW_YORK) or "", NEW_YORK) == {"cron": "30 2 * 3 SUN#2"}
    assert offered(refused("* 2 * 3 SUN#2", NEW_YORK) or "", NEW_YORK) == {"cron": "0 2 * 3 SUN#2"}


@pytest.mark.parametrize("back", [1, 3, 26])
def test_days_before_the_last_are_jobs_for_each_length_of_month(back: int) -> None:
    found = offered(refused(f"0 0 L-{back} * *") or "")["jobs"]
    for day in (date(2025, 1, 1) + timedelta(days=number) for number in range(365)):
        last = (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
        assert any(day_holds(cron, day) for cron in found) == (last.day - day.day == back)
    assert offered(refused("0 0 L-3 2 *") or "") == {}


# Over all refusals


signs = st.text(alphabet="0123456789*,-/#?LWHMONFRI@ =abTZ.\N{EN DASH}", max_size=9)
junk = st.lists(signs, max_size=8).map(" ".join)
words = st.sampled_from(
    ["*", "*/7", "5", "L-1", "15W", "?", "FRI-MON", "58-2/2", "*/99", "7-2", "L", "0", "MON#1", "99"]
)


@pytest.mark.slow
@settings(max_examples=600)
@given(junk | st.lists(words, min_size=4, max_size=7).map(" ".join), st.sampled_from(["UTC", NEW_YORK]))
@example("@every 1h1h", "UTC")
@example("CRON_TZ= 0 0 * * *", "UTC")
@example("*/0 * * * *", "UTC")
def test_each_refusal_carries_a_hint_that_is_accepted(expression: str, timezone: str) -> None:
    said = refused(expression, timezone)
    if said is not None:
        offered(said, timezone)
        assert "\n" not in said
        assert len(said) < 1000


# A lenient reader: ranges may run over the end, steps may be too wide, names may be long


RINGS = {"minute": (0, 59), "hour": (0, 23), "month": (1, 12), "day of week": (0, 6)}
ENDS = {"TUE": "SDAY", "WED": "NESDAY", "THU": "RSDAY", "SAT": "URDAY"}
LONG_DAYS = [day + ENDS.get(day, "DAY") for day in DAYS]


def last_of(high: int) -> int:
    """The week has Sunday at both of its ends."""
    return high + (2 if high == 6 else 1)


@st.composite
def loose(draw: st.DrawFn, name: str) -> tuple[str, set[int]]:
    """A term, and the values that it means."""
    low, high = RINGS[name]
    size = high - low + 1
    first, last = draw(st.integers(low, high)), draw(st.integers(low, high))
    step = draw(st.integers(1, size + 5))
    kind = draw(st.sampled_from(["range", "range", "range/step", "star/step", "one/step", "one", "open"]))
    around = [low + (first - low + beat) % size for beat in range((last - first) % size + 1)]

    def written(value: int) -> str:
        if name == "day of week" and value == 0 and draw(st.booleans()):
            return "7"
        names = {"month": [MONTHS], "day of week": [LONG_DAYS, DAYS]}.get(name)
        return str(value) if names is None or draw(st.booleans()) else draw(st.sampled_from(names))[value]

    if kind.startswith("range") and name == "day of week" and first == last == 0:
        return "0", {0}  # 0-7 are all days
    if kind == "range":
        return f"{written(first)}-{written(last)}", set(around)
    if kind == "range/step":
        return f"{written(first)}-{written(last)}/{step}", set(around[::step])
    if kind == "star/step":
        return f"*/{step}", set(range(low, high + 1, step))
    if kind == "one/step":
        return f"{first}/{step}", {value % 7 if size == 7 else value for value in range(first, last_of(high), step)}
    if kind == "open":
        return f"{first}-", set(range(first, high + 1))
    return written(first), {first}


@pytest.mark.slow
@settings(max_examples=400)
@given(loose("minute"), loose("hour"), loose("month"), loose("day of week"))
def test_hints_mean_what_a_lenient_reader_understands(
    minute: tuple[str, set[int]], hour: tuple[str, set[int]], month: tuple[str, set[int]], weekday: tuple[str, set[int]]
) -> None:
    expression = f"{minute[0]} {hour[0]} * {month[0]} {weekday[0]}"
    said = refused(expression)
    assume(said is not None)
    assert said is not None
    found = offered(said)
    if "interval" in found:
        assert expression.count("/") == 1
        return
    cron = found["cron"]
    for number in range(60):
        assert clock_holds(cron, min(hour[1]), number, 0) == (number in minute[1]), cron
    for number in range(24):
        assert clock_holds(cron, number, min(minute[1]), 0) == (number in hour[1]), cron
    for day in (date(2024, 1, 1) + timedelta(days=3 * number) for number in range(120)):
        expected = day.month in month[1] and day.isoweekday() % 7 in weekday[1]
        assert day_holds(cron, day) == expected, (expression, cron, day)


@given(st.integers(1, 999), st.sampled_from(["s", "m", "h", "d"]), st.integers(0, 59))
def test_an_interval_is_as_long_as_it_was_meant(number: int, unit: str, minutes: int) -> None:
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86_400}[unit]
    more = f"{minutes}m" if minutes else ""
    found = offered(refused(f"@every {number}{unit}{more}") or "")
    assert timedelta(**found["interval"]) == timedelta(seconds=number * seconds + minutes * 60)


def test_a_hint_is_sought_in_the_zone_of_the_job() -> None:
    tried: list[tuple[str, str]] = []
    hint("0 0 ? * *", NEW_YORK, lambda cron, timezone: bool(tried.append((cron, timezone))))  # type: ignore[func-returns-value]  # None, which is false
    assert {timezone for _, timezone in tried} == {NEW_YORK}
