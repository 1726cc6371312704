"""Which jobs are due later than their schedule says, for a clock that was set back had been wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobsched.model.draft import Draft
from jobsched.model.ids import BACK
from jobsched.model.job import Job
from jobsched.model.trigger import Interval
from jobsched.model.wrong_clock import anew
from tests.present import present

T0 = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
YEAR = timedelta(days=365)


def made(now: datetime = T0, **fields: Any) -> Job:
    return Draft(task="task", name="job", **fields).job("job", now)


def due(job: Job, next_due: datetime | None, **fields: Any) -> Job:
    return attrs.evolve(job, next_due=next_due, **fields)


KINDS: dict[str, dict[str, Any]] = {
    "interval": {"every": timedelta(seconds=2)},
    "long interval": {"every": 5 * YEAR},
    "start": {"every": HOUR, "start": T0 + 20 * YEAR},
    "cron": {"cron": "* * * * *"},
    "rare cron": {"cron": "0 0 29 2 *", "timezone": "Europe/Berlin"},
    "cron from then on": {"cron": "* * * * *", "start": T0 + 3 * YEAR},
    "at": {"at": T0 + 30 * YEAR},
    "jitter": {"cron": "0 0 * * *", "jitter": 20 * HOUR},
    "wide jitter": {"every": HOUR, "jitter": 300 * DAY},
}


spans = st.timedeltas(timedelta(0), 40 * DAY)


@settings(max_examples=200)
@given(st.sampled_from(sorted(KINDS)), spans, spans)
def test_what_is_due_by_its_schedule_stays_however_far_away(kind: str, after: timedelta, late: timedelta) -> None:
    job = made(**KINDS[kind])
    assert anew(job, T0) is None
    assert anew(job, T0 + late) is None, "the same when nobody has looked for a while"
    moved = due(job, job.schedule.next_after(T0 + after))
    assert anew(moved, T0 + after) is None
    assert anew(moved, T0 + after + late) is None


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "at"])
def test_what_was_decided_a_year_ahead_is_due_at_its_next_again(kind: str) -> None:
    job = made(**KINDS[kind])
    later = max(T0 + YEAR, present(job.schedule.next_after(T0)) + timedelta(seconds=1))
    found = anew(due(job, job.schedule.next_after(later)), T0)
    assert found is not None
    assert found.next_due == job.schedule.next_after(T0)
    assert found.schedule == job.schedule


def test_up_to_three_hours_nothing_changes() -> None:
    job = made(every=timedelta(seconds=2))
    assert anew(due(job, T0 + BACK), T0) is None
    assert anew(due(job, T0 + BACK + timedelta(seconds=2)), T0) is not None


def test_a_job_that_ended_by_a_clock_that_was_wrong_goes_on() -> None:
    job = made(every=HOUR, end=T0 + 100 * DAY)
    assert present(anew(due(job, None), T0)).next_due == T0 + HOUR
    assert anew(due(job, None), T0 + 101 * DAY) is None
    once = made(at=T0 + DAY)
    assert present(anew(due(once, None), T0)).next_due == T0 + DAY
    assert anew(due(once, None), T0 + 2 * DAY) is None
    used_up = made(every=HOUR, max_runs=3)
    assert anew(due(used_up, None, starts=3), T0) is None
    assert anew(due(used_up, None, starts=2), T0) is not None


def test_the_grid_of_a_job_made_ahead_goes_back_and_stays() -> None:
    every = timedelta(seconds=7)
    job = made(T0 + 400 * DAY, every=every)
    found = anew(job, T0)
    assert found is not None
    assert T0 < present(found.next_due) <= T0 + every
    assert (present(job.next_due) - present(found.next_due)) % every == timedelta(0)
    assert isinstance(found.schedule.trigger, Interval)
    assert found.schedule.trigger.start <= T0
    given_start = made(T0 + 400 * DAY, every=every, start=T0 + 401 * DAY)
    assert anew(given_start, T0) is None, "a start that somebody gave is meant"


@given(
    st.sampled_from(["*/5 * * * *", "30 2 * * *", "0 0 1 * *", "0 12 * * 1"]),
    st.sampled_from([timedelta(0), HOUR, 40 * DAY]),
    st.timedeltas(-2 * YEAR, 2 * YEAR),
)
def test_what_is_computed_anew_is_computed_once(cron: str, jitter: timedelta, ahead: timedelta) -> None:
    job = made(cron=cron, jitter=jitter)
    moved = due(job, job.schedule.next_after(T0 + ahead))
    found = anew(moved, T0)
    if found is not None:
        assert T0 < present(found.next_due) <= present(moved.next_due)
        assert anew(found, T0) is None
