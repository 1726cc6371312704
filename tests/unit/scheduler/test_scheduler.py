"""The scheduler at its edges: what wakes it, what it must not lose, what it leaves alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import attrs
import pytest
from sqlalchemy import update
from twisted.logger import capturedLogs, formatEvent

from jobsched.model.claim import Claimant, Claimed
from jobsched.model.draft import Draft
from jobsched.model.errors import Unavailable
from jobsched.model.job import Job, Policy
from jobsched.model.trigger import Interval
from jobsched.scheduler import scheduler as scheduler_module
from jobsched.scheduler import sweeps
from jobsched.scheduler import ticker as ticker_module
from jobsched.store.sql import claims
from jobsched.store.sql import runs as run_rows
from jobsched.store.sql.tables import jobs
from tests import sql_commands as commands
from tests.present import present
from tests.unit.scheduler.world import T0, CountedLoop, World, at, every

MINUTE = timedelta(minutes=1)
SOON = 0.05  # seconds within which what is due has started
SWEEP = sweeps.EVERY


def cron(expression: str, **fields: Any) -> Draft:
    return Draft(task="task", name="job", cron=expression, **fields)


def once(seconds: float, **fields: Any) -> Draft:
    return Draft(task="task", name="job", at=at(seconds), **fields)


def started(world: World) -> list[tuple[float, float]]:
    """Each start: its due and when it was claimed, in seconds since T0."""
    return [((run.due - T0).total_seconds(), _claimed(run.started)) for run in world.starts]


def _claimed(instant: datetime | None) -> float:
    assert instant is not None
    return round((instant - T0).total_seconds(), 3)


def punctual(world: World, dues: list[float]) -> bool:
    assert [due for due, _ in started(world)] == dues
    return all(due <= moment <= due + SOON for due, moment in started(world))


# What wakes it


@pytest.mark.parametrize("draft", [every(2), cron("*/2 * * * * *")])
def test_it_starts_each_run_at_its_due_and_not_before(world: World, draft: Draft) -> None:
    world.add(draft)
    world.walk(61)
    assert punctual(world, [float(due) for due in range(2, 62, 2)])


def test_an_instant_is_run_once(world: World) -> None:
    job = world.add(once(7))
    world.walk(60)
    assert punctual(world, [7])
    after = world.job(job)
    assert after is not None
    assert after.next_due is None


def test_a_jittered_interval_is_punctual_too(world: World) -> None:
    job = world.add(every(2, jitter=timedelta(seconds=1.5)))
    world.walk(60)
    assert len(world.starts) in (28, 29, 30)
    assert all(0 <= moment - due <= SOON for due, moment in started(world))
    assert {(run.due - job.created) % timedelta(seconds=2) for run in world.starts} > {world.starts[0].due - at(2)}


def test_a_job_due_before_the_next_sweep_is_found_by_the_wakeup(world: World) -> None:
    world.walk(0.1)
    world.add(every(0.5))
    world.walk(1.2)
    assert punctual(world, [0.6, 1.1])


@pytest.mark.slow
def test_a_job_beyond_understanding_leaves_others_their_dues(world: World) -> None:
    broken, sound = world.add(cron("*/2 * * * * *")), [world.add(every(2)) for _ in range(5)]

    def set_zone(name: str) -> None:
        world.write(lambda each: each.execute(update(jobs).where(jobs.c.id == broken.id).values(timezone=name)))

    set_zone("Nowhere/Land")
    with capturedLogs() as logs:
        world.walk(61)
    for job in sound:
        assert [(run.due - T0).total_seconds() for run in world.starts if run.job_id == job.id] == [*range(2, 62, 2)]
    assert all(moment - due <= SOON for due, moment in started(world))
    told = [formatEvent(event) for event in logs if "cannot be decided" in formatEvent(event)]
    assert [words.rpartition(" in ")[2] for words in told] == ["2 s", "4 s", "8 s", "16 s", "32 s"]
    assert broken.id in told[0]
    set_zone("UTC")
    world.walk(60)
    assert any(run.job_id == broken.id for run in world.starts)


def test_a_wakeup_brings_forward_a_look_planned_for_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    decide = claims.claim

    def held_up(*given: Any) -> Claimed:
        return attrs.evolve(decide(*given), held_up=True)  # as if another node had a job in hand

    monkeypatch.setattr(claims, "claim", held_up)
    world.add(once(1))
    world.walk(1.01)
    monkeypatch.undo()
    world.add(once(1.05))
    world.walk(1)
    assert [moment for _, moment in started(world)] == [1.001, 1.051]


def test_a_job_due_behind_the_horizon_causes_no_look(world: World) -> None:
    before = len(world.clock.getDelayedCalls())
    world.scheduler.wake(world.now + scheduler_module.AHEAD + timedelta(seconds=0.001))
    assert len(world.clock.getDelayedCalls()) == before
    world.scheduler.wake(world.now + scheduler_module.AHEAD)
    assert len(world.clock.getDelayedCalls()) == before + 1


def test_many_wakeups_cause_one_look(world: World) -> None:
    before = len(world.clock.getDelayedCalls())
    for _ in range(100):
        world.scheduler.wake(None)
    assert len(world.clock.getDelayedCalls()) == before + 1


def test_wakeups_during_a_slow_look_cause_one_more_look(world: World) -> None:
    world.walk(1)
    world.readers.holding = True
    for _ in range(20):
        world.scheduler.wake(None)
        world.walk(0.03)
    assert len(world.readers.held) == 1
    answered = world.readers.answered
    world.readers.release()
    assert world.readers.answered - answered == 6  # two looks, each at pauses, at the jobs and at what waits


def test_a_job_due_behind_the_horizon_is_found_by_the_sweep(world: World) -> None:
    world.walk(2)
    world.add(once(2 + 10.001))
    world.add(once(34))
    world.walk(40)
    assert punctual(world, [12.001, 34])


def test_more_jobs_than_one_read_are_all_started_on_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler_module, "MOST", 3)
    for number in range(10):
        world.add(once(8 if number < 7 else 9))
    world.walk(12)
    assert punctual(world, [8.0] * 7 + [9.0] * 3)
    assert len({run.job_id for run in world.starts}) == 10


def test_it_remembers_the_jobs_due_soon_only(world: World) -> None:
    for seconds in (3, 8, 60, 3600, 86400):
        world.add(once(seconds))
    world.walk(0.1)
    assert len(world.clock.getDelayedCalls()) == 3  # the sweep and two tickers
    world.walk(100)
    assert len(world.clock.getDelayedCalls()) == 1


@pytest.mark.parametrize("how", ["removed", "paused"])
def test_a_job_gone_or_paused_starts_nothing_and_keeps_no_timer(world: World, how: str) -> None:
    job = world.add(every(1))
    world.walk(1.5)
    if how == "removed":
        world.write(commands.remove, job.id, world.ids, world.now)
    else:
        world.pause(job, told=False)
    world.walk(2 * SWEEP)  # without a wake-up: as if another node had done it
    assert len(world.starts) == 1
    assert len(world.clock.getDelayedCalls()) == 1


def test_a_stale_ticker_finds_nothing(world: World) -> None:
    job = world.add(every(8, policy=Policy(overlap="allow")))
    world.walk(1)
    other = attrs.evolve(_claimant(world), now=at(8))
    world.clock.walk(7.0005)  # past the due, not yet at its ticker
    world.write(claims.claim, other, [job.id])
    world.walk(10)
    assert [run.due for run in world.record(job)] == [at(8), at(16)]
    assert [run.due for run in world.starts] == [at(16)]


def _claimant(world: World) -> Any:
    return Claimant(node="other", node_id="other", now=world.now, able_since=world.now, slots=1, ids=world.ids)


# Loops


@pytest.mark.parametrize("seconds", [11, 60, pytest.param(600, marks=pytest.mark.slow)])  # two hours, walked
def test_an_interval_job_keeps_one_loop_for_all_its_dues(
    world: World, loops: list[CountedLoop], seconds: float
) -> None:
    world.add(every(seconds))
    world.walk(12 * seconds + 1)
    assert punctual(world, [beat * seconds for beat in range(1, 13)])
    assert [(loop.starts, loop.beats) for loop in loops] == [(1, 12)]


def test_a_job_of_longer_intervals_has_a_loop_for_each_due(world: World, loops: list[CountedLoop]) -> None:
    world.add(every(601))
    world.walk(601 + 5)
    assert len(world.clock.getDelayedCalls()) == 1  # the sweep
    world.walk(601)
    assert punctual(world, [601, 1202])
    assert [(loop.starts, loop.beats) for loop in loops] == [(1, 1), (1, 1)]


def test_no_more_loops_go_on_than_may(world: World, loops: list[CountedLoop], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticker_module, "MOST", 2)
    many = [world.add(every(60)) for _ in range(4)]
    world.walk(4 * 60 + 1)
    assert [due for due, _ in started(world)] == [60] * 4 + [120] * 4 + [180] * 4 + [240] * 4
    assert sorted(loop.beats for loop in loops) == [1] * 8 + [4] * 2
    assert len(world.clock.getDelayedCalls()) == 1 + 2
    for job in many:
        world.write(commands.remove, job.id, world.ids, world.now)
    others = [world.add(every(60)) for _ in range(2)]  # have the room that is free again
    loops.clear()
    world.walk(4 * 60 + 1)
    assert [loop.beats for loop in loops] == [4] * len(others)


def _later(job: Job, _: datetime) -> Job:
    schedule = attrs.evolve(job.schedule, start=at(10_000))
    return attrs.evolve(job, schedule=schedule, next_due=at(10_000))


def _sooner(job: Job, instant: datetime) -> Job:
    trigger = Interval(start=at(61), every=timedelta(seconds=20))
    schedule = attrs.evolve(job.schedule, trigger=trigger)
    return attrs.evolve(job, schedule=schedule, next_due=schedule.next_after(instant))


@pytest.mark.parametrize(
    ("change", "dues"),
    [
        (lambda world, job: world.write(commands.remove, job.id, world.ids, world.now), []),
        (lambda world, job: world.pause(job, told=False), []),
        (lambda world, job: world.write(commands.change, job.id, None, world.ids, world.now, _later), []),
        (
            lambda world, job: world.write(commands.change, job.id, None, world.ids, world.now, _sooner),
            [81, 101, 121, 141, 161, 181],
        ),
    ],
    ids=["removed", "paused", "later", "sooner"],
)
def test_a_loop_between_dues_follows_what_becomes_of_its_job(
    world: World, loops: list[CountedLoop], change: Callable[[World, Job], object], dues: list[float]
) -> None:
    job = world.add(every(60))
    world.walk(61)
    change(world, job)  # without a poke: as if another node had done it
    world.walk(130)
    assert punctual(world, [60, *dues])
    assert any(loop.running for loop in loops) == bool(dues)
    assert len(world.clock.getDelayedCalls()) == 1 + bool(dues)


def test_a_loop_whose_due_another_node_took_goes_on(world: World, loops: list[CountedLoop]) -> None:
    job = world.add(every(60, policy=Policy(overlap="allow")))
    world.walk(61)
    other = attrs.evolve(_claimant(world), now=at(120))
    world.walk(58.5)
    world.clock.walk(0.5005)  # past the due, not yet at its beat
    world.write(claims.claim, other, [job.id])
    world.walk(65)
    assert [run.due for run in world.record(job)] == [at(60), at(120), at(180)]
    assert [run.due for run in world.starts] == [at(60), at(180)]
    assert [(loop.starts, loop.beats) for loop in loops] == [(1, 3)]


def test_a_loop_whose_claim_is_under_way_during_a_sweep_goes_on(world: World, loops: list[CountedLoop]) -> None:
    world.add(every(58))
    world.walk(60)
    world.walk(55.9)
    world.writers.holding = True  # the claim is through, and its answer under way
    world.walk(2 * SWEEP)
    world.writers.release()
    world.walk(58)
    assert [due for due, _ in started(world)] == [58, 116, 174]
    assert [(loop.starts, loop.beats) for loop in loops] == [(1, 3)]


def test_after_a_clock_step_only_jobs_due_soon_have_a_loop(world: World, loops: list[CountedLoop]) -> None:
    world.add(every(60))
    world.walk(61)
    world.step(-40)
    assert not any(loop.running for loop in loops)
    assert len(world.clock.getDelayedCalls()) == 1
    world.walk(160)
    assert punctual(world, [60, 120, 180])


# The store is slow, or gone


def test_a_sweep_that_fails_is_told_and_made_again(world: World) -> None:
    world.walk(1)
    world.readers.broken = Unavailable("the disk is full")
    with capturedLogs() as logs:
        world.walk(SWEEP)
    assert [formatEvent(event) for event in logs] == [
        "the store could not be swept, trying again in 5.0 s: the disk is full"
    ]
    world.readers.broken = None
    world.add(once(17))  # too late for a wake-up
    world.walk(3 * SWEEP)
    assert punctual(world, [17])


def test_a_claim_that_fails_is_made_again_by_the_sweep(world: World) -> None:
    world.add(once(6))
    world.walk(5.5)
    world.writers.broken = Unavailable("the disk is full")
    with capturedLogs() as logs:
        world.walk(1)
    assert len(logs) == 1
    assert world.starts == []
    world.writers.broken = None
    world.walk(SWEEP)
    assert [due for due, _ in started(world)] == [6]


def test_a_sweep_older_than_a_claim_does_not_undo_its_arming(world: World) -> None:
    world.add(every(1))
    world.add(cron("* * * * * *"))
    world.walk(1.5)
    world.readers.holding = True
    world.walk(4.2)  # the sweep at 5 s has read, and its answer is under way while 1 s passes
    world.readers.release()
    world.walk(SWEEP - 0.1)
    record = world.record()
    assert {run.state for run in record} <= {"succeeded", "running"}
    assert [run.due for run in record] == [at(second) for second in range(1, 11) for _ in range(2)]
    assert all(0 <= moment - due <= SOON for due, moment in started(world))


def test_crossing_sweeps_keep_the_job_that_only_the_later_saw(world: World) -> None:
    world.walk(4.9)
    world.readers.holding = True
    world.walk(0.2)
    early, world.readers.held = world.readers.held, []
    world.add(once(6))
    world.walk(0.1)
    late, world.readers.held = world.readers.held, []
    world.readers.holding = False
    for on_result, success, result in [*late, *early]:
        on_result(success, result)
    world.walk(3)
    assert punctual(world, [6])


def test_dues_that_come_during_a_claim_are_claimed_next(world: World) -> None:
    world.add(once(6))
    world.add(once(6.5))
    world.walk(5.5)
    world.writers.holding = True
    world.walk(1.5)
    assert world.starts == []
    world.writers.release()
    world.walk(SOON)
    assert [due for due, _ in started(world)] == [6, 6.5]


# The end


def test_it_stops_when_the_claim_and_its_runs_are_handed_over(world: World) -> None:
    world.add(once(6))
    world.walk(5.5)
    world.writers.holding = True
    world.walk(1)
    stopped: list[None] = []
    world.scheduler.stopService().addCallback(stopped.append)
    world.clock.advance(1)
    assert not stopped
    world.writers.release()
    assert len(stopped) == 1
    assert len(world.starts) == 1
    assert not world.clock.getDelayedCalls()
    world.end(world.starts[0].id)


def test_it_stops_when_the_sweep_is_through_and_arms_nothing(world: World) -> None:
    world.add(once(16))
    world.walk(8)
    world.readers.holding = True
    world.walk(3)
    stopped: list[None] = []
    world.scheduler.stopService().addCallback(stopped.append)
    world.clock.advance(0)
    assert not stopped
    world.readers.release()
    assert len(stopped) == 1
    assert not world.clock.getDelayedCalls()
    world.clock.advance(60)
    assert world.starts == []


def test_a_stopped_scheduler_is_woken_by_nothing(world: World) -> None:
    world.add(every(1))
    world.walk(1.5)
    world.stop()
    world.scheduler.wake(None)
    world.scheduler.slots_free()
    world.scheduler.start_waiting()
    world.scheduler.clock_stepped()
    assert not world.clock.getDelayedCalls()


# Slots


def test_runs_wait_for_a_free_slot_and_start_oldest_first(world: World) -> None:
    world.most = 1
    world.lasts = lambda: 100.0
    jobs = [world.add(once(6 + number / 10)) for number in range(4)]
    world.walk(8)
    assert [run.state for run in world.record()] == ["running", "waiting", "waiting", "waiting"]
    for _ in range(4):
        world.end(world.starts[-1].id)
    assert [run.job_id for run in world.starts] == [job.id for job in jobs]
    assert [run.state for run in world.record()] == ["succeeded"] * 4


def test_one_end_frees_one_slot(world: World) -> None:
    world.most = 2
    world.lasts = lambda: 100.0
    for _ in range(5):
        world.add(once(6))
    world.walk(7)
    assert len(world.starts) == 2
    world.end(world.starts[0].id)
    assert len(world.starts) == 3


def test_dues_of_one_second_start_in_order_however_many(world: World) -> None:
    world.most = 5
    world.lasts = lambda: 0.01
    moments = [6 + (number * 7 % 40) / 100 for number in range(40)]
    for moment in moments:
        world.add(once(moment))
    world.jump(8)  # all of them are late, and come at once
    world.walk(5)
    assert [due for due, _ in started(world)] == [pytest.approx(moment) for moment in sorted(moments)]


def test_a_slot_is_used_before_the_store_knows_what_freed_it(world: World) -> None:
    world.most = 1
    world.lasts = lambda: 100.0
    first, second = world.add(once(1)), world.add(once(2))
    world.walk(3)
    assert [run.job_id for run in world.starts] == [first.id]
    over = world.starts[0]
    del world.active[over.id], world.ends[over.id]
    world.scheduler.slot_free()
    world.clock.advance(0)
    assert [run.job_id for run in world.starts] == [first.id, second.id]
    assert present(world.read(run_rows.get, over.id)).state == "running", "the store does not know yet"


def test_without_a_slot_nothing_is_claimed_for_those_that_wait(world: World) -> None:
    world.most = 1
    world.lasts = lambda: 100.0
    world.add(once(1))
    world.add(once(2))
    world.walk(3)
    with patch.object(world.store.claims, "claim") as claim:
        world.scheduler.start_waiting()
        world.clock.advance(0)
    assert not claim.called


def test_a_run_that_waits_for_its_time_starts_at_its_time(world: World) -> None:
    job = world.add(every(3600, policy=Policy(retries=1, retry_delay=timedelta(seconds=12)), start=at(1)))
    world.lasts = lambda: 100.0
    world.walk(2)
    world.end(world.starts[0].id, "failed")
    world.scheduler.slots_free(again=True)
    world.walk(60)
    retry = world.starts[1]
    assert (retry.due, retry.attempt, retry.job_id) == (at(1), 2, job.id)
    assert retry.not_before is not None
    assert timedelta(0) <= present(retry.started) - present(retry.not_before) <= timedelta(seconds=SOON)


# Overlap


def overlapping(world: World, **policy: Any) -> Job:
    job = world.add(every(2, policy=Policy(**policy)))
    world.lasts = lambda: 100.0
    world.walk(6.5)
    return job


def states(world: World) -> list[str]:
    return [run.state for run in world.record()]


def test_skip_leaves_the_active_run_alone_and_records_the_dues(world: World) -> None:
    overlapping(world, overlap="skip")
    assert [(run.state, run.count) for run in world.record()] == [("running", 1), ("skipped", 2)]


def test_queue_lets_one_run_wait_and_starts_it_after_the_active(world: World) -> None:
    overlapping(world, overlap="queue")
    assert states(world) == ["running", "waiting", "skipped"]
    world.end(world.starts[0].id)
    assert states(world) == ["succeeded", "running", "skipped"]


def test_replace_starts_the_new_run_when_the_old_is_dead(world: World) -> None:
    world.add(every(2, policy=Policy(overlap="replace")))
    world.lasts = lambda: 100.0
    world.walk(4.02)
    assert states(world) == ["running", "waiting"]
    world.walk(0.1)
    assert states(world) == ["succeeded", "running"]


def test_replace_drops_a_run_that_only_waited_to_replace(world: World) -> None:
    job = world.add(every(2, policy=Policy(overlap="replace")))
    world.lasts = lambda: 100.0
    world.walk(3.9)
    world.replaced_die = False
    world.walk(2.5)
    assert states(world) == ["running", "skipped", "waiting"]
    world.end(world.starts[0].id)
    assert [run.due for run in world.starts] == [at(2), at(6)]
    assert job.id == world.starts[1].job_id


def test_allow_starts_runs_beside_each_other(world: World) -> None:
    overlapping(world, overlap="allow")
    assert states(world) == ["running", "running", "running"]


# The wall clock is stepped


def test_after_a_step_ahead_what_became_due_is_decided_at_once(world: World) -> None:
    job = world.add(every(60))
    world.walk(61)
    world.step(3600)
    world.walk(0.1)
    record = [(run.due, run.count, run.state) for run in world.record(job)]
    assert record == [(at(60), 1, "succeeded"), (at(120), 59, "missed"), (at(3660), 1, "running")]


@pytest.mark.slow
def test_after_a_step_back_nothing_runs_twice(world: World) -> None:
    world.add(every(60))
    world.walk(125)
    world.step(-3600)
    world.walk(3590)
    assert [due for due, _ in started(world)] == [60, 120]
    world.walk(70)
    assert punctual(world, [60, 120, 180])


def test_after_a_step_back_a_new_job_runs_at_its_dues(world: World) -> None:
    world.walk(60)
    world.step(-3600)
    world.add(every(10, policy=Policy(catch_up="none")))
    world.walk(35)
    assert [run.state for run in world.record()] == ["succeeded"] * 3


def test_after_a_step_back_an_old_wakeup_stops_no_later_one(world: World) -> None:
    world.walk(6)
    world.scheduler.wake(None)
    world.step(-3600)
    world.add(every(0.5))
    world.walk(1.2)
    assert len(world.starts) == 2


def test_a_step_during_a_sweep_leaves_one_sweep_going(world: World) -> None:
    world.walk(4)
    world.readers.holding = True
    world.walk(1.5)
    world.step(-3600)
    world.readers.release()
    world.walk(SWEEP * 3)
    assert len(world.clock.getDelayedCalls()) == 1


def test_a_step_while_stopped_starts_nothing(world: World) -> None:
    world.stop()
    world.scheduler.clock_stepped()
    assert not world.clock.getDelayedCalls()


# Downtime


def test_what_passed_while_down_is_recorded_and_the_newest_run(world: World) -> None:
    job = world.add(every(60))
    world.walk(61)
    world.restart(600, cleanly=True)
    world.walk(0.1)
    record = [(run.due, run.until, run.count, run.state) for run in world.record(job)]
    assert record == [
        (at(60), None, 1, "succeeded"),
        (at(120), at(600), 9, "missed"),
        (at(660), None, 1, "running"),
    ]


def test_without_catch_up_what_passed_in_a_stall_does_not_run(world: World) -> None:
    job = world.add(every(10, policy=Policy(catch_up="none", misfire_grace=None)))
    world.walk(11)
    with capturedLogs() as logs:
        world.jump(28)
    assert formatEvent(logs[0]).startswith("nothing could be scheduled here from ")
    record = [(run.due, run.count, run.state) for run in world.record(job)]
    assert record == [(at(10), 1, "succeeded"), (at(20), 2, "missed")]
    world.walk(2)
    assert world.starts[-1].due == at(40)


def test_a_run_that_was_interrupted_does_not_start_again(world: World) -> None:
    job = world.add(every(3600, start=at(10)))
    world.lasts = lambda: 1000.0
    world.walk(11)
    world.restart(100, cleanly=False)
    world.walk(60)
    assert [run.state for run in world.record(job)] == ["lost"]
    assert len(world.starts) == 1


def test_a_run_that_waited_at_a_daemons_death_is_started_later(world: World) -> None:
    world.most = 0
    world.add(once(6))
    world.walk(7)
    world.most = 1
    world.restart(100, cleanly=False)
    world.walk(0.1)
    assert [due for due, _ in started(world)] == [6]


def test_what_was_left_behind_is_not_left_behind_twice(world: World) -> None:
    world.lasts = lambda: 1000.0
    world.add(once(6))
    world.walk(7)
    world.restart(1, cleanly=False)
    assert world.read(run_rows.left_behind, "anybody") == []


# While no daemon ran


def test_dues_without_a_daemon_say_so_and_the_log_once(tmp_path: Path, empty: Path) -> None:
    world = World.new(tmp_path, empty, signs=True)
    grace = Policy(misfire_grace=timedelta(seconds=1))
    often, rare = world.add(every(2, policy=grace)), world.add(every(50, policy=grace))
    calm = world.add(every(7200))
    world.walk(10.5)
    with capturedLogs() as logs:
        world.restart(590, cleanly=False)
        world.walk(20)
        said = [formatEvent(event) for event in logs if event["log_level"].name == "warn"]
    words = "no daemon ran from 2024-01-01T00:00:10Z until 2024-01-01T00:10:00Z (9 min 50 s)"
    assert said == [f"{words}: 305 dues of 2 jobs were missed"]
    assert {run.reason for job in (often, rare) for run in world.record(job) if run.state == "missed"} == {words}
    assert world.record(calm) == []
    with capturedLogs() as logs:
        world.restart(1.2, cleanly=True)
        world.walk(20)
    assert [formatEvent(event) for event in logs if "missed" in formatEvent(event)] == []
    world.stop()


def test_dues_while_the_machine_slept_say_from_when_to_when(world: World) -> None:
    job = world.add(every(2, policy=Policy(misfire_grace=timedelta(seconds=1))))
    world.walk(10.5)
    world.jump(100)
    world.walk(5)
    (missed,) = [run for run in world.record(job) if run.state == "missed"]
    assert re.fullmatch(
        r"nothing could be scheduled from 2024-01-01T00:00:\d\dZ until 2024-01-01T00:01:50Z \(1 min .*\)", missed.reason
    )
