"""How a job has fared."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.model.run import COUNTED, ENDED, FAILING, Run
from jobsched.model.stats import SHOWN, Stats, stats

T0 = datetime(2026, 11, 28, tzinfo=UTC)


def run(number: int, state: str, seconds: float | None = 1, **fields: Any) -> Run:
    due = T0 + timedelta(minutes=number)
    started = None if seconds is None else due
    ended = due if seconds is None else due + timedelta(seconds=seconds)
    given_: dict[str, Any] = {"id": f"{number:04}", "job_id": "job", "job_name": "job", "task": "task", "due": due}
    return Run(**given_ | {"created": due, "state": state, "started": started, "ended": ended} | fields)


def of(*oldest_first: Run) -> Stats:
    return stats(oldest_first[::-1])


def test_of_nothing_nothing_is_said() -> None:
    assert stats([]) == Stats()


def test_a_job_that_fails_says_since_when() -> None:
    found = of(run(1, "failed"), run(2, "succeeded", 3), run(3, "failed"), run(4, "skipped", None), run(5, "timed_out"))
    assert found.runs == 4
    assert found.since == T0 + timedelta(minutes=1)
    assert found.success_rate == 0.25
    assert (found.failing_since, found.failures) == (T0 + timedelta(minutes=3), 2)
    assert found.last_success == T0 + timedelta(minutes=2, seconds=3)
    assert [each.id for each in found.last] == ["0005", "0004", "0003", "0002", "0001"]


def test_a_job_that_works_again_does_not_fail() -> None:
    found = of(run(1, "lost"), run(2, "succeeded"))
    assert (found.failing_since, found.failures) == (None, 0)


def test_a_stretch_counts_for_all_of_its_dues() -> None:
    found = of(run(1, "succeeded"), run(2, "missed", None, count=9))
    assert (found.runs, found.success_rate, found.failures) == (2, 0.1, 9)


def test_the_last_attempt_decides() -> None:
    first = run(1, "failed")
    found = of(first, run(2, "succeeded", due=first.due, attempt=2), run(3, "failed", due=first.due, place="other"))
    assert (found.runs, found.success_rate) == (2, 0.5)
    assert (found.failing_since, found.failures) == (first.due, 1)


def test_what_was_cancelled_or_skipped_says_nothing() -> None:
    found = of(run(1, "succeeded"), run(2, "cancelled"), run(3, "skipped", None))
    assert (found.runs, found.success_rate, found.failures) == (1, 1.0, 0)


@pytest.mark.parametrize(
    ("took", "median", "p95"),
    [
        ([7], 7, 7),
        ([1, 2], 1.5, 2),
        ([3, 1, 2], 2, 3),
        (list(range(1, 21)), 10.5, 19),
        (list(range(1, 101)), 50.5, 95),
        (list(range(1, 102)), 51, 96),
    ],
)
def test_durations_are_of_those_that_succeeded(took: list[float], median: float, p95: float) -> None:
    found = of(*(run(number, "succeeded", seconds) for number, seconds in enumerate(took)), run(999, "failed", 1e6))
    assert (found.median, found.p95, found.longest) == (median, p95, max(took))


def test_a_clock_that_was_set_back_makes_no_negative_duration() -> None:
    found = of(attrs.evolve(run(1, "succeeded"), ended=T0 - timedelta(hours=1)))
    assert found.median == 0


@given(st.lists(st.tuples(st.sampled_from(ENDED), st.floats(0, 1e6) | st.none(), st.integers(1, 3)), max_size=50))
def test_the_numbers_agree_with_each_other(made: list[tuple[str, float | None, int]]) -> None:
    runs = [run(number, state, seconds, count=count) for number, (state, seconds, count) in enumerate(made)]
    found = of(*runs)
    counted = [each for each in runs if each.state in COUNTED]
    assert found.runs == len(counted)
    assert (found.success_rate is None) == (not counted)
    assert found.success_rate is None or 0 <= found.success_rate <= 1
    assert (found.failures > 0) == (found.failing_since is not None) == bool(counted and counted[-1].state in FAILING)
    assert len(found.last) == min(SHOWN, len(runs))
    if found.median is not None and found.p95 is not None and found.longest is not None:
        assert found.median <= found.longest
        assert found.p95 <= found.longest
