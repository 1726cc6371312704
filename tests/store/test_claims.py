"""Claiming: dues become runs in one transaction, each of them once, whoever asks and however often."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest
import pytest_twisted
from twisted.internet.defer import gatherResults

from jobsched.model.claim import NO_SLOT, Claimed
from jobsched.model.job import Job, Overlap, Policy
from jobsched.model.order import REPLACED
from jobsched.model.run import Run
from jobsched.model.trigger import Interval
from jobsched.store.contract.store import Store
from tests.store.bench import Engine
from tests.store.samples import Desk, at, claimant, job, run

pytestmark = pytest.mark.usefixtures("told_time")


def policy(overlap: Overlap, **fields: Any) -> Policy:
    return Policy(overlap=overlap, **fields)


def dues(runs: tuple[Run, ...]) -> list[float]:
    return [(each.due - at(0)).total_seconds() for each in runs]


def test_a_due_becomes_a_run_that_is_recorded_as_running_here(desk: Desk) -> None:
    one = job(timeout=2.5, parameters={"a": "b"})
    desk.add(one)
    claimed = desk.claim(60.5, one)
    assert claimed.dues == ((one.id, at(120)),)
    assert not claimed.waiting
    (started,) = claimed.started
    assert (started.job_id, started.job_name, started.task) == (one.id, "job", "task")
    assert (started.due, started.created, started.started) == (at(60), at(60.5), at(60.5))
    assert (started.state, started.node, started.node_id, started.attempt) == ("running", "node", "here", 1)
    assert (started.cause, started.timeout, started.parameters) == ("schedule", 2.5, {"a": "b"})
    assert desk.runs() == [started]
    assert desk.job(one.id) == attrs.evolve(one, next_due=at(120), starts=1)


def test_a_second_claim_finds_nothing_but_the_next_due(desk: Desk) -> None:
    one = job()
    desk.add(one)
    desk.claim(60, one)
    assert desk.claim(61, one) == Claimed(dues=((one.id, at(120)),), now=at(61))
    assert len(desk.runs()) == 1


@pytest.mark.parametrize("gone", [{"paused": True}, {"next_due": None}, None])
def test_a_job_that_is_paused_ended_or_deleted_owes_nothing(desk: Desk, gone: dict[str, Any] | None) -> None:
    one = job(**(gone or {}))
    if gone is not None:
        desk.add(one)
    assert desk.claim(1000, one) == Claimed(now=at(1000))
    assert desk.runs() == []


def test_nothing_but_what_was_asked_for_is_decided(desk: Desk) -> None:
    one, other = job(), job()
    desk.add(one, other)
    desk.claim(60, one)
    assert [each.job_id for each in desk.runs()] == [one.id]
    assert desk.job(other.id) == other


def test_missed_dues_are_one_row_and_the_newest_runs(desk: Desk) -> None:
    one = job(10)
    desk.add(one)
    claimed = desk.claim(69.5, one)
    missed, started = desk.runs()
    assert claimed.started == (started,)
    assert (missed.due, missed.until, missed.count, missed.state) == (at(10), at(50), 5, "missed")
    assert (missed.ended, missed.node_id, missed.started) == (at(69.5), None, None)
    assert missed.reason
    assert (started.due, started.until, started.count) == (at(60), None, 1)


def test_a_second_run_of_one_due_and_attempt_is_refused(desk: Desk, engine: Engine) -> None:
    desk.insert(run(60))
    desk.insert(run(60, attempt=2))
    desk.insert(run(60, job_id="other"))
    desk.insert(run(61))
    with pytest.raises(engine.refusal):
        desk.insert(run(62), run(60))
    assert len(desk.runs()) == 4


@pytest_twisted.ensureDeferred
async def test_nodes_that_claim_at_once_start_each_due_once(desk: Desk, open_store: Callable[[], Store]) -> None:
    stores = [open_store() for _ in range(3)]
    jobs = [job(1 + number % 5, policy=policy("allow")) for number in range(40)]
    desk.add(*jobs)
    ids = [each.id for each in jobs]
    for seconds in (6, 12):
        whos = [claimant(seconds, slots=1000, node_id=f"node {number}") for number in range(3)]
        await gatherResults(
            [store.claims.claim(who, ids) for store, who in zip(stores, whos, strict=True) for _ in range(3)]
        )
    found = desk.runs()
    keys = [(each.job_id, each.due) for each in found]
    assert len(set(keys)) == len(keys)
    for each in jobs:
        mine = [one for one in found if one.job_id == each.id]
        assert isinstance(each.schedule.trigger, Interval)
        every = each.schedule.trigger.every
        assert sum(one.count for one in mine) == timedelta(seconds=12) // every
        assert [one.state for one in mine if one.state != "missed"] == ["running", "running"]


# Slots


def test_runs_beyond_the_slots_wait_and_start_oldest_first(desk: Desk) -> None:
    jobs = [job(due) for due in (63, 61, 64, 62)]
    desk.add(*jobs)
    claimed = desk.claim(70, *jobs, slots=1)
    assert dues(claimed.started) == [61]
    assert claimed.waiting
    waiting = [each for each in desk.runs() if each.state == "waiting"]
    assert dues(tuple(waiting)) == [62, 63, 64]
    assert {each.reason for each in waiting} == {NO_SLOT}
    assert {(each.node_id, each.started) for each in waiting} == {(None, None)}
    assert dues(desk.claim(80, slots=2).started) == [62, 63]
    last = desk.claim(90, slots=2)
    assert dues(last.started) == [64]
    assert not last.waiting
    assert (last.started[0].started, last.started[0].node_id) == (at(90), "here")
    assert last.started[0].reason != NO_SLOT
    assert {each.due: each.waited_for for each in desk.runs()} == {
        at(61): None, at(62): NO_SLOT, at(63): NO_SLOT, at(64): NO_SLOT,
    }  # fmt: skip
    assert [each for each in desk.runs() if each.due == at(64)] == list(last.started)


def test_a_run_that_starts_in_its_first_claim_has_not_waited(desk: Desk) -> None:
    first, second = job(61), job(65)
    desk.add(first, second)
    desk.claim(63, first, slots=0)
    started = desk.claim(66, second, slots=2).started  # one waits: so what is new goes the same way
    assert {each.job_id: each.waited_for for each in started} == {first.id: NO_SLOT, second.id: None}
    assert {each.id: each.waited_for for each in desk.runs()} == {each.id: each.waited_for for each in started}


def test_without_a_slot_every_due_is_recorded_and_none_starts(desk: Desk) -> None:
    one = job()
    desk.add(one)
    claimed = desk.claim(60, one, slots=0)
    assert (claimed.started, claimed.waiting) == ((), True)
    assert claimed.dues == ((one.id, at(120)),)
    assert desk.states() == ["waiting"]


def test_what_waits_goes_before_what_has_just_become_due(desk: Desk) -> None:
    early, late = job(60), job(70)
    desk.add(early, late)
    desk.claim(60, early, slots=0)
    claimed = desk.claim(70, late, slots=1)
    assert dues(claimed.started) == [60]
    assert desk.states() == ["running", "waiting"]


def test_with_few_slots_the_oldest_dues_of_all_start_first(desk: Desk) -> None:
    both = policy("allow", catch_up="all")
    jobs = [job(20, policy=both), job(21, policy=both)]
    desk.add(*jobs)
    claimed = desk.claim(65, *jobs, slots=3)
    assert dues(claimed.started) == [20, 21, 40]


def test_a_run_that_is_not_to_start_yet_does_not(desk: Desk) -> None:
    desk.queue(run(60, state="waiting", node_id=None, not_before=at(90)))
    assert desk.claim(89.999999) == Claimed(waiting=True, now=at(89.999999))
    assert dues(desk.claim(90).started) == [60]


# Overlap


def active(desk: Desk, overlap: Overlap, **fields: Any) -> Job:
    """A job with a run that is running, the due of which was 60; the next one is 120."""
    one = job(policy=policy(overlap, **fields))
    desk.add(one)
    desk.claim(60, one)
    return one


def test_skip_records_the_due_and_leaves_the_active_run_alone(desk: Desk) -> None:
    claimed = desk.claim(120, active(desk, "skip"))
    assert (claimed.started, claimed.replaced) == ((), ())
    assert desk.states() == ["running", "skipped"]
    assert desk.runs()[1].ended == at(120)


def test_queue_lets_one_wait_until_the_active_run_has_ended(desk: Desk) -> None:
    one = active(desk, "queue")
    assert desk.claim(120, one).waiting
    desk.claim(180, one)
    assert desk.states() == ["running", "waiting", "skipped"]
    assert desk.claim(190).started == ()
    desk.ended(desk.runs()[0])
    assert dues(desk.claim(200).started) == [120]
    desk.claim(240, one)
    assert desk.states() == ["succeeded", "running", "skipped", "waiting"]


def test_replace_names_the_active_run_and_starts_at_its_end(desk: Desk) -> None:
    one = active(desk, "replace")
    (old,) = desk.runs()
    claimed = desk.claim(120, one)
    replaced = attrs.evolve(old, stop=REPLACED)
    assert (claimed.started, claimed.replaced, claimed.waiting) == ((), (replaced,), True)
    desk.ended(old, state="stopping")
    assert desk.claim(121).started == ()
    desk.ended(old, state="cancelled")
    assert dues(desk.claim(122).started) == [120]


def test_replace_drops_a_run_that_only_waited_for_the_same(desk: Desk) -> None:
    one = active(desk, "replace")
    (old,) = desk.runs()
    desk.claim(120, one)
    assert [each.id for each in desk.claim(180, one).replaced] == [old.id]
    assert desk.states() == ["running", "skipped", "waiting"]


def test_allow_starts_beside_the_active_run(desk: Desk) -> None:
    assert dues(desk.claim(120, active(desk, "allow")).started) == [120]
    assert desk.states() == ["running", "running"]


def test_a_retry_whose_time_has_not_come_is_no_active_run(desk: Desk) -> None:
    one = active(desk, "skip", retries=1, retry_delay=timedelta(seconds=300))
    assert desk.ended(*desk.runs(), state="failed", seconds=61)
    assert dues(desk.claim(120, one).started) == [120]
    assert desk.claim(361.1).started == ()  # its time has come, and the other is active
    desk.ended(desk.runs()[-1])
    retried = desk.claim(362).started
    assert [(each.due, each.attempt) for each in retried] == [(at(60), 2)]


def test_only_the_head_of_a_jobs_queue_starts(desk: Desk) -> None:
    one = job(20, policy=policy("queue", catch_up="all"))
    other = job(25, policy=policy("queue", catch_up="all"))
    desk.add(one, other)
    claimed = desk.claim(65, one, other)
    assert sorted(dues(claimed.started)) == [20, 25]
    assert desk.claim(66).started == ()
    desk.ended(next(each for each in claimed.started if each.job_id == one.id))
    assert dues(desk.claim(67).started) == [40]


# max_runs


def test_after_max_runs_a_job_has_no_next_due(desk: Desk) -> None:
    one = job(max_runs=2)
    desk.add(one)
    assert desk.claim(60, one).dues == ((one.id, at(120)),)
    desk.ended(*desk.runs())
    assert desk.claim(120, one).dues == ((one.id, None),)
    after = desk.job(one.id)
    assert (after.next_due, after.starts) == (None, 2)


def test_the_queue_is_looked_at_without_a_job(desk: Desk) -> None:
    assert desk.claim(60) == Claimed(now=at(60))
    desk.queue(run(60, state="waiting", node_id=None))
    assert desk.ask(desk.store.claims.waiting(at(60))) == (True, None)
    assert dues(desk.claim(61).started) == [60]
    assert desk.ask(desk.store.claims.waiting(at(60))) == (False, None)
