"""Instants as people write them are understood, and refused with an example where they are none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from jobsched.http.instants import EXAMPLE, asked_instant, instant
from jobsched.model.errors import Invalid

THREE = datetime(2026, 12, 1, 3, tzinfo=UTC)
TWO = THREE - timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-01T03:00:00Z", THREE),
        ("2026-12-01T03:00Z", THREE),
        ("2026-12-01 03:00Z", THREE),
        ("2026-12-01t03:00z", THREE),
        (" 2026-12-01T03Z ", THREE),
        ("2026-12-01T03:00+01:00", TWO),
        ("2026-12-01 03:00 +0100", TWO),
        ("2026-12-01T03:00:00+01", TWO),
        ("2026-12-01T03:00-00:30", THREE + timedelta(minutes=30)),
        ("20261201T0300Z", THREE),
        ("20261201T030000+0100", TWO),
        ("2026-W49-2T03:00Z", THREE),
        ("2026-12-01T03:00:00.5Z", THREE + timedelta(seconds=0.5)),
        ("2026-12-01T03:00:00,25Z", THREE + timedelta(seconds=0.25)),
        ("2026-12-01T03:00:00.1234567Z", THREE + timedelta(microseconds=123_456)),
        (None, None),
    ],
)
def test_iso_8601_with_an_offset_is_understood(text: str | None, expected: datetime | None) -> None:
    found = instant(text, "/at")
    assert found == expected
    assert found is None or found.tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "words"),
    [
        *((text, "needs an offset") for text in ("2026-12-01T03:00", "2026-12-01 03:00:00", "20261201T0300")),
        *(
            (text, "is no instant in ISO 8601")
            for text in (
                "", "tomorrow", "2026-12-01", "2026-12-01Z", "03:00Z", "2026-12-01T24:00Z", "2026-12-01T03:00:60Z",
                "2026-13-01T03:00Z", "2026-02-30T03:00Z", "2026-12-01T03:00 CET", "2026-12-01T03:00[Europe/Berlin]",
                "2026-12-01X03:00Z", "1796266800", "2026-12-01T03:00+25:00", "2026-12-01T03:00Z\0", "x" * 64,
                "\u0662\u0660\u0662\u0666-12-01T03:00Z", "01/12/2026 03:00Z",
            )
        ),
        ("0001-01-01T00:00+01:00", "lies outside the years 1 to 9999"),
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_an_example(text: str, words: str) -> None:
    with pytest.raises(Invalid, match=words) as caught:
        instant(text, "/start")
    assert caught.value.pointer == "/start"
    for each in EXAMPLE.split(" or "):
        assert instant(each, "/at") == datetime(2030, 1, 31, 11, tzinfo=UTC)
    assert EXAMPLE in str(caught.value) or "years" in words


offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=offsets), st.sampled_from("T t"))
def test_what_is_written_in_any_zone_is_the_same_instant(moment: datetime, separator: str) -> None:
    assert instant(moment.isoformat(separator), "/at") == moment
    whole = moment.replace(second=0, microsecond=0)
    assert instant(whole.isoformat(separator, "minutes"), "/at") == whole


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-01T03:00:00 01:00", TWO),
        ("2026-12-01T03:00 0100", TWO),
        ("2026-12-01 03:00 01:00", TWO),
        ("2026-12-01 03:00Z", THREE),
        ("2026-12-01T03:00+01:00", TWO),
        (UNSET, None),
    ],
)
def test_in_a_query_a_plus_sign_may_have_become_a_blank(text: str, expected: datetime | None) -> None:
    assert asked_instant(text, "?from") == expected


def test_in_a_query_a_time_without_an_offset_is_none() -> None:
    with pytest.raises(Invalid, match="needs an offset"):
        asked_instant("2026-12-01 03:00", "?from")
