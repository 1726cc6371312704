"""Cron in a zone: every change of its clocks, by hand and against a slow daemon that looks at every minute."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobsched.model import cron as cron_module
from jobsched.model.cron import PERIOD, REGULAR, Cron, _count, _in_period, explain
from jobsched.model.errors import BadTrigger
from jobsched.model.pattern import Pattern
from jobsched.model.zone import Zone, _seasons
from tests.unit.model.slow_cron import MINUTE, ZONES, changes, scan, shown

TICK = timedelta(microseconds=1)
NEW_YORK = "America/New_York"
steady = settings(deadline=None, derandomize=True, max_examples=150)


def dues(cron: Cron, instant: datetime) -> Iterator[datetime]:
    while (due := cron.next_after(instant)) is not None:
        yield due
        instant = due


def local(expression: str, zone: str, start: str, count: int) -> list[str]:
    """The first dues after the local time `start`, as that zone's clocks show them."""
    instant = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone))
    found = islice(dues(Cron(expression=expression, timezone=zone), instant), count)
    return [due.astimezone(ZoneInfo(zone)).isoformat(timespec="minutes") for due in found]


def note(expression: str, zone: str, start: str) -> str | None:
    cron = Cron(expression=expression, timezone=zone)
    due = cron.next_after(datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone)))
    assert due is not None
    return explain(cron, due)


@st.composite
def places(draw: st.DrawFn) -> tuple[str, datetime]:
    """A zone and an instant, most often one near a change of its clocks."""
    zone = draw(st.sampled_from(ZONES))
    moments = [*changes(zone), datetime(2020, 2, 29, 12, tzinfo=UTC)]
    instant = draw(st.sampled_from(moments)) + timedelta(minutes=draw(st.integers(-1500, 300)))
    return zone, instant


