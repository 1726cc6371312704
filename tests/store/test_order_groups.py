"""Orders that come at once share a transaction, and none of them notices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import attrs
import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import DeferredList, gatherResults

from jobsched.events import Events
from jobsched.model.audit import AuditFilter, Entry
from jobsched.model.caller import ANYBODY
from jobsched.model.errors import Busy, NotFound, Reused, Stale, Taken
from jobsched.model.job import JobFilter
from jobsched.model.labels import About, Label
from jobsched.model.order import (
    ChangeJob,
    CreateJob,
    DeleteJob,
    IdempotencyKey,
    Issued,
    Order,
    PauseJob,
    RunJob,
)
from jobsched.model.run import RunFilter
from jobsched.reactor_types import Reactor
from jobsched.store import opening
from jobsched.store.contract.store import Store
from tests.store.samples import IDS, T0, at, job, signature

LONGEST = 512  # orders that may wait


def issued(number: int = 0) -> Issued:
    return Issued(signature=signature(number), caller=ANYBODY, node_id="here", ids=IDS)


async def outcomes(store: Store, *orders: Order[Any]) -> list[Any]:
    """What each of these orders, that come at once, was answered or refused with. The first begins alone, and meanwhile
    the others gather."""
    perform = store.for_callers.orders.perform
    asked = [perform(order, issued(number)) for number, order in enumerate(orders)]
    found = await DeferredList(asked, consumeErrors=True)
    return [result.answer if went else getattr(result, "value", None) for went, result in found]


async def entries(store: Store, **only: Any) -> list[Entry]:
    found = await store.for_callers.audit.page(1000, None, AuditFilter(**only), 1 << 24)
    return list(reversed(found.values))


async def names(store: Store, **only: Any) -> list[str]:
    page = await store.for_callers.jobs.page(1000, "", JobFilter(**only), 1 << 24, T0)
    return [view.job.name for view in page.values]


def key(name: str, digest: str = "same") -> IdempotencyKey:
    return IdempotencyKey(scope="/jobs", key=name, digest=digest)


def word(job_id: str, **fields: Any) -> CreateJob:
    return CreateJob(job=job(id=job_id, name=job_id, **fields), chosen=True)


@pytest_twisted.ensureDeferred
async def test_many_at_once_are_all_made_in_their_order(store: Store) -> None:
    made = [job(name=str(number), made=number, about=About(labels={"n": str(number)})) for number in range(150)]
    assert await outcomes(store, *(CreateJob(job=each) for each in made)) == [each.id for each in made]
    assert await names(store) == [each.name for each in made]
    assert await names(store, labels=(Label("n", "77"),)) == ["77"]
    told = await entries(store)
    assert sorted((each.target, each.action) for each in told) == sorted((each.id, "job.create") for each in made)
    assert len({each.id for each in told}) == 150


@pytest_twisted.ensureDeferred
async def test_one_that_is_refused_leaves_its_neighbours(store: Store) -> None:
    await outcomes(store, word("taken"))
    asked = [CreateJob(job=job(name="a")), word("taken"), CreateJob(job=job(name="b")), word("new"), word("new")]
    a, taken, b, new, again, _ = await outcomes(store, *asked, CreateJob(job=job(name="c")))
    assert (type(taken), type(again), new) == (Taken, Taken, "new")
    assert sorted(await names(store)) == ["a", "b", "c", "new", "taken"]
    assert len(await entries(store)) == 5
    assert {a, b, "new"} < {each.target for each in await entries(store)}


@pytest_twisted.ensureDeferred
async def test_keys_within_a_group_make_one_job_each(store: Store) -> None:
    first, second, other = (CreateJob(job=job(name=name), key=key("k")) for name in "xyz")
    wrong = CreateJob(job=job(name="w"), key=key("k", "another"))
    begin, third = CreateJob(job=job(name="begin")), CreateJob(job=job(name="third"), key=key("3"))
    found = await outcomes(store, begin, first, second, wrong, third, other)
    assert found[1] == found[2] == found[5] == first.job.id
    assert isinstance(found[3], Reused)
    assert found[4] == third.job.id
    assert sorted(await names(store)) == ["begin", "third", "x"]
    assert len(await entries(store)) == 3
    again = [CreateJob(job=job(name="late"), key=key(name)) for name in ("k", "3")]
    assert await outcomes(store, *again) == [first.job.id, third.job.id]


@pytest_twisted.ensureDeferred
async def test_orders_of_all_kinds_keep_their_outcomes(store: Store) -> None:
    """Each is of a job of its own where it matters which is first: on a server they are not carried out in order."""
    jobs = [job(name=name) for name in "abce"]
    await outcomes(store, *(CreateJob(job=each) for each in jobs))
    a, b, c, e = (each.id for each in jobs)

    def renamed(job_id: str, *versions: int) -> ChangeJob:
        return ChangeJob(
            job_id=job_id, versions=frozenset(versions), revise=lambda before, _: attrs.evolve(before, name="renamed")
        )

    asked: Sequence[Order[Any]] = [
        PauseJob(job_id=c), renamed(a, 1), renamed(b, 7), CreateJob(job=job(name="d")), PauseJob(job_id="nowhere"),
        PauseJob(job_id=b, until=at(-1)), RunJob(job_id=a, key=key("run")), DeleteJob(job_id=e),
    ]  # fmt: skip
    paused, changed, stale, made, unknown, over, ran, deleted = await outcomes(store, *asked)
    assert (paused.job.paused, changed.job.name, deleted) == (True, "renamed", [])
    assert [type(each) for each in (stale, unknown)] == [Stale, NotFound]
    assert isinstance(over, ValueError)
    assert ran.run.job_id == a
    assert sorted(await names(store)) == ["b", "c", "d", "renamed"]
    told = [(each.target, each.action) for each in (await entries(store))[4:]]
    assert sorted(told, key=str) == sorted(
        [(c, "job.pause"), (a, "job.change"), (made, "job.create"), (ran.run.id, "run.start"), (e, "job.delete")],
        key=str,
    )


@pytest_twisted.ensureDeferred
async def test_what_the_database_refuses_is_the_one_alone(store: Store) -> None:
    there = job(name="there")
    asked = [CreateJob(job=each) for each in (job(name="first"), job(name="a"), there, there, job(name="b"))]
    *_, a, one, other, b = await outcomes(store, *asked)
    assert sorted(await names(store)) == ["a", "b", "first", "there"]
    assert sorted([isinstance(one, Exception), isinstance(other, Exception)]) == [False, True]
    assert (a, b) == (asked[1].job.id, asked[4].job.id)
    assert len(await entries(store)) == 4


@pytest_twisted.ensureDeferred
async def test_a_bug_in_one_order_is_its_own(store: Store) -> None:
    one = job(name="one")
    await outcomes(store, CreateJob(job=one))

    def broken(*_: object) -> Any:
        raise ZeroDivisionError

    wrong = ChangeJob(job_id=one.id, versions=None, revise=broken)
    _, made, failed, also = await outcomes(
        store, PauseJob(job_id=one.id), CreateJob(job=job(name="a")), wrong, CreateJob(job=job(name="b"))
    )
    assert isinstance(failed, ZeroDivisionError)
    assert sorted(await names(store)) == ["a", "b", "one"]
    assert isinstance(made, str)
    assert isinstance(also, str)


@pytest_twisted.ensureDeferred
async def test_an_order_given_up_before_its_turn_is_not_done(store: Store) -> None:
    perform = store.for_callers.orders.perform
    first, dropped, last = (perform(CreateJob(job=job(name=name)), issued()) for name in ("first", "dropped", "last"))
    dropped.addErrback(lambda _: None)
    dropped.cancel()
    await gatherResults([first, dropped, last])
    assert sorted(await names(store)) == ["first", "last"]


@pytest_twisted.ensureDeferred
async def test_too_many_that_wait_are_refused(store: Store) -> None:
    orders = [CreateJob(job=job(name=str(number))) for number in range(LONGEST + 1)]  # one of them is under way
    asked = [store.for_callers.orders.perform(order, issued()) for order in orders]
    with pytest.raises(Busy):
        store.for_callers.orders.perform(CreateJob(job=job()), issued())
    assert len(await gatherResults(asked)) == len(await names(store)) == LONGEST + 1


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
@pytest_twisted.ensureDeferred
async def test_what_is_stored_is_not_done_again_for_a_deaf_part(store_url: str) -> None:
    events = Events()

    def broken(_: object) -> None:
        raise ZeroDivisionError

    events.runs_ended.subscribe(broken)
    store = opening.open_store(cast(Reactor, reactor), store_url, events=events)
    store.startService()
    try:
        one = job(name="one")
        await outcomes(store, CreateJob(job=one))
        asked: list[Order[Any]] = [PauseJob(job_id=one.id), *(RunJob(job_id=one.id) for _ in range(3))]
        found = await outcomes(store, *asked)
        assert not [each for each in found if isinstance(each, Exception)]
        assert len(await store.for_callers.runs.page(100, None, RunFilter(job_id=one.id))) == 3
    finally:
        await store.stopService()
