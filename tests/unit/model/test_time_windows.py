"""Times as people name them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.model.errors import BadTrigger, Invalid
from jobsched.model.time_text import named

NOW = datetime(2026, 11, 28, 14, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "zone", "windows"),
    [
        ("03:00", "UTC", ["2026-11-28T03:00:00 60"]),
        ("3:00", "UTC", ["2026-11-28T03:00:00 60"]),
        ("03:00:05", "UTC", ["2026-11-28T03:00:05 1"]),
        ("14:30", "UTC", ["2026-11-28T14:30:00 60"]),
        ("14:31", "UTC", ["2026-11-27T14:31:00 60"]),
        ("03:00", "Europe/Berlin", ["2026-11-28T02:00:00 60"]),
        ("03:00", "Pacific/Kiritimati", ["2026-11-28T13:00:00 60"]),
        ("2026-11-28", "UTC", ["2026-11-28T00:00:00 86400"]),
        ("2026-10-25", "Europe/Berlin", ["2026-10-24T22:00:00 90000"]),
        ("2026-11-27T03:00", "Europe/Berlin", ["2026-11-27T02:00:00 60"]),
        ("2026-11-27 03:00:01", "UTC", ["2026-11-27T03:00:01 1"]),
        ("2026-11-27t03:00z", "Europe/Berlin", ["2026-11-27T03:00:00 60"]),
        ("2026-11-27T03:00+05:30", "Europe/Berlin", ["2026-11-26T21:30:00 60"]),
        ("2026-10-25T02:30", "Europe/Berlin", ["2026-10-25T00:30:00 60", "2026-10-25T01:30:00 60"]),
        ("2026-03-29T02:30", "Europe/Berlin", []),
    ],
)
def test_the_windows_of_a_text(text: str, zone: str, windows: list[str]) -> None:
    found = named(text, zone, NOW)
    assert [
        f"{window.begin:%FT%T} {(window.end - window.begin).total_seconds():g}" for window in found.windows
    ] == windows


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("2026-03-29T02:30", "02:30 does not exist on 2026-03-29 in Europe/Berlin"),
        ("2026-10-25T02:30", "02:30 occurs twice on 2026-10-25 in Europe/Berlin"),
        ("2026-10-25T03:30", None),
    ],
)
def test_a_change_of_clocks_is_noted(text: str, note: str | None) -> None:
    assert named(text, "Europe/Berlin", NOW).note == note


@pytest.mark.parametrize(
    "text", ["", "3", "25:00", "03:60", "2026-02-30", "2026-11-28T", "yesterday", "03:00Z", "\uff10\uff13:00"]
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(Invalid, match="is no time, as 03:00"):
        named(text, "UTC", NOW)


def test_a_zone_that_does_not_exist_is_refused() -> None:
    with pytest.raises(BadTrigger):
        named("03:00", "Europe/Berlim", NOW)


@given(
    st.times(),
    st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/New_York", "Asia/Kathmandu"]),
    st.datetimes(datetime(1990, 1, 2), datetime(2050, 1, 1), timezones=st.just(UTC)),
)
def test_a_time_of_day_is_the_last_one(wall: object, zone: str, now: datetime) -> None:
    text = f"{wall:%H:%M}"
    found = named(text, zone, now)
    assert found.near <= now
    assert now - found.near <= timedelta(hours=49)
    for window in found.windows:
        assert f"{window.begin.astimezone(ZoneInfo(zone)):%H:%M}" == text
        assert window.end - window.begin == timedelta(minutes=1)
