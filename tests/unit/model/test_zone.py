"""The seasons of a zone, against the library that knows its clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobsched.model import zone
from jobsched.model.cron import Cron
from tests.unit.model.slow_cron import ZONES

SECOND = timedelta(seconds=1)


@given(st.sampled_from(ZONES), st.datetimes(datetime(2, 1, 1), datetime(9997, 12, 31), timezones=st.just(UTC)))
@example("America/New_York", datetime(2499, 12, 31, 23, 59, tzinfo=UTC))
@example("America/New_York", datetime(2500, 1, 1, tzinfo=UTC))
@example("Africa/Casablanca", datetime(2487, 5, 11, 2, tzinfo=UTC))  # its list of changes ends in 2087
@example("Australia/Lord_Howe", datetime(9996, 4, 7, tzinfo=UTC))
def test_a_season_has_one_offset_from_its_begin_to_its_end(name: str, instant: datetime) -> None:
    season = zone.find(name).season(instant)
    assert season.begin <= instant < season.end
    for moment in (season.begin, instant, season.end - SECOND):
        assert moment.astimezone(ZoneInfo(name)).utcoffset() == season.offset, moment


@pytest.mark.slow
def test_no_list_of_changes_goes_beyond_the_year_of_the_rule() -> None:
    """A year of a rule is like the one that is a cycle of the calendar later; a list would end in between."""
    for name in ZONES:
        place = ZoneInfo(name)
        for days in range(0, 3 * 365, 3):
            instant = datetime(zone.RULED, 1, 1, tzinfo=UTC) + timedelta(days=days)
            later = instant + zone.CYCLE_DAYS
            assert instant.astimezone(place).utcoffset() == later.astimezone(place).utcoffset(), (name, instant)


@pytest.mark.parametrize("name", ["America/New_York", "UTC"])
def test_dues_far_apart_do_not_fill_the_memory_with_years(name: str) -> None:
    zone._seasons.cache_clear()
    cron, due = Cron(expression="0 0 29 2 *", timezone=name), datetime(2024, 1, 1, tzinfo=UTC)
    for _ in range(1000):
        due = cron.next_after(due) or due
    assert due.year > 6000
    assert zone._seasons.cache_info().currsize < 250
