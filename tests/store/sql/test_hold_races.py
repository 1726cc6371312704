"""A hold that is made while nodes claim: a claim that commits after the answer starts nothing, on each database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Event

import attrs
import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults

from jobsched.model.caller import ANYBODY
from jobsched.model.claim import Claimant, Claimed
from jobsched.model.hold import Hold
from jobsched.model.ids import Ids
from jobsched.model.job import Job, Policy
from jobsched.model.trigger import Interval, Schedule
from jobsched.store.sql import claims, holds, jobs
from jobsched.store.sql.store import Store
from jobsched.store.sql.transaction import Transaction

START = datetime(2030, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
FAR = START + timedelta(days=1)

pytestmark = pytest.mark.usefixtures("told_time")
servers_only = pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)


def a_job(number: int) -> Job:
    job_id = f"job{number:03}"
    schedule = Schedule(trigger=Interval(start=START, every=SECOND), salt=job_id)
    return Job(
        id=job_id, name=job_id, task="example", schedule=schedule, policy=Policy(overlap="allow"), next_due=START,
        created=START, updated=START,
    )  # fmt: skip


def claimant(number: int, now: datetime) -> Claimant:
    return Claimant(node=f"n{number}", node_id=f"node{number}", now=now, able_since=START, slots=100, ids=Ids())


def put(store: Store, now: datetime, until: datetime = FAR) -> Deferred[object]:
    wanted = Hold(by="alice", at=now, until=until)
    return store.write(holds.put, wanted, None, True, "", ANYBODY)


def release(store: Store, now: datetime) -> Deferred[object]:
    return store.write(holds.release, None, now, "", ANYBODY)


async def connected(open_store: Callable[[], Store], count: int) -> list[Store]:
    """Stores that need not connect first, which takes longer than what is waited for."""
    stores = [open_store() for _ in range(count)]
    for store in stores:
        await store.write(holds.last)
    return stores


async def some_time(store: Store) -> None:
    """As long as dozens of changes take, each of which would be enough for one that does not wait."""
    for _ in range(50):
        await store.write(holds.last)


@pytest_twisted.ensureDeferred
async def test_no_claim_that_ends_after_the_answer_starts_anything(open_store: Callable[[], Store], kind: str) -> None:
    """Two nodes claim as fast as they can, while a third holds and releases."""
    stores = [open_store() for _ in range(3)] if kind != "sqlite" else [open_store()] * 3
    ids = [f"job{number:03}" for number in range(10)]
    await stores[0].write(jobs.add, [a_job(number) for number in range(10)])
    late: list[str] = []
    held = 0  # the number of the hold that is in force
    over = False
    moment = START
    started = 0

    def heard(claimed: Claimed, begun_held: int) -> None:
        nonlocal started
        started += len(claimed.started)
        if begun_held and begun_held == held:  # it was asked for after the answer
            late.extend(run.id for run in claimed.started)

    async def claims_of(number: int) -> None:
        while not over:
            begun_held = held
            claimed = await stores[number].write(claims.claim, claimant(number, moment), ids)
            heard(claimed, begun_held)

    nodes = [Deferred.fromCoroutine(claims_of(number)) for number in (0, 1)]
    for number in range(1, 16):
        moment += SECOND
        await put(stores[2], moment)
        held = number
        at_answer = started
        moment += SECOND
        await gatherResults([stores[2].write(claims.claim, claimant(2, moment), ids) for _ in range(2)])
        await stores[2].read(holds.last)
        held = 0
        assert at_answer <= started
        await release(stores[2], moment)
    over = True
    await gatherResults(nodes)
    assert late == []
    assert started > 0


@servers_only
@pytest_twisted.ensureDeferred
async def test_a_hold_waits_for_the_claims_under_way(open_store: Callable[[], Store]) -> None:
    first, second, caller = await connected(open_store, 3)
    await first.write(jobs.add, [a_job(0), a_job(1)])
    claimed, go_on = Event(), Event()
    order: list[str] = []

    def slow(transaction: Transaction) -> Claimed:
        answer = claims.claim(transaction, claimant(0, START), ["job000"])
        claimed.set()
        go_on.wait(8)
        order.append("claimed")
        return answer

    under_way = first.write(slow)
    while not claimed.is_set():
        await second.read(holds.last)
    beside = await second.write(claims.claim, claimant(1, START), [])  # claims do not wait for each other
    answered = put(caller, START + SECOND).addCallback(lambda _: order.append("held"))
    await some_time(second)
    assert order == []
    go_on.set()
    await under_way
    await answered
    assert (order, beside.started) == (["claimed", "held"], ())
    later = await second.write(claims.claim, claimant(1, START + SECOND), ["job000", "job001"])
    assert (later.started, later.won) == ((), 2)


@servers_only
@pytest_twisted.ensureDeferred
async def test_a_claim_waits_for_a_hold_under_way_and_sees_it(open_store: Callable[[], Store]) -> None:
    caller, store = await connected(open_store, 2)
    await store.write(jobs.add, [a_job(0)])
    await store.write(claims.claim, claimant(1, START - SECOND), ["job000"])
    made, go_on = Event(), Event()

    def slow(transaction: Transaction) -> None:
        holds.put(transaction, Hold(by="alice", at=START), None, True, "", ANYBODY)
        made.set()
        go_on.wait(8)

    under_way = caller.write(slow)
    while not made.is_set():
        await store.read(holds.last)
    claim = store.write(claims.claim, claimant(1, START), ["job000"])
    await some_time(store)
    assert not claim.called
    go_on.set()
    await under_way
    assert (await claim).started == ()


@servers_only
@pytest_twisted.ensureDeferred
async def test_of_two_holds_that_are_made_at_once_one_is(open_store: Callable[[], Store]) -> None:
    stores = [open_store(), open_store()]
    answers = await gatherResults(
        [put(store, START).addCallbacks(lambda _: "held", lambda why: type(why.value).__name__) for store in stores]
    )
    assert sorted(answers) == ["OnHold", "held"]
    found = await stores[0].read(holds.last)
    assert found == attrs.evolve(Hold(by="alice", at=START, until=FAR), version=1)
