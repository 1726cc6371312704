"""What the page says of times, spans and schedules, and how it reads what people type."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from jobsched.model.errors import Invalid
from jobsched.model.job_list import JobOrder
from jobsched.model.labels import Label
from jobsched.ui import amounts, words
from jobsched.ui.form import back
from jobsched.ui.search import Search
from jobsched.ui.view import View

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"), (0, "0 s"), (0.012, "12 ms"), (0.2, "0.2 s"), (5, "5 s"), (9.96, "10 s"), (59.7, "1 min"),
        (250, "4 min 10 s"), (3600, "1 h"), (9240, "2 h 34 min"), (90000, "1 d 1 h"),
    ],
)  # fmt: skip
def test_a_span_has_the_two_units_that_matter(seconds: float | None, text: str) -> None:
    assert words.span(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "now"), (-12, "12 s ago"), (240, "in 4 min"), (9240, "in 2 h 34 min"), (-7200, "2 h ago"),
        (40000, "in 11 h"), (-200000, "2 d ago"),
    ],
)  # fmt: skip
def test_a_time_is_told_from_now(seconds: float, text: str) -> None:
    assert words.relative(NOW + timedelta(seconds=seconds), NOW) == text


def test_a_time_names_the_year_where_it_is_another() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert words.moment(NOW, berlin, NOW) == "Sat 28 Nov 13:00:00"
    assert words.moment(NOW + timedelta(days=40), berlin, NOW) == "Thu 7 Jan 2027 13:00:00"


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("30 2 * * *", "02:30 daily"), ("* * * * *", "every min"), ("*/5 * * * *", "every 5 min"),
        ("7 * * * *", "hourly at :07"), ("0 9 * * 1-5", "09:00 on Mon to Fri"), ("0 9 * * 6,0", "09:00 on Sat,Sun"),
        ("0 0 1 * *", "00:00 on day 1"), ("@Daily", "00:00 daily"), ("0 30 2 * * *", "0 30 2 * * *"),
        ("0 0 1 1 *", "0 0 1 1 *"), ("*/5 9 * * *", "*/5 9 * * *"), ("0 9 1 * 1", "0 9 1 * 1"),
    ],
)  # fmt: skip
def test_common_rules_are_told_in_words_and_others_as_they_are(rule: str, text: str) -> None:
    assert words.cron(rule) == text


@pytest.mark.parametrize(("count", "text"), [(5, "5 B"), (2048, "2.0 KiB"), (1 << 26, "64 MiB"), (5 << 40, "5120 GiB")])
def test_bytes_are_told_in_units(count: int, text: str) -> None:
    assert words.size(count) == text


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("1h 30m", 5400), ("2d", 172800),
                          ("1.5h", 5400), ("1W", 604800)],
)  # fmt: skip
def test_a_length_of_time_is_read(text: str, seconds: float) -> None:
    assert amounts.seconds(text, "/x") == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5", "5y", "1h30", "h", "1..5s", "9" * 13])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        amounts.seconds(text, "/x")
    assert refused.value.pointer == "/x"


@given(st.integers(1, 10**9), st.sampled_from([1, 10, 1000]))
def test_a_length_is_read_as_it_was_written(number: int, part: int) -> None:
    assert amounts.seconds(amounts.length(number / part), "") == pytest.approx(number / part)


NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True)
NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.booleans() | NUMBERS | st.text()


@given(st.dictionaries(NAMES, VALUES))
def test_parameters_are_read_as_they_were_written(found: dict[str, object]) -> None:
    lines = amounts.pairs(amounts.lines(found), "/parameters")
    again = {name: amounts.typed(value) for name, value in lines.items()}
    assert again == found
    assert [type(each) for each in again.values()] == [type(each) for each in found.values()]


@pytest.mark.parametrize("text", ["x", "=1", "a=1\na=2"])
def test_lines_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(Invalid):
        amounts.pairs(text, "/labels")


def test_what_is_looked_for_becomes_a_filter() -> None:
    assert Search.of("state:attention").filter(JobOrder()).needy
    found = Search.of("state:failing task:backup label:team=data night night state:paused 12:30")
    only = found.filter(JobOrder(sort="name"))
    assert (only.failing, only.task, only.state, only.words) == (True, "backup", "paused", ("night", "12:30"))
    assert only.labels == (Label("team", "data"),)
    assert found.chips[1] == ("task:backup", "state:failing label:team=data state:paused night 12:30")


@pytest.mark.parametrize(
    ("path", "to"),
    [
        ("/ui/jobs?q=a%20b", "/ui/jobs?q=a%20b"), ("", "/ui/"), ("/jobs", "/ui/"), ("//evil.example/ui/", "/ui/"),
        ("https://evil.example", "/ui/"), ("/ui/\\evil", "/ui/"), ("/ui/\nx", "/ui/"), ("/ui/é", "/ui/"),
    ],
)  # fmt: skip
def test_a_form_leads_back_to_the_page_alone(path: str, to: str) -> None:
    assert back(path) == to


def test_instants_in_words_are_shown_as_the_viewer_has_them() -> None:
    view = View(now=datetime(2030, 1, 31, tzinfo=UTC), zone="Asia/Kolkata")
    said = view.told("no daemon ran from 2030-01-30T20:00:00Z until 2030-01-30T20:30:00.5Z <b>", "UTC")
    assert re.sub("<[^>]*>", "", said) == "no daemon ran from Thu 31 Jan 01:30:00 until Thu 31 Jan 02:00:00 &lt;b&gt;"
    assert 'datetime="2030-01-30T20:00:00Z"' in said
    printed = "exit code 1, last line: 2030-01-30T20:00:00Z <b>"
    assert view.told(printed) == escape(printed)
    assert view.told("at 2030-99-30T20:00:00Z") == "at 2030-99-30T20:00:00Z"
