"""Claims in MongoDB that meet what stands against them: a hold, a burial, an order on the same job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from jobsched.model.caller import ANYBODY
from jobsched.model.claim import Claimant
from jobsched.model.hold import Hold
from jobsched.model.job import Job, Policy
from jobsched.model.node import Node
from jobsched.model.order import DeleteJob, Issued, Order, PutHold
from jobsched.model.run import Run, RunFilter
from jobsched.reactor_types import Reactor
from jobsched.store.mongo import jobs
from jobsched.store.mongo.store import Store
from tests.store.samples import IDS, asks, claimant, job, node, signature

pytestmark = pytest.mark.mongodb

NODES = tuple(node(f"n{number}") for number in range(3))
MANY = 600  # so many jobs that what stands against their claims is done before all are claimed, on a busy machine too
OPEN = Policy(misfire_grace=None)  # their dues are long ago


async def begin(stores: Sequence[Store], most: int) -> list[Job]:
    """Each store has its node, and there are so many jobs that are due."""
    for store, each in zip(stores, NODES, strict=False):
        await store.nodes.join(each, [], None)
    made = [job(policy=OPEN) for _ in range(most)]
    await stores[0].write(jobs.add, made)
    return made


def who(own: Node) -> Claimant:
    return claimant(0, slots=100, **asks(own, *(each for each in NODES if each is not own)))


async def claim_all(store: Store, own: Node, some: Sequence[Job], done: Callable[[], bool] = lambda: False) -> None:
    """One after the other, as a node claims, with a little time for others between them; not many more once that is
    done which stands against them."""
    more = 5
    for each in some:
        await store.claims.claim(who(own), [each.id])
        await deferLater(cast(Reactor, reactor), 0.05)
        if done():
            more -= 1
            if not more:
                return


def give(store: Store, order: Order[Any]) -> Deferred[Any]:
    issued = Issued(signature=signature(0), caller=ANYBODY, node_id="", ids=IDS)
    return store.orders.perform(order, issued)


async def runs(store: Store, *states: Any) -> list[Run]:
    return await store.runs.page(1000, None, RunFilter(states=states))


@pytest_twisted.ensureDeferred
async def test_once_a_hold_is_confirmed_nothing_starts(open_store: Callable[[], Store]) -> None:
    stores = [open_store() for _ in range(3)]
    made, held = await begin(stores, MANY), list[bool]()
    claims = [
        Deferred.fromCoroutine(claim_all(store, own, made[place::3], lambda: bool(held)))
        for place, (store, own) in enumerate(zip(stores, NODES, strict=True))
    ]
    while len(await runs(stores[0], "running")) < 3:  # they are under way
        assert not any(each.called for each in claims), claims
    await give(stores[0], PutHold(hold=Hold(by="alice", at=made[0].created, missed="catch_up"), anew=True))
    started = await runs(stores[0], "running")
    held.append(True)
    await gatherResults(claims)
    assert await runs(stores[0], "running") == started
    assert 3 <= len(started) < MANY


@pytest_twisted.ensureDeferred
async def test_what_a_dead_node_claimed_is_lost(open_store: Callable[[], Store]) -> None:
    stores = [open_store() for _ in range(2)]
    made, dead = await begin(stores, MANY), list[bool]()
    claims = Deferred.fromCoroutine(claim_all(stores[1], NODES[1], made, lambda: bool(dead)))
    while not await runs(stores[0], "running"):
        assert not claims.called, claims
    await stores[0].nodes.declare_dead([NODES[1].id], None, "its node is gone", IDS, lambda: 0.0, made[0].created, None)
    dead.append(True)
    await claims
    assert await runs(stores[0], "running") == []
    assert 1 <= len(await runs(stores[0], "lost")) < MANY


@pytest_twisted.ensureDeferred
async def test_a_job_is_claimed_before_it_is_deleted_or_not(open_store: Callable[[], Store]) -> None:
    stores = [open_store() for _ in range(2)]
    made = await begin(stores, 8)
    deleted = [give(stores[0], DeleteJob(job_id=each.id)) for each in made]
    await gatherResults([Deferred.fromCoroutine(claim_all(stores[1], NODES[1], made)), *deleted])
    answered = {run.id for each in deleted for run in (await each).answer}
    assert {run.id for run in await runs(stores[0], "running")} == answered
    assert [view.job for view in await stores[0].jobs.some([each.id for each in made], made[0].created)] == []
