"""When a job is overdue: each rule by a table, and what holds whatever the facts are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.model.draft import Draft
from jobsched.model.job import Job, Watch
from jobsched.model.overdue import Facts, Late, Success, overdue, spoken

T0 = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NEVER = "none since 2026-01-01T00:00:00Z"


def at(minutes: float) -> datetime:
    return T0 + minutes * MINUTE


def job(late: float | None = None, success: float | None = None, **fields: Any) -> Job:
    """Made and watched at minute 0, and due each hour."""
    watch = Watch(
        max_late=None if late is None else late * MINUTE,
        must_succeed_every=None if success is None else success * MINUTE,
    )
    draft = Draft(task="task", name="job", every=timedelta(hours=1), watch=watch)
    return attrs.evolve(draft.job("id", T0), **fields)


def late(due: float, why: str = "no free slot") -> Late:
    return Late(due=at(due), why=why)


def since(job: Job, now: float, **facts: Any) -> float | None:
    """Since which minute it is."""
    found = overdue(job, Facts(now=at(now), **facts))
    return None if found is None else (found.since - T0) / MINUTE


@pytest.mark.parametrize(
    ("now", "facts", "expected"),
    [
        (59, {}, None),
        (69.9, {}, None),  # due at 60, and nobody has decided it
        (70, {}, 70),
        (500, {}, 70),
        (65, {"waiting": late(50)}, 60),
        (59, {"waiting": late(50)}, None),
        (65, {"missed": late(50)}, 60),
        (59, {"missed": late(50)}, None),
        (100, {"missed": late(45), "waiting": late(50)}, 55),  # the oldest counts
        (100, {"missed": late(50), "waiting": late(45)}, 55),
    ],
)
def test_max_late_counts_from_the_oldest_unstarted_due(
    now: float, facts: dict[str, Any], expected: float | None
) -> None:
    assert since(job(late=10), now, **facts) == expected


@pytest.mark.parametrize(
    ("now", "facts", "expected"),
    [
        (50, {"waiting": late(30)}, 40),  # its last run waits
        (50, {"missed": late(30)}, None),  # its last due was missed: nothing is to come
        (50, {}, None),
    ],
)
def test_without_a_next_due_only_a_waiting_run_makes_it_late(
    now: float, facts: dict[str, Any], expected: float | None
) -> None:
    assert since(job(late=10, next_due=None), now, **facts) == expected


@pytest.mark.parametrize(
    ("now", "success", "watched", "start", "expected"),
    [
        (29, None, 0, None, None),
        (30, None, 0, None, 30),  # none since it is watched
        (49, 20, 0, None, None),
        (50, 20, 0, None, 50),
        (50, 20, 40, None, None),  # watched since later: resumed, or changed
        (70, 20, 40, None, 70),
        (50, None, 0, 45, None),  # nobody expects one before its start
        (75, None, 0, 45, 75),
        (75, 60, 0, 45, None),
    ],
)
def test_must_succeed_every_counts_from_the_last_success(
    now: float, success: float | None, watched: float, start: float | None, expected: float | None
) -> None:
    one = job(success=30, watched=at(watched), next_due=at(999))
    one = attrs.evolve(one, schedule=attrs.evolve(one.schedule, start=None if start is None else at(start)))
    assert since(one, now, success=None if success is None else Success(ended=at(success))) == expected


def test_a_job_that_has_ended_is_still_to_succeed() -> None:
    assert since(job(success=30, next_due=None), 31) == 30


instants = st.floats(0, 1e6)
spans = st.none() | st.floats(0.02, 1e6)
lates = st.none() | st.builds(late, instants)


@given(spans, spans, instants, lates, lates, st.none() | st.builds(lambda m: Success(ended=at(m)), instants))
def test_what_holds_whatever_the_facts_are(
    most: float | None, every: float | None, now: float, waiting: Late | None, missed: Late | None, success: Success
) -> None:
    one, facts = job(most, every), Facts(now=at(now), waiting=waiting, missed=missed, success=success)
    found = overdue(one, facts)
    assert overdue(attrs.evolve(one, paused=True), facts) is None, "a paused job never is"
    assert overdue(attrs.evolve(one, watched=None), facts) is None, "nor is one of which it is not asked"
    if found is None:
        return
    assert found.since <= facts.now
    assert found.reason
    assert most is not None or every is not None
    later = overdue(one, attrs.evolve(facts, now=facts.now + MINUTE))
    assert later is not None
    assert later == attrs.evolve(found, reason=later.reason), "it stays so while nothing happens"
    just_before = attrs.evolve(facts, now=found.since - timedelta(microseconds=1))
    assert overdue(one, just_before) is None, "and was not before"


@pytest.mark.parametrize(
    ("one", "facts", "reason"),
    [
        (
            job(late=10), {"waiting": late(50, "no free slot: max_running runs are active")},
            "not started within 10 min of its due at 2026-01-01T00:50:00Z: no free slot: max_running runs are active",
        ),
        (job(late=1), {}, "not started within 1 min of its due at 2026-01-01T01:00:00Z: no node has taken it up yet"),
        (
            job(success=120, next_due=None), {},
            "no success within 2 h: none since 2026-01-01T00:00:00Z",
        ),
        (
            job(success=130, next_due=None), {"success": Success(ended=at(1), run_id="01a2")},
            "no success within 2 h 10 min: the last one was at 2026-01-01T00:01:00Z (run 01a2)",
        ),
        (
            job(success=130, next_due=None), {"success": Success(ended=at(1))},
            "no success within 2 h 10 min: the last one was at 2026-01-01T00:01:00Z",
        ),
        (
            job(late=2, success=60), {"waiting": late(60, "w")},
            f"not started within 2 min of its due at 2026-01-01T01:00:00Z: w; no success within 1 h: {NEVER}",
        ),
    ],
)  # fmt: skip
def test_the_reason_says_at_night_what_is_wrong(one: Job, facts: dict[str, Any], reason: str) -> None:
    found = overdue(one, Facts(now=at(1000), **facts))
    assert found is not None
    assert found.reason == reason


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 s"), (1.5, "1.5 s"), (59, "59 s"), (60, "1 min"), (90, "1 min 30 s"), (3600, "1 h"), (3601, "1 h 1 s"),
        (7800, "2 h 10 min"), (7859, "2 h 10 min"), (86_400, "1 d"), (90_000, "1 d 1 h"), (36_525 * 86_400, "36525 d"),
    ],
)  # fmt: skip
def test_a_span_is_said_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert spoken(timedelta(seconds=seconds)) == words
