"""Several nodes, one store: a due is one node's, and nobody waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from threading import Event

import attrs
import pytest
import pytest_twisted
from sqlalchemy import func, select, text
from twisted.internet.defer import gatherResults
from twisted.internet.threads import deferToThread

from jobsched.model.claim import Claimant, Claimed
from jobsched.model.ids import Ids
from jobsched.model.job import Job, Pause, Policy
from jobsched.model.node import Node
from jobsched.model.order import IdempotencyKey
from jobsched.model.run import Run
from jobsched.model.trigger import Interval, Schedule
from jobsched.store.sql import claims, jobs, runs
from jobsched.store.sql.engine import connect
from jobsched.store.sql.store import Store
from jobsched.store.sql.tables import runs as runs_table
from jobsched.store.sql.transaction import Transaction
from tests import sql_commands as commands
from tests.store.sql.desk import job_count

START = datetime(2030, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)

pytestmark = pytest.mark.usefixtures("told_time")
servers_only = pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)


def a_job(number: int = 0) -> Job:
    """Due each second from START on; a run of it never stands in the way of the next."""
    job_id = f"job{number:03}"
    schedule = Schedule(trigger=Interval(start=START, every=SECOND), salt=job_id)
    return Job(
        id=job_id, name=job_id, task="example", schedule=schedule, policy=Policy(overlap="allow"), next_due=START,
        created=START, updated=START,
    )  # fmt: skip


def node(number: int, now: datetime, peers: Sequence[Node] = (), slots: int = 100) -> Claimant:
    return Claimant(
        node=f"n{number}", node_id=f"node{number}", now=now, able_since=START, slots=slots, ids=Ids(),
        peers=peers, alone=not peers,
    )  # fmt: skip


def some_nodes(count: int) -> list[Node]:
    return [
        Node(id=f"node{number}", name=f"n{number}", tasks=["example"], since=START, seen=START)
        for number in range(count)
    ]


def every_run(transaction: Transaction) -> list[Run]:
    return [runs.from_row(row) for row in transaction.execute(select(runs_table).order_by(runs_table.c.due))]


@pytest_twisted.ensureDeferred
async def test_of_two_nodes_that_claim_one_due_at_once_one_wins(open_store: Callable[[], Store], kind: str) -> None:
    stores = [open_store(), open_store()] if kind != "sqlite" else [open_store()] * 2
    await stores[0].write(jobs.add, [a_job()])
    wins = [0, 0]
    for number in range(200):
        now = START + number * SECOND
        order = (0, 1) if number % 2 else (1, 0)
        asked = [stores[one].write(claims.claim, node(one, now), ["job000"]) for one in order]
        said: list[Claimed] = await gatherResults(asked)
        started = [run for claimed in said for run in claimed.started]
        assert [run.due for run in started] == [now]
        wins[int(started[0].node_id == "node1")] += 1
    stored = await stores[0].read(every_run)
    assert [run.due for run in stored] == [START + number * SECOND for number in range(200)]
    assert {run.state for run in stored} == {"running"}
    assert sum(wins) == 200


@servers_only
@pytest_twisted.ensureDeferred
async def test_four_nodes_that_claim_fifty_jobs_start_each_due_once(open_store: Callable[[], Store]) -> None:
    stores = [open_store() for _ in range(4)]
    await stores[0].write(jobs.add, [a_job(number) for number in range(50)])
    ids = [f"job{number:03}" for number in range(50)]
    for number in range(10):
        now = START + number * SECOND
        asked = [store.write(claims.claim, node(one, now), ids) for one, store in enumerate(stores)]
        said: list[Claimed] = await gatherResults(asked)
        started = [run.job_id for claimed in said for run in claimed.started]
        assert sorted(started) == ids
    assert len(await stores[0].read(every_run)) == 500


@servers_only
@pytest_twisted.ensureDeferred
async def test_a_job_that_another_node_holds_is_left_out_at_once(open_store: Callable[[], Store]) -> None:
    holder, store = open_store(), open_store()
    await store.write(jobs.add, [a_job(0), a_job(1)])
    taken, done = Event(), Event()

    def hold(transaction: Transaction) -> None:
        jobs.lock_due(transaction, ["job000"], START)
        taken.set()
        done.wait(8)

    held = holder.write(hold)
    try:
        while not taken.is_set():
            time.sleep(0.01)
        claimed = await store.write(claims.claim, node(1, START), ["job000", "job001"])
        assert not held.called
        assert [run.job_id for run in claimed.started] == ["job001"]
    finally:
        done.set()
        await held
    claimed = await store.write(claims.claim, node(1, START), ["job000", "job001"])
    assert [run.job_id for run in claimed.started] == ["job000"]


@servers_only
@pytest_twisted.ensureDeferred
async def test_runs_that_wait_are_started_once_and_not_waited_for(open_store: Callable[[], Store]) -> None:
    stores = [open_store() for _ in range(3)]
    ids = Ids()
    quiet = [attrs.evolve(a_job(number), next_due=None) for number in range(20)]
    await stores[0].write(jobs.add, quiet)
    for job in quiet:
        await stores[0].write(commands.run_now, job.id, None, ids, START)
    asked = [store.write(claims.claim, node(one, START), []) for one, store in enumerate(stores)]
    said: list[Claimed] = await gatherResults(asked)
    started = [run for claimed in said for run in claimed.started]
    assert sorted(run.job_id for run in started) == [job.id for job in quiet]
    stored = {run.id: run.node_id for run in await stores[0].read(every_run)}
    assert stored == {run.id: run.node_id for run in started}


@servers_only
@pytest_twisted.ensureDeferred
async def test_nodes_that_decide_for_all_at_once_get_one_run_each(open_store: Callable[[], Store]) -> None:
    stores, peers = [open_store() for _ in range(3)], some_nodes(3)
    everywhere = attrs.evolve(a_job(), policy=Policy(overlap="allow", placement="every"))
    await stores[0].write(jobs.add, [everywhere])
    for number in range(20):
        now = START + number * SECOND
        asked = [store.write(claims.claim, node(one, now, peers), ["job000"]) for one, store in enumerate(stores)]
        said: list[Claimed] = await gatherResults(asked)
        assert sum(claimed.won for claimed in said) == 1
        rest = [store.write(claims.claim, node(one, now, peers), []) for one, store in enumerate(stores)]
        said += await gatherResults(rest)
        for one, store in enumerate(stores):  # MariaDB leaves out what another one looks at as well
            said.append(await store.write(claims.claim, node(one, now, peers), []))
        started = [(run.due, run.place, run.node) for claimed in said for run in claimed.started]
        assert sorted(started) == [(now, f"n{one}", f"n{one}") for one in range(3)]
    stored = [(run.due, run.place) for run in await stores[0].read(every_run)]
    assert len(stored) == len(set(stored)) == 60


@servers_only
@pytest_twisted.ensureDeferred
async def test_nodes_on_one_backlog_at_once_start_each_run_once(
    open_store: Callable[[], Store],
) -> None:
    stores, peers, ids = [open_store() for _ in range(3)], some_nodes(3), Ids()
    backlog = [attrs.evolve(a_job(number), next_due=None) for number in range(60)]
    placed = [attrs.evolve(job, policy=Policy(placement="every")) for job in backlog[40:]]
    await stores[0].write(jobs.add, [*backlog[:40], *placed])
    for job in backlog:
        await stores[0].write(commands.run_now, job.id, None, ids, START, peers, "node0")
    wanted = {run.id for run in await stores[0].read(every_run)}
    assert len(wanted) == 40 + 20 * 3
    started: list[Run] = []
    for _ in range(100):
        asked = [store.write(claims.claim, node(one, START, peers, 7), []) for one, store in enumerate(stores)]
        said: list[Claimed] = await gatherResults(asked)
        assert all(len(claimed.started) <= 7 for claimed in said)
        started += [run for claimed in said for run in claimed.started]
        if len(started) >= len(wanted):
            break
    assert sorted(run.id for run in started) == sorted(wanted)
    assert all(run.place in ("", run.node) for run in started)
    assert {run.id: run.node_id for run in await stores[0].read(every_run)} == {run.id: run.node_id for run in started}


@pytest_twisted.ensureDeferred
async def test_one_key_sent_to_several_nodes_at_once_makes_one_job(open_store: Callable[[], Store], kind: str) -> None:
    stores = [open_store() for _ in range(1 if kind == "sqlite" else 4)]
    for number in range(20):
        key = IdempotencyKey(scope="/jobs", key=f"key{number}", digest="same")
        asked = [
            stores[one % len(stores)].write(commands.add, a_job(number * 4 + one), key) for one in range(4)
        ]  # fmt: skip
        said = await gatherResults(asked)
        assert len({job_id for job_id, _ in said}) == 1
        assert [made for _, made in said].count(True) == 1
    assert await stores[0].read(job_count) == 20


@pytest_twisted.ensureDeferred
async def test_a_question_sees_one_state_of_the_store(open_store: Callable[[], Store], kind: str) -> None:
    reader, writer = (open_store(), open_store()) if kind != "sqlite" else [open_store()] * 2
    looked, changed = Event(), Event()

    def twice(transaction: Transaction) -> list[int]:
        before = job_count(transaction)
        looked.set()
        changed.wait(30)
        return [
            before,
            job_count(transaction),
            transaction.execute(select(func.count()).select_from(runs_table)).scalar_one(),
        ]

    asked = reader.read(twice)
    while not looked.is_set():
        time.sleep(0.01)
    await writer.write(jobs.add, [a_job()])
    assert len((await writer.write(claims.claim, node(0, START), ["job000"])).started) == 1
    changed.set()
    assert await asked == [0, 0, 0]
    assert await reader.read(job_count) == 1


@servers_only
@pytest_twisted.ensureDeferred
async def test_a_change_sees_what_was_committed_while_it_waited(open_store: Callable[[], Store]) -> None:
    first, second = open_store(), open_store()
    await first.write(jobs.add, [a_job()])

    def slow(transaction: Transaction) -> None:
        commands.pause(transaction, "job000", Pause(by=None, at=START), Ids())
        time.sleep(0.3)

    slowly = first.write(slow)
    time.sleep(0.1)
    job = await second.write(commands.pause, "job000", Pause(by=None, at=START), Ids())
    await slowly
    assert (job.paused, job.version) == (True, 2)


@servers_only
@pytest_twisted.ensureDeferred
async def test_a_failure_that_meets_a_change_of_the_task_is_final(
    open_store: Callable[[], Store],
) -> None:
    """The change is under way when the outcome is written: it waits, and sees the job as it is then."""
    mine, theirs = open_store(), open_store()
    one = attrs.evolve(a_job(), policy=Policy(retries=1, retry_delay=timedelta(0)))
    await mine.write(jobs.add, [one])
    (run,) = (await mine.write(claims.claim, node(0, START), [one.id])).started
    held, go = Event(), Event()

    def change(transaction: Transaction) -> None:
        commands.change(transaction, one.id, None, Ids(), START, lambda job, _: attrs.evolve(job, task="other"))
        held.set()
        assert go.wait(30)

    changing = theirs.write(change)
    assert await deferToThread(held.wait, 30)
    failed = attrs.evolve(run, state="failed", reason="exit code 1", ended=START + SECOND)
    recording = mine.write(runs.record, [failed], Ids(), lambda: 0.0)
    await deferToThread(until_waiting, mine)
    go.set()
    await changing
    assert await recording is False
    (found,) = await mine.read(every_run)
    assert found.reason == "exit code 1; not tried again: its job was given another task"


def until_waiting(store: Store) -> None:
    """Until somebody in the database waits for a lock that another has."""
    question = {
        "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
        "mysql": "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
    }[store._engine.dialect.name]
    engine = connect(store._engine.url.render_as_string(hide_password=False))
    end = time.monotonic() + 30
    with engine.connect() as connection:
        while not connection.execute(text(question)).scalar():
            assert time.monotonic() < end
            time.sleep(0.02)
            connection.rollback()
    engine.dispose()
