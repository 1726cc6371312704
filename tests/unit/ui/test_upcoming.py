"""What will be due, as a chart shows it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from jobsched.ui.upcoming import TICKS, round_times

KATHMANDU = ZoneInfo("Asia/Kathmandu")  # 5 h 45 min before UTC
BEGIN = datetime(2030, 1, 31, 10, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ahead", "first", "second"),
    [
        (timedelta(days=1), "18:00", "00:00"),
        (timedelta(hours=2), "16:00", "16:30"),
        (timedelta(minutes=6), "15:53", "15:54"),
        (timedelta(days=40), "00:00", "00:00"),
    ],
)
def test_a_chart_is_marked_at_round_times(ahead: timedelta, first: str, second: str) -> None:
    found = round_times(BEGIN, BEGIN + ahead, KATHMANDU)
    assert [f"{each.astimezone(KATHMANDU):%H:%M}" for each in found[:2]] == [first, second]
    assert 3 <= len(found) <= TICKS
    assert all(BEGIN <= each < BEGIN + ahead for each in found)


def test_a_time_that_is_round_is_marked_itself() -> None:
    begin = datetime(2030, 1, 31, 12, tzinfo=UTC)
    assert round_times(begin, begin + timedelta(hours=6), ZoneInfo("UTC"))[0] == begin
