"""Rows of the list of jobs: made anew where something of them has changed, and kept where not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from jobsched.model.job import JobView, Pause
from jobsched.model.job_list import Activity, Outcome
from jobsched.ui import jobs
from jobsched.ui.files import Files
from jobsched.ui.frame import environment
from jobsched.ui.jobs import Rows
from jobsched.ui.view import View
from tests.store.samples import at, job

VIEW = View(now=at(100))


@pytest.fixture(scope="module")
def cells() -> Any:
    return environment(Files()).get_template("job_row.html").module


@pytest.fixture
def rows(cells: Any) -> Rows:
    return Rows(cells)


def outcome(second: float, **fields: Any) -> Outcome:
    return Outcome(f"run {second}", "task", at(second), "succeeded", 2.0)._replace(**fields)


NEWS = JobView(job=job(name="<b>"), last_run=None, activity=Activity(recent=(outcome(60),), median=2.0))


def test_cells_are_kept_until_something_changes(rows: Rows) -> None:
    first, again = rows.row(NEWS, VIEW), rows.row(NEWS, attrs.evolve(VIEW, now=at(200)))
    assert (first.named is again.named, first.fares is again.fares) == (True, True)
    assert "&lt;b&gt;" in first.named
    assert "median 2 s" in first.fares


@pytest.mark.parametrize(
    ("news", "view", "shown"),
    [
        (attrs.evolve(NEWS, activity=Activity(recent=(outcome(61, state="failed"), outcome(60)))), VIEW, "✕"),
        (attrs.evolve(NEWS, activity=attrs.evolve(NEWS.activity, median=9.0)), VIEW, "median 9 s"),
        (attrs.evolve(NEWS, job=attrs.evolve(NEWS.job, name="other", version=2)), VIEW, "other"),
        (attrs.evolve(NEWS, job=attrs.evolve(NEWS.job, name="restored", updated=at(99))), VIEW, "restored"),
        (
            attrs.evolve(NEWS, job=attrs.evolve(
                NEWS.job, paused=True, pause=Pause(by=None, at=at(1), until=None, reason="moves")
            )),
            VIEW,
            "moves",
        ),
        (attrs.evolve(NEWS, job=attrs.evolve(NEWS.job, overdue=at(1), overdue_reason="too late")), VIEW, "too late"),
        (NEWS, attrs.evolve(VIEW, zone="Asia/Kolkata"), "Mon 1 Jan 05:31:00"),
        (NEWS, attrs.evolve(VIEW, now=at(0) + timedelta(days=400)), "Mon 1 Jan 2024 00:01:00"),
    ],
)  # fmt: skip
def test_what_changes_is_shown(rows: Rows, news: JobView, view: View, shown: str) -> None:
    before = rows.row(NEWS, VIEW)
    assert shown not in before.named + before.fares
    after = rows.row(news, view)
    assert shown in after.named + after.fares
    rows.row(NEWS, VIEW)
    again = rows.row(NEWS, VIEW)
    assert (again.named, again.fares) == (before.named, before.fares)


def test_no_more_rows_are_kept_than_are_looked_at(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "KEPT", 2)
    one, two, three = (attrs.evolve(NEWS, job=job(name=name)) for name in "abc")
    first = rows.row(one, VIEW)
    rows.row(two, VIEW)
    assert rows.row(one, VIEW).named is first.named  # looked at again: so `two` is the one that was not for longest
    second = rows.row(two, VIEW)
    rows.row(three, VIEW)
    assert rows.row(two, VIEW).named is second.named
    assert rows.row(one, VIEW).named is not first.named
