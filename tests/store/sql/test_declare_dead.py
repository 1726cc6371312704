"""Two that declare nodes dead, in the middle of a transaction."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

import pytest
import pytest_twisted

from jobsched.model.membership import Heartbeat
from jobsched.model.run import Run
from jobsched.store.sql import dead_nodes
from jobsched.store.sql import nodes as node_rows
from jobsched.store.sql.store import Store
from jobsched.store.sql.transaction import Transaction
from tests import sql_commands as commands
from tests.store.samples import IDS, at, node, run
from tests.store.sql.desk import SqlDesk
from tests.store.telling import telling
from tests.store.test_declare_dead import WHY, declare_dead, servers_only, waiting

pytestmark = pytest.mark.usefixtures("told_time")


def heartbeat(name: str) -> Heartbeat:
    return Heartbeat(id=f"id of {name}", tasks=["task"], running=0, slots=1, tried=0, won=0)


@servers_only
@pytest_twisted.ensureDeferred
async def test_the_one_that_declares_dead_holds_up_nobody_and_tells(
    open_store: Callable[[], Store], store_url: str
) -> None:
    holder, store = open_store(), open_store()
    desk = SqlDesk.at(store_url)
    desk.know(node("late"), node("living", seen=at(100)))
    desk.insert(run(1, node_id="id of late"), waiting(2, "nowhere"))
    taken, done = Event(), Event()

    def hold(transaction: Transaction) -> list[Run]:
        declared_dead = dead_nodes.declare_dead(transaction, [], WHY, IDS, lambda: 0.0, at(100))
        taken.set()
        done.wait(8)
        return declared_dead

    held = holder.write(hold)
    try:
        assert taken.wait(60)
        assert await store.write(dead_nodes.declare_dead, [], WHY, IDS, lambda: 0.0, at(100)) == []
        assert (await store.write(node_rows.beat, heartbeat("living"), at(101))).renewed
        assert not held.called, "neither waits for it"
        late = store.write(node_rows.beat, heartbeat("late"), at(101))
    finally:
        done.set()
    assert len(await held) == 2
    assert not (await late).renewed
    assert sorted(desk.states()) == ["lost", "missed"]
    desk.close()


@servers_only
@pytest_twisted.ensureDeferred
async def test_a_job_in_hand_is_declared_dead_later_without_a_wait(
    open_store: Callable[[], Store], store_url: str
) -> None:
    """Who has the job's row in hand will want its runs next: each would wait for the other."""
    holder, store = open_store(), open_store()
    desk = SqlDesk.at(store_url)
    desk.know(node("late"))
    desk.add(one := telling(next_due=None), other := telling(next_due=None))
    desk.insert(*(run(1, job_id=each.id, node_id="id of late") for each in (one, other)))
    desk.insert(waiting(2, "nowhere", job_id=one.id), waiting(3, "nowhere", job_id=other.id))
    taken, done = Event(), Event()

    def hold(transaction: Transaction) -> None:
        commands.held(transaction, one.id)
        taken.set()
        done.wait(8)
        commands.remove(transaction, one.id, IDS, at(100), "cancelled")

    held = holder.write(hold)
    try:
        assert taken.wait(60)
        declared_dead = await store.write(dead_nodes.declare_dead, [], WHY, IDS, lambda: 0.0, at(100))
        assert not held.called
        assert [each.job_id for each in declared_dead] == [other.id, other.id]
    finally:
        done.set()
    await held
    assert [each.reason for each in declare_dead(desk, 101)] == [f"cancelled; {WHY}"]
    assert sorted(desk.states()) == ["cancelled", "cancelled", "lost", "missed"]
    desk.close()


@servers_only
@pytest_twisted.ensureDeferred
async def test_a_node_that_renews_at_this_moment_is_not_declared_dead(
    open_store: Callable[[], Store], store_url: str
) -> None:
    holder, store = open_store(), open_store()
    desk = SqlDesk.at(store_url)
    desk.know(node("late"))
    desk.insert(run(1, node_id="id of late"))
    taken, done = Event(), Event()

    def hold(transaction: Transaction) -> bool:
        snapshot = node_rows.beat(transaction, heartbeat("late"), at(100))
        taken.set()
        done.wait(8)
        return snapshot.renewed

    held = holder.write(hold)
    try:
        assert taken.wait(60)
        assert await store.write(dead_nodes.declare_dead, [], WHY, IDS, lambda: 0.0, at(100)) == []
    finally:
        done.set()
    assert await held
    assert desk.ask(desk.store.nodes.declare_dead([], None, WHY, IDS, lambda: 0.0, at(110), None)) == []
    assert desk.states() == ["running"]
    desk.close()
