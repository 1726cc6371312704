"""Lengths of time are read as they are typed and said as they are read aloud."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.model.times import seconds_of, spoken, utc_text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), (" 1H30M ", 5400), ("2d 12h", 216_000), ("1.5m", 90), ("1w", 604_800),
     ("", None), ("-5m", None), ("5", 5), ("5 m", None), ("h", None), ("1,5h", None), ("1" * 13, None), ("٣s", None)],
)  # fmt: skip
def test_a_length_of_time_is_read(text, seconds) -> None:
    assert seconds_of(text) == seconds


def test_a_number_alone_counts_where_it_is_allowed() -> None:
    assert (seconds_of("90"), seconds_of("90", bare=False), seconds_of("90s", bare=False)) == (90, None, 90)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "<0>"), (9.94, "<9.94>"), (9.95, "10 s"), (59.6, "1 min"), (61, "1 min 1 s"), (3600, "1 h"),
     (5430, "1 h 30 min"), (86_399.7, "1 d"), (90_000, "1 d 1 h"), (86_400_000, "1,000 d")],
)  # fmt: skip
def test_a_length_of_time_is_said_in_two_units(seconds, text) -> None:
    assert spoken(seconds, "<{}>".format) == text


@given(st.integers(10, 10**9))
def test_what_is_said_is_off_by_less_than_its_second_unit(seconds) -> None:
    said = spoken(seconds, str).replace("min", "m").replace(",", "")
    read = seconds_of("".join(said.split()))
    assert read is not None
    assert 0 <= seconds - read < (3600 if "d" in said else 60 if "h" in said else 1)


def test_an_instant_is_said_in_utc() -> None:
    berlin = timezone(timedelta(hours=1))
    assert utc_text(datetime(2026, 11, 28, 6, tzinfo=berlin)) == "2026-11-28T05:00:00Z"
    assert utc_text(datetime(2026, 11, 28, 6, 0, 0, 5, berlin)) == "2026-11-28T05:00:00.000005Z"
