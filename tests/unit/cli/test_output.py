"""Tables that fit a terminal, and what is written into them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.cli import times
from jobsched.cli.errors import Usage
from jobsched.cli.fields import fields
from jobsched.cli.output import GAP, Column, fitting
from jobsched.cli.times import Times, span, spoken
from jobsched.cli.words import status_of
from jobsched.config import tokens


def column(keep: int | None, cut: bool) -> Column:
    return Column("X", str, keep=keep, cut=cut)


COLUMNS = st.lists(st.tuples(st.one_of(st.none(), st.integers(1, 9)), st.booleans(), st.integers(1, 60)), min_size=1)


@given(COLUMNS, st.integers(20, 200))
def test_a_table_is_as_wide_as_the_terminal_at_most(found: Sequence[tuple[int | None, bool, int]], room: int) -> None:
    columns = [column(keep, cut) for keep, cut, _ in found]
    widths = [width for _, _, width in found]
    got = fitting(columns, widths, room)
    assert all(0 <= each <= width for each, width in zip(got, widths, strict=True))
    total = sum(each + GAP for each in got if each) - GAP
    least = sum(min(width, 4) + GAP for (keep, _, width) in found if keep is None)
    assert total <= max(room, least)
    if sum(width + GAP for width in widths) - GAP <= room:
        assert got == widths


def test_the_least_wanted_column_goes_first() -> None:
    columns = [column(None, True), column(1, False), column(5, False)]
    assert fitting(columns, [10, 10, 10], 34) == [10, 10, 10]
    assert fitting(columns, [10, 10, 10], 30) == [10, 0, 10]
    assert fitting(columns, [30, 10, 10], 30) == [18, 0, 10]
    assert fitting(columns, [30, 10, 10], 20) == [20, 0, 0]


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("1h30m", 5400), ("2d", 172800), ("1w", 604800), ("0.5s", 0.5)]
)
def test_spans(text: str, seconds: float) -> None:
    assert span(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "1x", "1h 30", "-1h", "1,5h"])
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(Usage):
        span(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.004, "4 ms"), (0.04, "40 ms"), (0.05, "0.1 s"), (0, "0.0 s"),
     (9.9, "9.9 s"), (59.6, "1 min"), (150, "2 min 30 s"), (3600, "1 h"), (90061, "1 d 1 h"),
     (-90, "-1 min 30 s")],
)  # fmt: skip
def test_spoken_spans(seconds: float, text: str) -> None:
    assert spoken(seconds) == text


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("05:00", "UTC", "2026-03-28T05:00:00+00:00"),
        ("03:00", "UTC", "2026-03-29T03:00:00+00:00"),
        ("02:30", "Europe/Berlin", "2026-03-29T01:30:00+00:00"),  # clocks skip it: an hour later
        ("2h", "UTC", "2026-03-28T06:00:00+00:00"),
        ("2026-12-01", "Europe/Berlin", "2026-11-30T23:00:00+00:00"),
        ("2026-12-01T05:00", "Europe/Berlin", "2026-12-01T04:00:00+00:00"),
        ("2026-12-01 05:00+05:00", "Europe/Berlin", "2026-12-01T00:00:00+00:00"),
    ],
)
def test_until_when(monkeypatch: pytest.MonkeyPatch, text: str, zone: str, expected: str) -> None:
    monkeypatch.setattr(times, "now", lambda: datetime(2026, 3, 28, 4, tzinfo=UTC))
    assert Times(zone).ahead(text) == expected


def test_fields_of_a_command_line() -> None:
    given_words = ["retries=2", "timeout=1h", "every=5m", "labels.team=data", "labels.env=none", "parameters.n=5",
                   "misfire_grace=none", "zone=Europe/Berlin", "notify.on=failed,lost"]  # fmt: skip
    assert fields(given_words, Times("UTC")) == {
        "retries": 2, "timeout": 3600.0, "interval": {"seconds": 300.0}, "labels": {"team": "data", "env": None},
        "parameters": {"n": 5}, "misfire_grace": None, "timezone": "Europe/Berlin",
        "notify": {"on": ["failed", "lost"]},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("run", "status"),
    [
        ({"state": "succeeded", "exit_code": 3}, 0),
        ({"state": "failed", "exit_code": 3}, 3),
        ({"state": "failed", "exit_code": 0}, 1),  # its output was not what was expected
        ({"state": "failed"}, 1),
        ({"state": "failed", "signal": "SIGSEGV"}, 139),
        ({"state": "cancelled", "signal": "SIGTERM"}, 143),
        ({"state": "cancelled", "started": None}, 125),
        ({"state": "timed_out", "signal": "SIGKILL"}, 124),
        ({"state": "lost"}, 125),
        ({"state": "missed", "started": None}, 125),
        ({"state": "skipped", "started": None}, 125),
    ],
)
def test_exit_status_of_a_run(run: dict[str, object], status: int) -> None:
    assert status_of({"exit_code": None, "signal": None, "started": "2026-01-01T00:00:00Z"} | run) == status


def test_of_a_rotated_token_both_are_good_for_a_while() -> None:
    until = datetime(2026, 1, 2, tzinfo=UTC)
    one = tokens.Token(
        name="a",
        scopes=frozenset({"read"}),
        hash=tokens.hashed(b"new"),
        old_hash=tokens.hashed(b"old"),
        old_until=until,
    )
    known = tokens.Tokens((one,))
    assert known.find(b"new") == one
    old = known.find(b"old")
    assert old is not None
    assert (old.name, old.expires) == ("a", until)
    assert known.find(b"other") is None
