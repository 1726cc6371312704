"""Holds, in a scheduler with simulated time: it does not spin while one lasts, and goes on at its end."""

from __future__ import annotations

from jobsched.model.caller import ANYBODY
from jobsched.model.hold import Hold, Missed
from jobsched.model.job import Policy
from jobsched.store.sql import holds
from jobsched.store.sql import jobs as job_rows
from tests.unit.scheduler.world import T0, World, at, every

EVER = Policy(misfire_grace=None)


def hold(world: World, until: float, missed: Missed = "skip") -> None:
    wanted = Hold(by=None, at=world.now, until=at(until), missed=missed)
    world.write(holds.put, wanted, None, True, "", ANYBODY)


def starts(world: World) -> list[tuple[float, float]]:
    return [
        ((run.due - T0).total_seconds(), round((run.started - T0).total_seconds(), 2))
        for run in world.starts
        if run.started is not None
    ]


def test_a_due_at_the_end_of_a_hold_starts_at_its_instant(world: World) -> None:
    job = world.add(every(1))
    world.walk(1.5)
    hold(world, 20)  # as if by another node: nobody tells the scheduler
    world.walk(20)
    assert starts(world)[:3] == [(1, 1.0), (20, 20.0), (21, 21.0)]
    assert [(run.count, run.reason) for run in world.record(job) if run.state == "skipped"] == [
        (18, f"on hold until {at(20):%FT%TZ}")
    ]


def test_a_thousand_undecided_jobs_cost_a_sweep_nothing(world: World) -> None:
    many = [every(3).job(world.ids.make(world.now), world.now) for _ in range(1000)]
    world.write(job_rows.add, many)
    hold(world, 60, "catch_up")
    world.walk(11)  # two sweeps, of which the first may have armed what is due soon
    tried, written = world.scheduler.tried, world.writers.answered
    world.walk(45)
    assert (world.scheduler.tried, world.writers.answered, world.starts) == (tried, written, [])


def test_what_was_left_undecided_starts_when_it_is_over(world: World) -> None:
    world.add(every(30, policy=EVER))
    hold(world, 100, "catch_up")
    world.walk(99.9)
    assert world.starts == []
    world.walk(0.5)
    assert starts(world) == [(90, 100.0)]


def test_what_waits_starts_when_it_is_over(world: World) -> None:
    world.most = 0
    world.add(every(5))
    world.walk(6)
    assert [run.state for run in world.record()] == ["waiting"]
    hold(world, 33)
    world.most = 64
    world.walk(26)
    assert world.starts == []
    world.walk(1.5)
    assert starts(world)[0] == (5, 33.0)