def field(low: int, high: int, *more: str) -> st.SearchStrategy[str]:
    values = st.integers(low, high)
    spans = st.tuples(values, values).map(lambda pair: f"{min(pair)}-{max(pair)}")
    steps = st.tuples(st.one_of(st.just("*"), spans, values.map(str)), st.integers(1, (high - low) // 2))
    terms = st.one_of(values.map(str), spans, steps.map(lambda pair: f"{pair[0]}/{pair[1]}"))
    return st.one_of(st.just("*"), terms, st.lists(terms, min_size=2, max_size=4).map(",".join), *map(st.just, more))


clocks = st.tuples(field(0, 59), st.one_of(field(0, 4), field(0, 23)))
calendars = st.one_of(
    st.just(("*", "*", "*")),
    st.tuples(field(1, 31, "L", "LW", "1,LW"), st.just("*"), field(0, 7, "5L", "SUN#2", "MON-FRI", "SAT,SUN")),
)
expressions = st.tuples(clocks, calendars).map(lambda both: " ".join(both[0] + both[1]))


@pytest.mark.parametrize(
    "zone",
    [
        *("", "Mars/Olympus", "America", "america/new_york", "Zürich", "UTC+1", "local", "a\0b", "Z" * 5000),
        *("../../etc/passwd", "/etc/localtime", "localtime", "right/UTC", "posix/UTC", "tzdata.zi"),
    ],
)
def test_a_zone_that_is_none_is_refused(zone: str) -> None:
    with pytest.raises(BadTrigger, match="not an IANA time zone") as caught:
        Cron(expression="* * * * *", timezone=zone)
    assert caught.value.pointer == "/timezone"
    assert len(str(caught.value)) < 200


def test_a_near_zone_is_named() -> None:
    with pytest.raises(BadTrigger, match='did you mean "Europe/Berlin"'):
        Cron(expression="* * * * *", timezone="europe/berln")


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("expression", ["* 2 * 3 SUN#2", "0 30 2 * 3 SUN#2", "0-59 0 2 * 3 7#2"])
def test_what_would_only_come_in_gaps_is_refused_soon(expression: str) -> None:
    begun = time.process_time()
    with pytest.raises(BadTrigger, match="never comes in America/New_York"):
        Cron(expression=expression, timezone=NEW_YORK)
    assert time.process_time() - begun < 0.1
    assert Cron(expression=expression, timezone="UTC")


@pytest.mark.usefixtures("untraced")
@pytest.mark.slow
def test_a_thousand_dues_and_notes_take_less_than_100_ms() -> None:
    rare = ("0 0 L * *", "0 0 29 2 *", "*/30 12 29 2 1#5")
    for expression in ("* * * * *", "*/5 * * * *", "0 0 * * *", "30 2 * * MON-FRI", "*/10 * * * * *", *rare):
        cron, takes = Cron(expression=expression, timezone=NEW_YORK), []
        for _ in range(3):
            _seasons.cache_clear()  # nobody has asked for these years before
            begun = time.process_time()
            for due in islice(dues(cron, datetime(2024, 1, 1, tzinfo=UTC)), 1000):
                explain(cron, due)
            takes.append(time.process_time() - begun)
        assert min(takes) < 0.1, expression


@pytest.mark.usefixtures("untraced")
def test_centuries_are_counted_as_fast_as_a_day() -> None:
    for zone in ("UTC", NEW_YORK, "Africa/Casablanca"):
        for expression in ("* * * * * *", "30 2 * * *", "0 0 29 2 *"):
            cron, begin = Cron(expression=expression, timezone=zone), datetime(2024, 1, 1, tzinfo=UTC)
            begun = time.process_time()
            found = cron.count(begin, begin + timedelta(days=36_525))
            assert time.process_time() - begun < 0.1, expression
            assert found > 20
    seconds = Cron(expression="* * * * * *", timezone=NEW_YORK).count(begin, begin + timedelta(days=36_525))
    assert seconds == 36_525 * 86_400


@pytest.mark.parametrize(
    ("expression", "zone"),
    [("30 2 * * 1", "Africa/Casablanca"), ("*/30 2 * * *", "Australia/Lord_Howe"), ("0 0 29 2 *", NEW_YORK)],
)
def test_of_eight_thousand_years_four_hundred_are_counted(
    expression: str, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cron, counted = Cron(expression=expression, timezone=zone), list[timedelta]()
    begin, middle, end = (datetime(year, 2, 28, 12, tzinfo=UTC) for year in (2390, 2600, 2810))
    assert cron.count(begin, end) == cron.count(begin, middle) + cron.count(middle, end)

    def count(rule: Pattern, place: Zone, begin: datetime, end: datetime) -> int:
        counted.append(end - begin)
        return _count(rule, place, begin, end)

    monkeypatch.setattr(cron_module, "_count", count)
    begin, end = begin.replace(year=2026), begin.replace(year=9990)
    _in_period.cache_clear()
    found = cron.count(begin, end)
    assert sum(counted, timedelta(0)) <= 2 * PERIOD + (REGULAR - begin)
    assert found == cron.count(begin, middle) + cron.count(middle, end)


def test_a_naive_instant_is_no_instant() -> None:
    with pytest.raises(ValueError, match="aware"):
        Cron(expression="* * * * *").next_after(datetime(2024, 1, 1))


@pytest.mark.parametrize("zone", ["UTC", NEW_YORK, "Pacific/Kiritimati"])
def test_the_ends_of_the_calendar_are_no_trouble(zone: str) -> None:
    for expression in ("30 2 * * *", "* * * * *", "0 0 29 2 *"):
        cron = Cron(expression=expression, timezone=zone)
        for hours in (-14, 0, 14):
            place = timezone(timedelta(hours=hours))
            assert cron.next_after(datetime.min.replace(tzinfo=place)) is not None
            assert cron.next_after(datetime.max.replace(tzinfo=place)) is None
        yearly, late = Cron(expression="0 0 1 1 *", timezone=zone), datetime(9990, 1, 1, tzinfo=UTC)
        last = list(islice(dues(yearly, late), 20))
        assert 5 <= len(last) < 20
        assert yearly.count(late, datetime.max.replace(tzinfo=UTC)) == len(last)


def test_dues_further_than_fifty_years_are_none() -> None:
    cron = Cron(expression="0 30 2 * 3 SUN#2", timezone="Africa/Cairo")  # a day without a gap there
    assert cron.next_after(datetime(2024, 1, 1, tzinfo=UTC)) is not None
    assert all(b - a <= timedelta(days=18_263) for a, b in pairwise(islice(dues(cron, changes(NEW_YORK)[0]), 10)))


# Changing clocks: the reference rows.


@pytest.mark.parametrize(
    ("expression", "zone", "start", "expected"),
    [
        ("30 2 * * *", NEW_YORK, "2024-03-09T12:00", ["2024-03-10T03:00-04:00", "2024-03-11T02:30-04:00"]),
        ("15,30 2 * * *", NEW_YORK, "2024-03-09T12:00", ["2024-03-10T03:00-04:00", "2024-03-11T02:15-04:00"]),
        ("0 2,3 * * *", NEW_YORK, "2024-03-09T12:00", ["2024-03-10T03:00-04:00", "2024-03-11T02:00-04:00"]),
        ("30 1 * * *", NEW_YORK, "2024-11-02T12:00", ["2024-11-03T01:30-04:00", "2024-11-04T01:30-05:00"]),
        ("30 1 * * *", NEW_YORK, "2024-11-03T01:45", ["2024-11-04T01:30-05:00"]),
        (
            "0 0 * * *",
            NEW_YORK,
            "2024-03-09T12:00",
            ["2024-03-10T00:00-05:00", "2024-03-11T00:00-04:00", "2024-03-12T00:00-04:00"],
        ),
        ("0 */2 * * *", NEW_YORK, "2024-03-10T00:00", ["2024-03-10T04:00-04:00", "2024-03-10T06:00-04:00"]),
        ("*/30 2 * * *", NEW_YORK, "2024-03-09T12:00", ["2024-03-11T02:00-04:00", "2024-03-11T02:30-04:00"]),
        ("0 30 2 * * *", NEW_YORK, "2024-03-09T12:00", ["2024-03-11T02:30-04:00"]),
        ("0 30 1 * * *", NEW_YORK, "2024-11-02T12:00", ["2024-11-03T01:30-04:00", "2024-11-03T01:30-05:00"]),
        ("15 2 * * *", "Australia/Lord_Howe", "2019-10-05T12:00", ["2019-10-06T02:30+11:00", "2019-10-07T02:15+11:00"]),
        ("45 1 * * *", "Australia/Lord_Howe", "2019-04-06T12:00", ["2019-04-07T01:45+11:00", "2019-04-08T01:45+10:30"]),
        ("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00", ["2018-11-04T01:00-02:00", "2018-11-05T00:00-02:00"]),
        ("50 2 * * *", "Pacific/Chatham", "2024-09-28T12:00", ["2024-09-29T03:45+13:45", "2024-09-30T02:50+13:45"]),
        ("0 12 * * *", "Pacific/Apia", "2011-12-28T13:00", ["2011-12-29T12:00-10:00", "2011-12-31T12:00+14:00"]),
        ("0 0 * * *", "Pacific/Apia", "2011-12-28T13:00", ["2011-12-29T00:00-10:00", "2011-12-31T00:00+14:00"]),
        ("0 */12 * * *", "Pacific/Apia", "2011-12-29T00:00", ["2011-12-29T12:00-10:00", "2011-12-31T00:00+14:00"]),
        ("0 0 30 * *", "Pacific/Apia", "2011-12-01T00:00", ["2012-01-30T00:00+14:00"]),
        ("30 8 * * *", "Kwajalein", "1993-08-19T12:00", ["1993-08-20T08:30-12:00", "1993-08-22T08:30+12:00"]),
        ("30 8 * * *", "Kwajalein", "1969-09-29T12:00", ["1969-09-30T08:30+11:00", "1969-10-01T08:30-12:00"]),
    ],
)
def test_a_change_of_the_clocks(expression: str, zone: str, start: str, expected: list[str]) -> None:
    assert local(expression, zone, start, len(expected)) == expected


def test_every_half_hour_is_of_real_hours_when_clocks_go_back() -> None:
    begin = datetime(2024, 11, 3, tzinfo=ZoneInfo(NEW_YORK)).astimezone(UTC)
    found = list(islice(dues(Cron(expression="*/30 * * * *", timezone=NEW_YORK), begin - TICK), 9))
    assert found == [begin + timedelta(minutes=30) * beat for beat in range(9)]


@pytest.mark.parametrize(
    ("expression", "zone", "start", "expected"),
    [
        (
            "30 2 * * *",
            NEW_YORK,
            "2024-03-09T12:00",
            "02:30 does not exist on 2024-03-10 in America/New_York; runs right after the gap",
        ),
        (
            "15,30 2 * * *",
            NEW_YORK,
            "2024-03-09T12:00",
            "02:15 and later times do not exist on 2024-03-10 in America/New_York; they run once, right after the gap",
        ),
        ("30 1 * * *", NEW_YORK, "2024-11-02T12:00", "01:30 occurs twice on 2024-11-03 in .*; only the first runs"),
        ("0 * * * *", NEW_YORK, "2024-11-03T00:30", "01:00 occurs twice .*; both run, this is the first"),
        ("5 * * * * *", NEW_YORK, "2024-11-03T00:59:30", "01:00:05 occurs twice .* first"),
        ("0 */2 * * *", NEW_YORK, "2024-03-10T00:00", "02:00 does not exist on 2024-03-10 in .*; nothing runs then"),
        ("0 12 * * *", "Pacific/Apia", "2011-12-29T13:00", "2011-12-30 does not exist in Pacific/Apia; nothing runs"),
        ("0 */2 * * *", NEW_YORK, "2024-03-10T04:00", None),
        ("30 2 * * *", NEW_YORK, "2024-03-10T12:00", None),
        ("0 0 * * *", NEW_YORK, "2024-03-09T12:00", None),
        ("30 2 * * *", "UTC", "2024-03-09T12:00", None),
    ],
)
def test_a_note_says_what_the_change_did(expression: str, zone: str, start: str, expected: str | None) -> None:
    said = note(expression, zone, start)
    if expected is None:
        assert said is None
    else:
        assert said is not None
        assert re.match(expected, said), said


def test_the_second_time_is_named_second() -> None:
    cron = Cron(expression="30 * * * *", timezone=NEW_YORK)
    notes = [explain(cron, datetime(2024, 11, 3, hour, 30, tzinfo=UTC)) or "" for hour in (4, 5, 6, 7)]
    assert [said.rpartition(" ")[2] for said in notes] == ["", "first", "second", ""]


# Every zone.


@pytest.mark.slow
def test_every_minute_is_60_s_across_every_change_of_every_zone() -> None:
    for zone in ZONES:
        cron = Cron(expression="* * * * *", timezone=zone)
        for change in changes(zone):
            found = list(islice(dues(cron, change - 3 * MINUTE), 5))
            assert found == [change + MINUTE * beat for beat in range(-2, 3)], (zone, change)


@pytest.mark.slow
@steady
@given(places(), st.integers(0, 23), st.integers(0, 59))
def test_a_daily_time_comes_once_on_each_day_that_exists(place: tuple[str, datetime], hour: int, minute: int) -> None:
    zone, near = place
    cron = Cron(expression=f"{minute} {hour} * * *", timezone=zone)
    found = list(islice(dues(cron, near - timedelta(days=4)), 8))
    of_day = timedelta(hours=hour, minutes=minute)
    owners = [(due.astimezone(ZoneInfo(zone)).replace(tzinfo=None) - of_day).date() for due in found]
    faces = shown(zone, found[0], found[-1] + MINUTE, MINUTE)
    assert owners == [day for day in sorted({wall.date() for _, wall in faces}) if owners[0] <= day <= owners[-1]]


@pytest.mark.slow
@steady
@given(places(), expressions, st.integers(0, 59_999_999))
def test_dues_rise_and_are_the_same_from_wherever_one_asks(
    place: tuple[str, datetime], expression: str, micros: int
) -> None:
    zone, instant = place
    cron = Cron(expression=expression, timezone=zone)
    last = instant + timedelta(microseconds=micros)
    for due in islice(dues(cron, last), 12):
        assert due > last
        assert due.tzinfo is UTC
        width = due - last
        for point in (last + TICK, last + width / 3, last + width / 2, due - timedelta(hours=1), due - TICK):
            if last <= point < due:
                assert cron.next_after(point) == due
        last = due


@pytest.mark.slow
@steady
@given(places(), expressions)
def test_dues_are_those_of_a_slow_scan_of_all_minutes(place: tuple[str, datetime], expression: str) -> None:
    zone, near = place
    compare(expression, zone, near - timedelta(hours=12), near + timedelta(days=2))


@pytest.mark.slow
@steady
@given(places(), expressions | expressions.map("0 {}".format), st.data())
def test_dues_that_are_counted_are_those_that_are_walked(
    place: tuple[str, datetime], expression: str, data: st.DataObject
) -> None:
    zone, instant = place
    cron = Cron(expression=expression, timezone=zone)
    begin = instant + data.draw(st.sampled_from([0, 1, 30_000_001])) * TICK
    walked = list(islice(dues(cron, begin), data.draw(st.integers(1, 200))))
    count_as_walked(cron, begin, walked)


def count_as_walked(cron: Cron, begin: datetime, walked: list[datetime]) -> None:
    """From `begin` to every due and to the ends between; `walked` are all the dues after `begin`."""
    for place, due in enumerate(walked, 1):
        assert cron.count(begin, due) == place, (cron, begin, due)
        assert cron.count(begin, due - TICK) == place - 1
        assert cron.count(due, walked[-1]) == len(walked) - place
        assert cron.count(due - TICK, walked[-1] + TICK) == len(walked) - place + 1
    assert cron.count(begin, begin) == cron.count(walked[-1], begin) == 0


def compare(expression: str, zone: str, begin: datetime, end: datetime, beat: timedelta = MINUTE) -> None:
    found = []
    for due in dues(Cron(expression=expression, timezone=zone), begin - TICK):
        if due >= end:
            break
        found.append(due)
    assert found == scan(expression, zone, begin, end, beat), (expression, zone)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("zone", "change"),
    [
        ("Pacific/Apia", "2011-12-30T10:00"),
        ("Pacific/Fakaofo", "2011-12-30T11:00"),
        ("Kwajalein", "1993-08-21T12:00"),
        ("Kwajalein", "1969-09-30T13:00"),
        ("Pacific/Kiritimati", "1994-12-31T10:00"),
        ("Pacific/Kanton", "1994-12-31T11:00"),
        ("Australia/Lord_Howe", "2019-10-05T15:30"),
        ("Australia/Lord_Howe", "2019-04-06T15:00"),
        ("Pacific/Chatham", "2024-09-28T14:00"),
        ("Pacific/Chatham", "2024-04-06T14:00"),
        ("Antarctica/Casey", "2020-10-03T16:01"),
        ("Antarctica/Troll", "2024-03-31T01:00"),
        ("Antarctica/Troll", "2024-10-27T01:00"),
        ("America/Sao_Paulo", "2018-11-04T03:00"),
        ("America/Caracas", "2016-05-01T07:00"),
        ("Asia/Pyongyang", "2015-08-14T15:00"),
        ("Asia/Pyongyang", "2018-05-04T15:00"),
        ("Asia/Gaza", "2011-08-01T00:00"),
        ("America/St_Johns", "2011-03-13T03:31"),
        ("America/St_Johns", "2010-11-07T02:31"),
        ("America/Toronto", "1919-03-31T04:30"),
    ],
)
def test_odd_changes_are_those_of_a_slow_scan(zone: str, change: str) -> None:
    moment = datetime.fromisoformat(change).replace(tzinfo=UTC)
    for expression in ("0 0 * * *", "5,35 0-3,23 * * *", "*/15 * * * *", "20 */2 * * *", "* 1-3 * * *", "1/7 0 * * *"):
        compare(expression, zone, moment - timedelta(hours=30), moment + timedelta(hours=30))
    for expression in ("0 0 * * *", "5,35 0-3,23 * * *", "*/15 * * * *", "30 1 * * *", "1 2,3 * * *"):
        cron, begin = Cron(expression=expression, timezone=zone), moment - timedelta(hours=30)
        count_as_walked(cron, begin, list(islice(dues(cron, begin), 60)))
    for expression in ("*/20 * * * * *", "0 10 0-3 * * *"):
        compare(expression, zone, moment - timedelta(hours=3), moment + timedelta(hours=3), timedelta(seconds=1))
