"""What is counted of what happens, and that no label can grow without end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.defer import Deferred, succeed

from jobsched.metrics import Facts, Metrics
from jobsched.model.health import Counts
from jobsched.model.run import Run

NOW = datetime(2026, 1, 1, tzinfo=UTC)
COUNTS = Counts(
    jobs={"scheduled": 3, "paused": 1, "ended": 0}, overdue=2, waiting=4, deliveries={"waiting": 1, "failed": 7}
)
FACTS = Facts(
    version="1.2.3", uptime=60, threads=9, running=2, slots=64, ready=True, store_up=True, counts=COUNTS,
    labels=(), infos=(),
    nodes_alive=3, lease=30, lease_remaining=5.5, fenced=False, sweep_age=1.5, tried=10, won=8, catalog_sound=True,
    tokens_sound=False, connections=1,
)  # fmt: skip


def run(**fields: Any) -> Run:
    common: dict[str, Any] = {
        "id": "a run",
        "job_id": "a job",
        "job_name": "job",
        "task": "backup",
        "due": NOW,
        "created": NOW,
    }
    return Run(**common | fields)


def ended(state: str = "succeeded", seconds: float = 2.0, **fields: Any) -> Run:
    return run(state=state, started=NOW, ended=NOW + timedelta(seconds=seconds), **fields)


def told(metrics: Metrics, facts: Facts = FACTS) -> dict[tuple[str, ...], float]:
    """Each sample by its name and the values of its labels, in the order of their names."""
    page: list[bytes] = []
    Deferred.fromCoroutine(metrics.exposition(facts, lambda: succeed(None))).addCallback(page.append)
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(page[0].decode())
        for sample in family.samples
    }


def test_a_run_is_counted_by_task_and_state() -> None:
    metrics = Metrics()
    metrics.ended([ended(), ended(output_bytes=100), ended("failed", 70, output_bytes=11)])
    found = told(metrics)
    assert found["jobsched_runs_total", "succeeded", "backup"] == 2
    assert found["jobsched_runs_total", "failed", "backup"] == 1
    assert found["jobsched_output_bytes_total",] == 111
    assert found["jobsched_run_duration_seconds_sum", "backup"] == 74
    assert found["jobsched_run_duration_seconds_bucket", "5.0", "backup"] == 2


@pytest.mark.parametrize(
    ("what", "outcome", "count"),
    [
        (ended(), "ran", 1),
        (ended("failed"), "ran", 1),
        (ended("timed_out"), "ran", 1),
        (ended("cancelled"), "ran", 1),
        (ended("lost"), "lost", 1),
        (run(state="missed", ended=NOW, until=NOW + timedelta(hours=1), count=61), "missed", 61),
        (run(state="skipped", ended=NOW, until=NOW + timedelta(hours=1), count=7), "skipped", 7),
        (run(state="cancelled", ended=NOW), "cancelled", 1),
        (ended(cause="manual"), None, 0),
        (ended(cause="retry", attempt=2), None, 0),
    ],
)
def test_a_due_has_one_outcome(what: Run, outcome: str | None, count: int) -> None:
    metrics = Metrics()
    metrics.ended([what])
    dues = {key[1]: value for key, value in told(metrics).items() if key[0] == "jobsched_dues_total"}
    assert set(dues) == {"ran", "skipped", "missed", "lost", "cancelled"}  # there before the first
    assert {name: value for name, value in dues.items() if value} == ({outcome: count} if outcome else {})


def test_what_did_not_start_or_was_lost_has_no_duration() -> None:
    metrics = Metrics()
    metrics.ended([run(state="missed", ended=NOW), ended("lost")])
    assert not any(name == "jobsched_run_duration_seconds_count" for name, *_ in told(metrics))


def test_lateness_is_that_of_schedules() -> None:
    metrics = Metrics()
    metrics.begun(run(), NOW + timedelta(seconds=0.3))
    metrics.begun(run(cause="manual"), NOW + timedelta(seconds=30))
    metrics.begun(run(cause="retry"), NOW + timedelta(seconds=30))
    found = told(metrics)
    assert found["jobsched_start_lateness_seconds_count", "backup"] == 1
    assert found["jobsched_start_lateness_seconds_bucket", "0.25", "backup"] == 0
    assert found["jobsched_start_lateness_seconds_bucket", "0.5", "backup"] == 1


def test_a_clock_set_back_makes_nothing_negative() -> None:
    metrics = Metrics()
    metrics.begun(run(), NOW - timedelta(seconds=5))
    metrics.ended([ended(seconds=-5)])
    found = told(metrics)
    assert found["jobsched_start_lateness_seconds_sum", "backup"] == 0
    assert found["jobsched_run_duration_seconds_sum", "backup"] == 0


def test_the_store_is_timed_and_its_failures_are_counted() -> None:
    metrics = Metrics()
    metrics.asked(False, 0.002, None)
    metrics.asked(True, 3.0, "unavailable")
    found = told(metrics)
    assert found["jobsched_store_duration_seconds_sum", "read"] == 0.002
    assert found["jobsched_store_duration_seconds_sum", "write"] == 3.0
    assert found["jobsched_store_errors_total", "unavailable", "write"] == 1
    assert found["jobsched_store_errors_total", "unavailable", "read"] == 0


def test_requests_and_sweeps() -> None:
    metrics = Metrics()
    metrics.answered("GET", "/jobs/{job_id}", 404, 0.02)
    metrics.swept(0.01)
    found = told(metrics)
    assert found["jobsched_http_requests_total", "GET", "/jobs/{job_id}", "404"] == 1
    assert found["jobsched_http_request_duration_seconds_sum", "GET", "/jobs/{job_id}"] == 0.02
    assert found["jobsched_sweep_duration_seconds_count",] == 1


def test_a_task_of_the_catalog_begins_at_zero() -> None:
    metrics = Metrics()
    metrics.know(["backup"])
    assert told(metrics)["jobsched_runs_total", "failed", "backup"] == 0


def test_of_more_than_a_hundred_tasks_the_others_are_one() -> None:
    metrics = Metrics()
    for number in range(250):
        metrics.begun(run(task=f"task{number}"), NOW)
        metrics.ended([ended(task=f"task{number}")])
    tasks = {key[2] for key in told(metrics) if key[0] == "jobsched_runs_total"}
    assert tasks == {f"task{number}" for number in range(100)} | {"other"}
    assert told(metrics)["jobsched_runs_total", "succeeded", "other"] == 150
    metrics.ended([ended(task="task7")])
    assert told(metrics)["jobsched_runs_total", "succeeded", "task7"] == 2


def test_how_things_stand() -> None:
    found = told(Metrics())
    assert found["jobsched_jobs", "scheduled"] == 3
    assert found["jobsched_jobs_overdue",] == 2
    assert found["jobsched_runs_waiting",] == 4
    assert found["jobsched_deliveries", "failed"] == 7
    assert (found["jobsched_runs_running",], found["jobsched_slots",]) == (2, 64)
    assert (found["jobsched_claims_tried_total",], found["jobsched_claims_won_total",]) == (10, 8)
    assert (found["jobsched_nodes_alive",], found["jobsched_lease_remaining_seconds",]) == (3, 5.5)
    assert found["jobsched_lease_seconds",] == 30
    assert (found["jobsched_catalog_sound",], found["jobsched_tokens_sound",]) == (1, 0)
    assert next(key[2] for key in found if key[0] == "jobsched_build_info") == "1.2.3"
    assert found["process_resident_memory_bytes",] > 1e6


def test_what_is_not_known_is_not_told() -> None:
    facts = attrs.evolve(FACTS, counts=None, lease=None, lease_remaining=None, sweep_age=None, store_up=False)
    names = {name for name, *_ in told(Metrics(), facts)}
    assert not names & {
        "jobsched_jobs", "jobsched_jobs_overdue", "jobsched_runs_waiting", "jobsched_deliveries",
        "jobsched_lease_seconds", "jobsched_lease_remaining_seconds", "jobsched_sweep_age_seconds",
    }  # fmt: skip
    assert told(Metrics(), facts)["jobsched_store_up",] == 0


def test_others_have_their_turn_while_much_is_written() -> None:
    metrics, turns = Metrics(), []
    metrics.know(f"task{number}" for number in range(100))
    for number in range(100):
        metrics.begun(run(task=f"task{number}"), NOW)
        metrics.ended([ended(task=f"task{number}")])

    def turn() -> Deferred[None]:
        turns.append(1)
        return succeed(None)

    Deferred.fromCoroutine(metrics.exposition(FACTS, turn))
    assert len(turns) == 3  # runs, durations, latenesses


def test_two_daemons_in_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.ended([ended()])
    assert ("jobsched_runs_total", "succeeded", "backup") not in told(other)
