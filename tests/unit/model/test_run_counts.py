"""Hours as clocks show them, and how the dues of a stretch fall into them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.model.errors import Invalid
from jobsched.model.run_counts import HOUR, MOST, Stretch, Tally, by_hour, day_before, edges
from jobsched.model.zone import find

ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe", "Africa/Casablanca")
T0 = datetime(2026, 1, 1, tzinfo=UTC)

instants = st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1)).map(lambda each: each.replace(tzinfo=UTC))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def local(name: str, begin: str, end: str) -> list[str]:
    """The hours between two times, as clocks show their begin."""
    found = edges(at(begin), at(end), find(name))
    return [f"{each.astimezone(ZoneInfo(name)):%H:%M%z}" for each in found[:-1]]


@pytest.mark.parametrize(
    ("name", "begin", "end", "shown"),
    [
        ("UTC", "2026-01-01T00:00Z", "2026-01-01T02:00Z", ["00:00+0000", "01:00+0000"]),
        ("UTC", "2026-01-01T00:59Z", "2026-01-01T02:01Z", ["00:59+0000", "01:00+0000", "02:00+0000"]),
        ("Asia/Kathmandu", "2026-01-01T00:00Z", "2026-01-01T01:20Z", ["05:45+0545", "06:00+0545", "07:00+0545"]),
        ("Europe/Berlin", "2026-03-29T00:00Z", "2026-03-29T02:00Z", ["01:00+0100", "03:00+0200"]),
        ("Europe/Berlin", "2026-10-25T00:00Z", "2026-10-25T03:00Z", ["02:00+0200", "02:00+0100", "03:00+0100"]),
        ("Australia/Lord_Howe", "2026-04-04T14:00Z", "2026-04-04T16:30Z",
         ["01:00+1100", "01:30+1030", "02:00+1030"]),
    ],
)  # fmt: skip
def test_hours_are_those_that_clocks_show(name: str, begin: str, end: str, shown: list[str]) -> None:
    assert local(name, begin, end) == shown


@given(st.sampled_from(ZONES), instants, st.timedeltas(timedelta(microseconds=1), (MOST - 2) * HOUR))
def test_hours_follow_one_another_without_a_gap(name: str, begin: datetime, span: timedelta) -> None:
    found = edges(begin, begin + span, find(name))
    assert (found[0], found[-1]) == (begin, begin + span)
    assert all(timedelta(0) < late - early <= HOUR for early, late in pairwise(found))
    shown = [each.astimezone(ZoneInfo(name)) for each in found]
    for early, late in pairwise(shown[1:-1]):
        before = (early.astimezone(UTC) - HOUR).astimezone(early.tzinfo)
        set_here = before.utcoffset() != early.utcoffset()
        assert early.minute == 0 or set_here
        assert late.astimezone(UTC) - early.astimezone(UTC) == HOUR or set_here or late.utcoffset() != early.utcoffset()


@pytest.mark.parametrize("end", ["2026-01-02T12:00Z", "2026-01-02T11:00:00.000001Z", "2026-01-02T11:34Z"])
def test_a_day_has_24_hours_the_last_of_which_may_go_on(end: str) -> None:
    begin = day_before(at(end), find("UTC"))
    assert begin == at("2026-01-01T12:00Z")
    assert len(edges(begin, at(end), find("UTC"))) == 25


@pytest.mark.parametrize(
    ("begin", "end", "pointer"),
    [(T0, T0, "?to"), (T0, T0 - HOUR, "?to"), (T0, T0 + MOST * HOUR + HOUR, "?from"),
     (T0 + HOUR / 2, T0 + HOUR / 2 + MOST * HOUR, "?from"), (datetime(1, 1, 1, tzinfo=UTC), T0, "?from"),
     (T0, datetime(9999, 1, 1, tzinfo=UTC), "?from")],
)  # fmt: skip
def test_too_many_hours_and_none_are_refused(begin: datetime, end: datetime, pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        edges(begin, end, find("UTC"))
    assert refused.value.pointer == pointer
    assert len(edges(T0, T0 + MOST * HOUR, find("UTC"))) == MOST + 1


@given(
    st.integers(-300, 300), st.integers(1, 5000), st.integers(2, 200),
    st.lists(st.integers(-300, 1000), min_size=2, max_size=9, unique=True).map(sorted),
)  # fmt: skip
def test_dues_of_a_stretch_fall_where_they_are(begin: int, step: int, count: int, minutes: list[int]) -> None:
    dues = [T0 + timedelta(minutes=begin, seconds=number * step) for number in range(count)]
    borders = [T0 + timedelta(minutes=each) for each in minutes]
    stretch = Stretch(state="missed", due=dues[0], until=dues[-1], count=count)
    found = by_hour(Tally(single=[{}] * (len(borders) - 1), stretches=[stretch]), borders)
    expected = [sum(early <= due < late for due in dues) for early, late in pairwise(borders)]
    assert [each.get("missed", 0) for each in found] == expected
    assert all(count for each in found for count in each.values())


def test_stretches_are_added_to_single_runs() -> None:
    stretch = Stretch(state="skipped", due=T0, until=T0 + HOUR, count=3)
    tally = Tally(single=[{"skipped": 1, "failed": 2}, {}], stretches=[stretch])
    assert by_hour(tally, [T0, T0 + HOUR, T0 + 2 * HOUR]) == [{"skipped": 3, "failed": 2}, {"skipped": 1}]


def test_a_stretch_of_many_dues_over_years_is_counted() -> None:
    dues = 400 * 86_400 * 10  # each tenth of a second
    stretch = Stretch(state="missed", due=T0, until=T0 + timedelta(days=400) - timedelta(seconds=0.1), count=dues)
    borders = [T0 + timedelta(days=399), T0 + timedelta(days=399, hours=1)]
    assert by_hour(Tally(single=[{}], stretches=[stretch]), borders) == [{"missed": 36_000}]


def test_counting_ends_when_nobody_wants_it_any_more() -> None:
    def gone() -> None:
        raise BrokenPipeError

    stretch = Stretch(state="missed", due=T0, until=T0 + HOUR, count=2)
    with pytest.raises(BrokenPipeError):
        by_hour(Tally(single=[{}], stretches=[stretch]), [T0, T0 + HOUR], gone)
