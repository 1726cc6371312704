"""Groups of orders on servers, where another transaction may keep one of them waiting."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

import pytest
import pytest_twisted
from sqlalchemy import event
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import deferToThread

from jobsched.model.caller import ANYBODY
from jobsched.model.order import CreateJob, IdempotencyKey, Issued, Performed
from jobsched.store.sql import commands
from jobsched.store.sql.store import Store
from jobsched.store.sql.transaction import Transaction
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
