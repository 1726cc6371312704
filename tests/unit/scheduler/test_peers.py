"""A scheduler among other nodes: it lets those before it go first, and starts only what is certainly its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import attrs
import pytest
from twisted.internet.defer import Deferred, fail
from twisted.logger import capturedLogs, formatEvent

from jobsched.model.claim import Claimant
from jobsched.model.errors import Unavailable
from jobsched.model.job import Job, Policy
from jobsched.model.node import Node, claim_rank
from jobsched.scheduler.peers import STEP
from jobsched.store.sql import claims
from tests.unit.scheduler.world import T0, CountedLoop, World, every

SOON = 0.05  # seconds within which what is due has started


def started(world: World) -> list[float]:
    """The due of each start, in seconds since T0."""
    return [(run.due - T0).total_seconds() for run in world.starts]


@attrs.define
class Beside:
    """Peers: the tests say who is there, and whether this node may act."""

    world: World
    others: list[Node] = attrs.field(factory=list)
    may_act: bool = True
    tasks: tuple[str, ...] = ("task",)
    alone: bool = False
    downtime: None = None
    last_sign: None = None

    @property
    def node(self) -> Node:
        return Node(id=self.world.node_id, name="node", tasks=self.tasks, since=T0, seen=self.world.now)

    @property
    def alive(self) -> list[Node]:
        return [self.node, *self.others]

    def holds(self) -> bool:
        return self.may_act


def accompanied(world: World, *others: Node) -> Beside:
    """The world's scheduler, begun anew among these."""
    beside = Beside(world, list(others))
    world.stop()
    world.begin(beside)
    return beside


def other(number: int, tasks: tuple[str, ...] = ("task",)) -> Node:
    return Node(id=f"other{number}", name=f"other{number}", tasks=tasks, since=T0, seen=T0)


def turns(world: World, beside: Beside, job: Job) -> int:
    place = claim_rank(beside.alive, world.node_id, job.id, "task", {})
    assert place is not None
    return place


def test_a_node_waits_for_its_turn_and_takes_what_nobody_took(world: World) -> None:
    beside = accompanied(world, other(1), other(2))
    jobs = [world.add(every(7)) for _ in range(20)]
    world.walk(8.5)
    late = {run.job_id: (run.started or T0) - run.due for run in world.starts}
    for job in jobs:
        turn_at = turns(world, beside, job) * STEP
        assert turn_at <= late[job.id] <= turn_at + timedelta(seconds=SOON)
    assert len(set(late.values())) > 1, "it was not first for all of them"


def test_what_another_node_decided_in_its_turn_is_not_asked_for(world: World) -> None:
    beside = accompanied(world, other(1), other(2))
    jobs = [world.add(every(7, policy=Policy(overlap="allow"))) for _ in range(20)]
    later = {job.id for job in jobs if turns(world, beside, job) > 0}
    assert later
    world.walk(7.2)
    tried = world.scheduler.tried
    assert tried == len(jobs) - len(later), "those that it is first for"
    world.write(claims.claim, somebody(world), list(later))
    world.walk(6)
    assert world.scheduler.tried == tried, "it looked, and found them decided"
    assert later.isdisjoint(run.job_id for run in world.starts)
    world.walk(3)
    assert later <= {run.job_id for run in world.starts}, "and it aims at the next due"


def test_loops_go_on_where_another_decides_with_a_sweep_between(world: World, loops: list[CountedLoop]) -> None:
    beside = accompanied(world, other(1), other(2))
    world.walk(3.8)
    jobs = [world.add(every(61, policy=Policy(overlap="allow"))) for _ in range(20)]
    later = {job.id for job in jobs if turns(world, beside, job) > 0}
    world.walk(61)
    for _ in range(10):
        world.walk(0.1)
        world.write(claims.claim, somebody(world), list(later))
        world.walk(60.9)  # every fifth time a sweep comes before the turn of this node
    assert {run.job_id for run in world.starts} == {job.id for job in jobs} - later
    assert len(loops) == len(jobs), "one each"
    assert sorted((loop.starts, loop.beats) for loop in loops) == [(1, 10)] * (20 - len(later)) + [(2, 8)] * len(later)


def somebody(world: World) -> Claimant:
    return Claimant(node="other", node_id="other", now=world.now, able_since=world.now, slots=100, ids=world.ids)


def test_a_node_without_the_task_leaves_it_to_another(world: World) -> None:
    beside = accompanied(world, other(1))
    beside.tasks = ()
    world.add(every(5))
    world.walk(30)
    assert world.starts == []
    assert world.scheduler.tried == 0


def test_what_nobody_else_can_run_any_more_is_found(world: World) -> None:
    beside = accompanied(world, other(1), other(2))
    jobs = [world.add(every(7)) for _ in range(20)]
    assert any(turns(world, beside, job) > 0 for job in jobs)
    beside.others.clear()
    world.scheduler.wake()
    world.walk(7.5)
    assert len(world.starts) == len(jobs)
    assert all((run.started or T0) - run.due < timedelta(seconds=SOON) for run in world.starts), "nobody to wait for"


def test_a_node_that_may_not_act_claims_nothing_until_it_may(world: World) -> None:
    beside = accompanied(world)
    world.add(every(5))
    beside.may_act = False
    world.walk(22)
    assert world.starts == []
    assert world.record() == []
    beside.may_act = True
    world.scheduler.wake()
    world.walk(1)
    assert started(world) == [20]


def test_what_was_claimed_as_the_lease_was_lost_is_not_started(world: World) -> None:
    beside = accompanied(world)
    world.add(every(5))
    world.walk(4)
    world.writers.holding = True
    world.walk(2)
    beside.may_act = False  # frozen, say, until after the others could have declared it dead
    world.writers.holding = False
    world.writers.release()
    world.walk(1)
    assert world.starts == []
    assert [run.state for run in world.record()] == ["running"], "what declares nodes dead here will find it"


def test_a_claim_of_which_the_answer_was_lost_is_carried_out(world: World) -> None:
    accompanied(world)
    world.add(every(5))
    world.walk(4)
    with answers_lost(world):
        world.walk(1.3)
    assert world.starts == []
    assert [run.state for run in world.record()] == ["running"]
    with capturedLogs() as logs:
        world.walk(1)
    assert started(world) == [5]
    assert any("started now" in formatEvent(event) for event in logs)
    world.walk(5)
    assert started(world) == [5, 10], "once"


@contextmanager
def answers_lost(world: World) -> Iterator[None]:
    """Whatever is written is written, and nobody is told."""
    write = world.store.write

    def lose(*args: Any) -> Deferred[Any]:
        return write(*args).addCallback(lambda _: fail(Unavailable("it is not known whether the change was made")))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.store, "write", lose)
        yield


def test_a_run_that_ends_while_looked_for_is_not_started_again(world: World) -> None:
    world.lasts = lambda: 100
    accompanied(world)
    world.add(every(5))
    world.walk(4)
    with answers_lost(world):
        world.walk(1.3)
    world.walk(1)  # it was found and started
    (run,) = world.starts
    world.scheduler._reconciler.look_again()  # as after another claim that failed
    world.readers.holding = True
    world.scheduler.start_waiting()
    world.clock.advance(0)  # the look has seen it running
    world.end(run.id)
    world.readers.holding = False
    world.readers.release()
    world.walk(1)
    assert world.starts == [run]
