"""Outcomes are told once they are stored: each of them, wherever it came from, and none that was undone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import attrs
import pytest

from jobsched.model.job import Policy
from jobsched.model.order import CancelRun, DeleteJob, PauseJob, ResumeJob, RunJob
from tests.store.samples import IDS, Desk, asks, at, job, node, run

pytestmark = pytest.mark.usefixtures("told_time")

Told = list[tuple[str, str]]


def stored(desk: Desk) -> Told:
    """The same from the record."""
    return sorted((run.id, run.state) for run in desk.runs() if not run.active)


def runs_end(desk: Desk) -> None:
    many = [run(number) for number in range(1, 5)]
    desk.insert(*many)
    desk.ended(*many[:2])
    desk.ended(many[2], state="failed")
    desk.ended(attrs.evolve(many[3], state="stopping"), state="cancelled")


def notes_come_before_the_end(desk: Desk) -> None:
    one, other = run(1), run(2)
    desk.insert(one, other)
    desk.record(*[attrs.evolve(one, pid=7), attrs.evolve(other, pid=8)])
    desk.ended(one)


def dues_are_missed_and_skipped(desk: Desk) -> None:
    late, busy = job(policy=Policy(misfire_grace=timedelta(seconds=1))), job()
    desk.add(late, busy)
    desk.claim(60, busy)
    desk.claim(125, late, busy)


def dues_pass_a_paused_job(desk: Desk) -> None:
    one = job()
    desk.add(one)
    desk.order(PauseJob(job_id=one.id), 1)
    desk.order(ResumeJob(job_id=one.id), 200)


def a_caller_runs_what_is_active(desk: Desk) -> None:
    one = job()
    desk.add(one)
    desk.claim(60, one)
    desk.order(RunJob(job_id=one.id), 61)


def a_later_run_takes_the_place_of_one_that_waits(desk: Desk) -> None:
    one = job(policy=Policy(overlap="replace"))
    desk.add(one)
    desk.claim(60, one)
    desk.claim(120, one, slots=0)
    desk.claim(180, one, slots=0)


def a_caller_cancels_what_waits(desk: Desk) -> None:
    waits, runs = run(1, state="waiting", node_id=None), run(2)
    desk.insert(waits, runs)
    desk.order(CancelRun(run_id=waits.id, reason="why"), 3)
    desk.order(CancelRun(run_id=runs.id, reason="why"), 3)


def a_job_goes_and_takes_what_waits_along(desk: Desk) -> None:
    one = job()
    desk.add(one)
    desk.insert(run(1, job_id=one.id, state="waiting", node_id=None), run(2, job_id=one.id))
    desk.order(DeleteJob(job_id=one.id), 130)


def a_node_dies(desk: Desk) -> None:
    desk.know(node("node", id="here", state="dead"))
    desk.insert(run(1), run(2, stop="cancelled by a caller"))
    desk.insert(run(3, state="waiting", node_id=None, place="elsewhere"))
    desk.ask(desk.store.nodes.declare_dead([], None, "its node is gone", IDS, lambda: 0.0, at(1000), None))


def a_retry_comes_after_its_job_was_deleted(desk: Desk) -> None:
    one, here = job(), node("node", id="here", seen=at(60))
    desk.add(one)
    desk.insert(run(1, state="waiting", node_id=None), run(2, job_id=one.id, state="waiting", node_id=None))
    desk.know(here)
    desk.claim(61, one, **asks(here))


@pytest.mark.parametrize(
    ("happens", "states"),
    [
        (runs_end, {"succeeded", "failed", "cancelled"}),
        (notes_come_before_the_end, {"succeeded"}),
        (dues_are_missed_and_skipped, {"missed", "skipped"}),
        (dues_pass_a_paused_job, {"skipped"}),
        (a_caller_runs_what_is_active, {"skipped"}),
        (a_later_run_takes_the_place_of_one_that_waits, {"skipped"}),
        (a_caller_cancels_what_waits, {"cancelled"}),
        (a_job_goes_and_takes_what_waits_along, {"cancelled", "skipped"}),
        (a_node_dies, {"lost", "cancelled", "missed"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_in_the_record_was_told(
    desk: Desk, told: Told, happens: Callable[[Desk], None], states: set[str]
) -> None:
    happens(desk)
    assert sorted(told) == stored(desk)
    assert {state for _, state in told} == states


@pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)
def test_so_was_what_is_cancelled_because_its_job_is_gone(desk: Desk, told: Told) -> None:
    a_retry_comes_after_its_job_was_deleted(desk)
    assert sorted(told) == stored(desk)
    assert {state for _, state in told} == {"cancelled", "skipped"}


def test_an_outcome_that_came_too_late_is_not_told(desk: Desk, told: Told) -> None:
    mine, lost = run(1), run(2)
    desk.insert(mine, lost)
    desk.ended(lost, state="lost", seconds=500)
    told.clear()
    desk.ended(mine, lost)  # this node thought that both went well
    assert told == [(mine.id, "succeeded")]
