"""Pauses that end by themselves, in a scheduler with simulated time."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import fail
from twisted.logger import capturedLogs, formatEvent

from tests.unit.scheduler.world import T0, World, at, every


def starts(world: World) -> list[tuple[float, float]]:
    """Due, and how much later it was claimed, in seconds."""
    return [
        ((run.due - T0).total_seconds(), round((run.started - run.due).total_seconds(), 2))
        for run in world.starts
        if run.started is not None
    ]


@pytest.mark.parametrize("until", [7, 33, 600])
def test_a_due_at_the_end_starts_at_its_instant(world: World, until: int) -> None:
    job = world.add(every(1))
    world.walk(2.5)
    world.pause(job, at(until), "why")
    world.walk(until)
    dues = [due for due, _ in starts(world)]
    assert dues == [1, 2, *range(until, until + 3)]
    assert all(late <= 0.01 for _, late in starts(world))
    assert [(run.count, run.reason) for run in world.record(job) if run.state == "skipped"] == [
        (until - 3, f"paused until {at(until):%FT%TZ}: why")
    ]


def test_an_end_that_another_node_set_is_found_by_a_sweep(world: World) -> None:
    job = world.add(every(1))
    world.walk(0.5)
    world.pause(job, at(20), told=False)
    world.walk(20)
    assert starts(world) == [(20, 0.0)]


def test_an_end_that_was_changed_does_not_count(world: World) -> None:
    longer, resumed = world.add(every(1)), world.add(every(1))
    for job in (longer, resumed):
        world.pause(job, at(5))
    world.walk(1.5)
    world.pause(longer, at(9))
    world.resume(resumed)
    world.walk(8)
    assert [due for due, _ in starts(world)] == [2, 3, 4, 5, 6, 7, 8, 9, 9]


def test_after_the_clock_was_set_an_end_is_found_at_its_instant(world: World) -> None:
    job = world.add(every(1))
    world.pause(job, at(100))
    world.walk(1)
    world.step(90)
    world.walk(9.5)
    assert starts(world) == [(100, 0.0)]


def test_a_pause_that_cannot_be_ended_harms_no_other_job(world: World, monkeypatch: Any) -> None:
    paused = world.add(every(100))
    world.pause(paused, at(4))
    monkeypatch.setattr(world.store.jobs, "end_pauses", lambda *_: fail(ValueError("a fault")))
    with capturedLogs() as logs:
        world.walk(1)
        world.add(every(5))
        world.walk(20.5)
    told = [formatEvent(event) for event in logs]
    assert told == ["pauses that are over could not be ended, trying again in 5 s: a fault"]
    assert [due for due, _ in starts(world)] == [6, 11, 16, 21]
    monkeypatch.undo()
    world.walk(10)
    ended = world.job(paused)
    assert ended is not None
    assert not ended.paused
