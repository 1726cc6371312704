"""Times as people ask for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.model.errors import BadTrigger
from jobsched.model.time_text import EXAMPLE, Asked

NOW = datetime(2026, 11, 28, 9, 30, tzinfo=UTC)  # a Saturday, 10:30 in Berlin


def asked(zone: str = "UTC", now: datetime = NOW) -> Asked:
    return Asked.of(zone, now)


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0, micro: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, micro, UTC)


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("now", "UTC", NOW),
        ("-1h", "UTC", NOW - timedelta(hours=1)),
        ("-1h30m", "UTC", NOW - timedelta(hours=1, minutes=30)),
        ("-1.5d", "UTC", NOW - timedelta(hours=36)),
        ("-2w10s", "UTC", NOW - timedelta(weeks=2, seconds=10)),
        (" -0s ", "UTC", NOW),
        ("2026-11-28", "UTC", utc(2026, 11, 28)),
        ("2026-11-28", "Europe/Berlin", utc(2026, 11, 27, 23)),
        ("2026-11-28T03:00", "Europe/Berlin", utc(2026, 11, 28, 2)),
        ("2026-11-28 03:00:07.5", "UTC", utc(2026, 11, 28, 3, 0, 7, 500_000)),
        ("03:00", "UTC", utc(2026, 11, 28, 3)),
        ("3:00", "Europe/Berlin", utc(2026, 11, 28, 2)),
        ("10:00", "UTC", utc(2026, 11, 27, 10)),
        ("10:00", "Europe/Berlin", utc(2026, 11, 28, 9)),
        ("10:30", "Europe/Berlin", NOW),
        ("10:30:01", "Europe/Berlin", NOW + timedelta(seconds=1, days=-1)),
        # 02:30 is skipped, 02:30 is shown twice, the day begins at 01:00.
        ("2026-03-29T02:30", "Europe/Berlin", utc(2026, 3, 29, 1)),
        ("2026-10-25T02:30", "Europe/Berlin", utc(2026, 10, 25, 0, 30)),
        ("2018-11-04", "America/Sao_Paulo", utc(2018, 11, 4, 3)),
        ("2011-12-30", "Pacific/Apia", utc(2011, 12, 30, 10)),
        # With an offset, or none of these: others read that.
        ("2026-11-28T03:00Z", "UTC", None),
        ("2026-11-28T03:00+01:00", "UTC", None),
        ("tomorrow", "UTC", None),
        ("1h", "UTC", None),
        ("-1x", "UTC", None),
        ("-", "UTC", None),
        ("", "UTC", None),
        ("2026-11", "UTC", None),
    ],
)
def test_a_text_names_an_instant(text: str, zone: str, expected: datetime | None) -> None:
    assert asked(zone).instant(text) == expected


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("08:00", utc(2026, 11, 27, 18), utc(2026, 11, 28, 8)),
        ("08:00", utc(2026, 11, 28, 7, 59), utc(2026, 11, 28, 8)),
        ("08:00", utc(2026, 11, 28, 8), utc(2026, 11, 29, 8)),
        ("2026-11-28", utc(2026, 11, 28, 8), utc(2026, 11, 28)),
        ("-1h", utc(2026, 11, 28, 8), NOW - timedelta(hours=1)),
    ],
)
def test_a_time_of_day_is_the_first_after_what_came_before(text: str, after: datetime, expected: datetime) -> None:
    assert asked().instant(text, after) == expected


@pytest.mark.parametrize("text", ["24:00", "03:60", "2026-13-01", "2026-02-30", "0001-01-01", "-999999999w", "-1.2.3h"])
def test_what_looks_so_and_is_nothing(text: str) -> None:
    try:
        found = asked().instant(text)
    except (ValueError, OverflowError):
        return
    assert found is None


def test_last_night_is_the_one_that_was() -> None:
    for hour in range(24):
        one = asked("Europe/Berlin", NOW.replace(hour=hour))
        begin = one.instant("18:00")
        assert begin is not None
        end = one.instant("08:00", begin)
        assert end == begin + timedelta(hours=14)
        assert begin <= one.now < begin + timedelta(days=1)


def test_an_unknown_zone_is_named() -> None:
    with pytest.raises(BadTrigger, match="did you mean"):
        asked("Europe/Berln")


@pytest.mark.parametrize("text", EXAMPLE[:-1])
def test_the_examples_are_such_times(text: str) -> None:
    assert asked().instant(text) is not None


@given(st.text("0123456789-:.THZsmhdwn o+", max_size=20), st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Apia"]))
def test_any_text_is_an_instant_or_nothing(text: str, zone: str) -> None:
    try:
        found = asked(zone).instant(text)
    except (ValueError, OverflowError):
        return
    assert found is None or found.tzinfo is not None


@given(
    st.datetimes(datetime(1975, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),
    st.times(),
    st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Apia", "Australia/Lord_Howe"]),
)
def test_a_time_of_day_lies_within_two_days(now, clock, zone):
    one, text = asked(zone, now), f"{clock:%H:%M:%S}"
    last, following = one.instant(text), one.instant(text, now)
    assert now - timedelta(days=2) < last <= now < following <= now + timedelta(days=2)


def test_an_instant_without_an_offset_needs_a_zone() -> None:
    one = Asked.of("UTC", NOW, chosen=False)
    assert one.instant("2026-11-28T03:00") is None
    assert one.instant("2026-11-28") == utc(2026, 11, 28)
    assert one.instant("03:00") == utc(2026, 11, 28, 3)
