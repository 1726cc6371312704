"""Groups of orders on servers, where another transaction may keep one of them waiting."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Event

import pytest
import pytest_twisted
from sqlalchemy import event, select, text
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import deferToThread

from jobsched.model.caller import ANYBODY
from jobsched.model.errors import Unavailable
from jobsched.model.order import CreateJob, IdempotencyKey, Issued, Performed, RunJob
from jobsched.store.sql.store import Store
from jobsched.store.sql.tables import jobs
from jobsched.store.sql.transaction import Transaction
from tests import sql_commands as commands
from tests.store.samples import IDS, job, signature
from tests.store.sql.desk import job_count

KEY = IdempotencyKey(scope="/jobs", key="key", digest="same")


def order(store: Store, key: IdempotencyKey | None = None) -> Deferred[Performed[str]]:
    issued = Issued(signature=signature(0), caller=ANYBODY, node_id="here", ids=IDS)
    return store.for_callers.orders.perform(CreateJob(job=job(), key=key), issued)


@pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)
@pytest_twisted.ensureDeferred
async def test_orders_that_must_wait_keep_no_others_waiting(open_store: Callable[[], Store]) -> None:
    holder, store = open_store(), open_store()
    taken, done = Event(), Event()

    def hold(transaction: Transaction) -> str:
        found, _ = commands.add(transaction, job(), KEY)
        taken.set()
        done.wait(8)
        return found

    held = holder.write(hold)
    await deferToThread(taken.wait)
    waits = order(store, KEY)
    others = [order(store) for _ in range(3)]
    try:
        await gatherResults(others)
        assert not waits.called
    finally:
        done.set()
        first = await held
    assert (await waits).answer == first
    assert await store.read(job_count) == 4


@pytest_twisted.ensureDeferred
async def test_orders_that_come_at_once_share_commits(store: Store) -> None:
    commits: list[object] = []
    event.listen(store._engine, "commit", commits.append)
    await gatherResults([order(store) for _ in range(60)])
    assert await store.read(job_count) == 60
    assert 2 <= len(commits) <= 5, "the first alone, and the others with each other; a question is a commit too"


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
@pytest_twisted.ensureDeferred
async def test_a_full_disk_is_the_store_away_for_all(store: Store) -> None:
    """SQLite undoes the whole transaction then, and the savepoints in it are gone."""
    made = (await order(store)).answer

    def issued(number: int) -> Issued:
        return Issued(signature=signature(number), caller=ANYBODY, node_id="here", ids=IDS)

    def full(transaction: Transaction) -> None:
        pages = transaction.execute(text("PRAGMA page_count")).scalar()
        transaction.execute(text(f"PRAGMA max_page_count = {pages}"))

    async def fill() -> None:
        for number in range(1, 500):
            await store.for_callers.orders.perform(RunJob(job_id=made), issued(number))

    await store.write(full)
    with pytest.raises(Unavailable, match="disk is full"):
        await fill()


@pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)
@pytest.mark.parametrize("inside", [Transaction.apart, Transaction.undone])
@pytest_twisted.ensureDeferred
async def test_a_deadlock_behind_a_savepoint_is_tried_again(
    store: Store, inside: Callable[[Transaction], AbstractContextManager[None]]
) -> None:
    """MariaDB undoes the whole transaction then, and the savepoints in it are gone."""
    one, other = [(await order(store)).answer for _ in range(2)]
    here, there = Event(), Event()

    def hold(transaction: Transaction, job_id: str) -> None:
        transaction.execute(select(jobs.c.id).where(jobs.c.id == job_id).with_for_update()).one()

    def crossing(transaction: Transaction, mine: Event, theirs: Event, ids: list[str]) -> str:
        with inside(transaction):
            hold(transaction, ids[0])
            mine.set()
            theirs.wait(30)
            hold(transaction, ids[1])
        return "done"

    both = [
        store.write(crossing, here, there, [one, other]),
        store.write(crossing, there, here, [other, one]),
    ]
    assert await gatherResults(both) == ["done", "done"]
