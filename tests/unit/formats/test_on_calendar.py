"""OnCalendar expressions, as cron or as one instant."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.formats.on_calendar import fields
from jobsched.model.cron import Cron
from jobsched.model.errors import Invalid

SAID: dict[str, dict[str, Any]] = {
    "minutely": {"cron": "* * * * *"},
    "hourly": {"cron": "0 * * * *"},
    "daily": {"cron": "0 0 * * *"},
    "Weekly": {"cron": "0 0 * * 1"},
    "monthly": {"cron": "0 0 1 * *"},
    "quarterly": {"cron": "0 0 1 1,4,7,10 *"},
    "semiannually": {"cron": "0 0 1 1,7 *"},
    "yearly": {"cron": "0 0 1 1 *"},
    "daily UTC": {"cron": "0 0 * * *", "timezone": "UTC"},
    "*-*-* 02:30:00": {"cron": "30 2 * * *"},
    "02:30": {"cron": "30 2 * * *"},
    "Mon..Fri 02:30": {"cron": "30 2 * * 1,2,3,4,5"},
    "Mon-Fri *-*-* 02:30": {"cron": "30 2 * * 1,2,3,4,5"},
    "Fri..Mon 02:30": {"cron": "30 2 * * 0,1,5,6"},
    "Sat,Sunday 02:30": {"cron": "30 2 * * 0,6"},
    "Mon..Sun 02:30": {"cron": "30 2 * * *"},
    "Mon": {"cron": "0 0 * * 1"},
    "*:0/15": {"cron": "*/15 * * * *"},
    "*:5/15": {"cron": "5-59/15 * * * *"},
    "*:50/15": {"cron": "50 * * * *"},
    "8..18/2:00": {"cron": "0 8-18/2 * * *"},
    "*:*:30": {"cron": "30 * * * * *"},
    "*-*-1,15 3:00": {"cron": "0 3 1,15 * *"},
    "*-1..3-* 3:00": {"cron": "0 3 * 1-3 *"},
    "*-*~01 3:00": {"cron": "0 3 L * *"},
    "12-24 18:00": {"cron": "0 18 24 12 *"},
    "Mon *-*-1..7 03:00": {"cron": "0 3 * * 1#1"},
    "Sun,Mon *-*-22..28 03:00": {"cron": "0 3 * * 0#4,1#4"},
    "*-*-* 02:30 Europe/Berlin": {"cron": "30 2 * * *", "timezone": "Europe/Berlin"},
    "2030-01-31 12:00 UTC": {"at": "2030-01-31T12:00:00+00:00"},
    "2030-07-31 12:00:05 Europe/Berlin": {"at": "2030-07-31T12:00:05+02:00"},
}


@pytest.mark.parametrize(("text", "wanted"), SAID.items(), ids=SAID)
def test_what_can_be_said(text: str, wanted: dict[str, Any]) -> None:
    assert fields(text) == wanted


BAD = {
    " ": "is missing",
    "nightly": "no weekday",
    "daily Europe/Berln": 'did you mean "Europe/Berlin"',
    "daily Nowhere": "no IANA time zone",
    "*-*-* 25:00": "hour",
    "*-*-* *:*/15": "every second one is 0/2",
    "*-*-* 02:30:00.5": "parts of a second",
    "*-*~02": "only the last",
    "Mon *-*~1": "weekdays on certain days",
    "Mon *-*-3..7": "weekdays on certain days",
    "Mon *-*-1,2": "weekdays on certain days",
    "2030-01-31 12:00": "needs its zone",
    "2030-01-* 12:00 UTC": "only of one day",
    "2030,2031-01-01 12:00 UTC": "only of one day",
    "Thu 2030-01-31 12:00 UTC": "without weekdays",
    "2030-01-31 12:00..30 UTC": "only one time",
    "2030-02-31 12:00 UTC": "is no time",
    "*-2-30 12:00": "never",
    "*-*-* 02:30 x": "not understood",
    "*:0/0": "a step",
    "x" * 501: "at most 500",
    "*-*-5..3": "not allowed",
}


@pytest.mark.parametrize(("text", "words"), BAD.items(), ids=[text[:30] for text in BAD])
def test_what_cannot_be_said(text: str, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        fields(text)


@given(st.text("0123456789*-~:/., MonFriUTC", max_size=40))
def test_any_text_is_a_schedule_or_refused(text: str) -> None:
    try:
        found = fields(text)
    except Invalid:
        return
    assert "at" in found or Cron.parse(str(found["cron"]), str(found.get("timezone", "UTC")))
