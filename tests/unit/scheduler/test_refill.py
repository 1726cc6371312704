"""When waiting runs are claimed as slots become free."""

from __future__ import annotations

from unittest.mock import Mock

import pytest
from twisted.internet.task import Clock

from jobsched.scheduler.reconcile import RunnerPort
from jobsched.scheduler.refill import GATHER, Refill

MOST = 8


class World:
    """A runner whose slots the test frees, and how often a claim was asked for."""

    def __init__(self) -> None:
        self.clock, self.active, self.claims = Clock(), MOST, 0
        port = RunnerPort(
            slots=lambda: MOST - self.active,
            active=lambda: self.active,
            start=Mock(),
            replace=Mock(),
            known=Mock(),
        )
        self.refill = Refill(self.clock, port, self.claim)
        self.refill.claimed(waiting=True, full=True)

    def claim(self) -> None:
        self.claims += 1

    def end(self, *, stored: bool) -> None:
        self.active -= 1
        self.refill.look(stored=stored)


@pytest.fixture
def world() -> World:
    return World()


def test_a_few_slots_gather_for_a_moment(world: World) -> None:
    for _ in range(3):
        world.end(stored=False)
        assert world.claims == 0
    world.clock.advance(GATHER)
    assert world.claims == 1
    assert world.clock.getDelayedCalls() == []


def test_half_of_all_slots_are_claimed_at_once(world: World) -> None:
    for _ in range(MOST // 2):
        world.end(stored=False)
    assert world.claims == 1
    assert world.clock.getDelayedCalls() == [], "what gathered is claimed"


def test_the_only_slot_is_claimed_before_the_store_knows(world: World) -> None:
    world.active = 1
    world.end(stored=False)
    assert world.claims == 1


def test_what_waits_for_a_run_is_claimed_when_that_is_stored(world: World) -> None:
    world.refill.claimed(waiting=True, full=False)
    world.end(stored=False)
    assert world.claims == 0
    world.refill.look()
    assert world.claims == 1


def test_where_nothing_waits_nothing_is_claimed(world: World) -> None:
    world.refill.claimed(waiting=False, full=True)
    world.end(stored=True)
    assert (world.claims, world.clock.getDelayedCalls()) == (0, [])


def test_without_a_slot_nothing_is_claimed(world: World) -> None:
    world.refill.look()
    assert (world.claims, world.clock.getDelayedCalls()) == (0, [])


def test_at_the_end_nothing_is_claimed(world: World) -> None:
    world.end(stored=False)
    world.refill.cancel()
    assert world.clock.getDelayedCalls() == []
