"""A rolling upgrade: a daemon of the last release and one of this share a database, and neither gets in the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from threading import Barrier, Thread

import attrs
import pytest
from sqlalchemy.exc import IntegrityError

from jobsched.model.claim import Claimed
from jobsched.model.ids import EPOCH, MICROSECOND
from jobsched.model.job import Policy
from jobsched.model.membership import Heartbeat
from jobsched.model.order import IdempotencyKey
from jobsched.model.trigger import Interval
from jobsched.store.sql import dead_nodes
from jobsched.store.sql import jobs as job_rows
from jobsched.store.sql import nodes as node_rows
from jobsched.store.sql import runs as run_rows
from jobsched.store.sql.claims import claim
from jobsched.store.sql.schema import migrate
from tests import sql_commands as commands
from tests.present import present
from tests.store.samples import IDS, T0, at, claimant, job, node, run
from tests.store.sql.desk import SqlDesk
from tests.store.sql.older import BEGIN, SECOND, Older, OlderNode, job_row, key_row, make_older, run_row

servers_only = pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)
HOUR = 3600


@pytest.fixture
def older(empty_url: str) -> Iterator[Older]:
    """A daemon of the last release, in whose database the schema of this one is in force by now."""
    make_older(empty_url)
    older = Older.at(empty_url)
    migrate(empty_url)
    yield older
    older.close()


@pytest.fixture
def desk(older: Older, empty_url: str) -> Iterator[SqlDesk]:
    """This version, beside it."""
    desk = SqlDesk.at(empty_url)
    yield desk
    desk.close()


def micros(instant: datetime) -> int:
    return (instant - EPOCH) // MICROSECOND


def now() -> int:
    return int(time.time()) * SECOND


# Reading what the other wrote.


def test_a_job_of_the_last_release_may_run_anywhere(older: Older, desk: SqlDesk) -> None:
    older.insert(older.jobs, job_row("job", parameters='{"a": "b"}', misfire_grace=None))
    found = present(desk.read(job_rows.get, "job"))
    assert (found.policy.placement, found.policy.require) == ("any", {})
    assert (found.next_due, found.parameters, found.policy.misfire_grace) == (at(HOUR), {"a": "b"}, None)
    assert [due.id for due in desk.read(job_rows.due_before, at(HOUR + 1), 10)] == ["job"]
    assert desk.read(job_rows.page, 10) == [found]


def test_a_run_of_the_last_release_may_run_anywhere(older: Older, desk: SqlDesk) -> None:
    older.insert(older.runs, run_row("run", state="succeeded", node="older", node_id="older", ended=BEGIN, exit_code=0))
    found = present(desk.read(run_rows.get, "run"))
    assert (found.place, found.require, found.stop) == ("", {}, None)
    assert (found.due, found.state, found.node, found.ended, found.exit_code) == (T0, "succeeded", "older", T0, 0)
    assert desk.runs() == [found]


def test_a_key_that_one_took_is_taken_for_the_other(older: Older, desk: SqlDesk) -> None:
    older.insert(older.jobs, job_row("job"))
    older.insert(older.keys, key_row("theirs"))
    one = job()
    theirs, ours = (IdempotencyKey(scope="/jobs", key=key, digest="same") for key in ("theirs", "ours"))
    assert desk.write(commands.add, one, theirs) == ("job", False)
    assert desk.write(commands.add, one, ours) == (one.id, True)
    assert [row["target"] for row in older.rows(older.keys)] == [one.id, "job"]
    with pytest.raises(IntegrityError):
        older.insert(older.keys, key_row("ours"))


def test_what_this_version_writes_the_last_release_reads(older: Older, desk: SqlDesk) -> None:
    one = job(HOUR, timeout=2.5, parameters={"a": "b"})
    two = run(job_id=one.id, parameters={"a": "b"}, timeout=2.5)
    desk.add(one)
    desk.insert(two)
    assert isinstance(one.schedule.trigger, Interval)
    anchor = micros(one.schedule.trigger.start)
    assert older.rows(older.jobs) == [job_row(one.id, timeout=2.5, parameters='{"a": "b"}', anchor=anchor)]
    assert older.rows(older.runs) == [
        run_row(
            two.id, job_id=one.id, due=BEGIN + 60 * SECOND, created=BEGIN + 60 * SECOND, state="running", node="node",
            node_id="here", timeout=2.5, parameters='{"a": "b"}',
        )
    ]  # fmt: skip


def test_a_job_changed_by_the_last_release_keeps_its_placement(older: Older, desk: SqlDesk) -> None:
    one = job(policy=Policy(placement="every", require={"disk": "ssd"}))
    desk.add(one)
    older.change(one.id, paused=True, version=2)
    assert desk.read(job_rows.get, one.id) == attrs.evolve(one, paused=True, version=2)


# Working side by side.


def ours(claimed: Claimed) -> list[tuple[str, int]]:
    return [(each.job_id, micros(each.due)) for each in claimed.started]


@servers_only
def test_each_ends_what_it_started_and_nothing_else(older: Older, desk: SqlDesk) -> None:
    begin = now() - SECOND
    older.insert(older.jobs, *(job_row(name, anchor=begin, next_due=begin) for name in ("one", "two")))
    assert older.claim(["one"], now()) == [("one", begin)]
    claimed: Claimed = desk.write(claim, claimant(0), ["one", "two"])
    assert ours(claimed) == [("two", begin)]
    assert not older.record(claimed.started[0].id, "failed", now())
    runs = {each.job_id: each for each in desk.runs()}
    theirs, mine = runs["one"], runs["two"]
    desk.ended(attrs.evolve(theirs, node_id="here"), state="failed")
    assert desk.states() == ["running", "running"]
    assert older.record(theirs.id, "succeeded", now())
    desk.ended(mine)
    assert desk.states() == ["succeeded", "succeeded"]
    due = {row["id"]: (row["next_due"], row["starts"]) for row in older.rows(older.jobs)}
    assert due == dict.fromkeys(("one", "two"), (begin + HOUR * SECOND, 1))


@servers_only
def test_a_run_that_waits_is_started_by_whoever_comes(older: Older, desk: SqlDesk) -> None:
    again = run_row("again", attempt=2, cause="retry", not_before=BEGIN)
    desk.add(job(id=again["job_id"], next_due=None))
    older.insert(older.runs, again)
    assert [each.id for each in desk.write(claim, claimant(0), []).started] == ["again"]


@servers_only
@pytest.mark.parametrize("first", ["older", "this"])
def test_a_due_that_one_started_the_other_cannot_store(older: Older, desk: SqlDesk, first: str) -> None:
    def theirs() -> None:
        older.insert(older.runs, run_row("theirs"))

    def mine() -> None:
        desk.insert(run(0))

    one, two = (theirs, mine) if first == "older" else (mine, theirs)
    one()
    with pytest.raises(IntegrityError):
        two()
    assert len(desk.runs()) == 1


@servers_only
def test_of_two_that_claim_at_once_each_due_starts_once(older: Older, desk: SqlDesk) -> None:
    rounds, jobs = 40, 10
    names = [f"job{number:03}" for number in range(rounds * jobs)]
    begin = now() - SECOND
    older.insert(older.jobs, *(job_row(name, anchor=begin, next_due=begin) for name in names))
    started: dict[str, list[tuple[str, int]]] = {"older": [], "this": []}
    together = Barrier(2, timeout=60)

    def work(who: str, ask: Callable[[list[str]], list[tuple[str, int]]]) -> None:
        for number in range(rounds):
            together.wait()
            started[who] += ask(names[number * jobs : (number + 1) * jobs])

    threads = [
        Thread(target=work, args=("older", lambda ids: older.claim(ids, now()))),
        Thread(target=work, args=("this", lambda ids: ours(desk.write(claim, claimant(0), ids)))),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    both = started["older"] + started["this"]
    assert sorted(both) == [(name, begin) for name in names], {who: len(got) for who, got in started.items()}
    assert sorted((each.job_id, micros(each.due)) for each in desk.runs()) == sorted(both)
    assert {row["next_due"] for row in older.rows(older.jobs)} == {begin + HOUR * SECOND}


@servers_only
def test_what_the_last_release_executes_is_not_taken_for_lost(older: Older, desk: SqlDesk) -> None:
    older.insert(older.runs, run_row("theirs", state="running", node="older", node_id="older", started=now()))
    assert desk.write(dead_nodes.declare_dead, [], "gone", IDS, lambda: 0.0, T0) == []
    assert desk.states() == ["running"]


# The lease, beside a release whose lease is 10 s.


@pytest.fixture
def neighbour(empty_url: str) -> Iterator[OlderNode]:
    """A node of the schema before this, in whose database this one is in force by now."""
    make_older(empty_url, "0003")
    one = OlderNode.at(empty_url)
    migrate(empty_url)
    yield one
    one.close()


@pytest.fixture
def shared(neighbour: OlderNode, empty_url: str) -> Iterator[SqlDesk]:
    desk = SqlDesk.at(empty_url)
    yield desk
    desk.close()


def joins(desk: SqlDesk, seconds: float) -> float:
    """A node of this release starts, whose LEASE is 30 s; the lease that it goes by."""
    one = node("new", since=at(seconds), lease_asked=timedelta(seconds=30))
    entry = desk.write(node_rows.join, one, [], [])
    return float(entry.lease.total_seconds())


def beats(desk: SqlDesk, lease: float, seconds: float) -> float:
    """It says that it lives, and counts on that lease; the one that it is told."""
    heartbeat = Heartbeat(
        id="id of new", tasks=[], running=0, slots=9, tried=0, won=0, lease=timedelta(seconds=lease)
    )  # fmt: skip
    return float(desk.write(node_rows.beat, heartbeat, at(seconds)).lease.total_seconds())


def later(seconds: float) -> int:
    return BEGIN + int(seconds * SECOND)


@pytest.mark.usefixtures("told_time")
def test_beside_the_last_release_the_lease_is_the_one_it_knows(neighbour: OlderNode, shared: SqlDesk) -> None:
    neighbour.join("old", later(0))
    assert joins(shared, 1) == 10
    assert beats(shared, 10, 3) == 10
    assert neighbour.beat("old", later(13)) == {"old": True, "id of new": True}
    assert neighbour.beat("old", later(13.1)) == {"old": True, "id of new": False}, (
        "it is declared dead 10 s after it was seen"
    )
    assert beats(shared, 10, 14) == 10
    neighbour.leave("old", later(15))
    assert beats(shared, 10, 16) == 30
    assert beats(shared, 30, 18) == 30


@pytest.mark.usefixtures("told_time")
@pytest.mark.parametrize("silent", [20.9, 30.0])
def test_a_last_release_that_comes_back_buries_no_longer_lease(
    neighbour: OlderNode, shared: SqlDesk, silent: float
) -> None:
    """It was frozen and taken for dead; at that moment the other one loses the database and cannot hear of it."""
    assert joins(shared, 0) == 30
    assert beats(shared, 30, 100) == 30
    neighbour.join("back", later(100))
    neighbour.beat("back", later(100 + silent))
    neighbour.declare_dead(later(100 + silent))
    assert {each.name: each.state for each in shared.read(node_rows.every)} == {"new": "alive", "older": "alive"}
    assert beats(shared, 30, 100 + silent) == 10
    neighbour.beat("back", later(100 + silent + 30.1))
    neighbour.declare_dead(later(100 + silent + 30.1))
    assert {each.name: each.state for each in shared.read(node_rows.every)} == {"new": "dead", "older": "alive"}


@pytest.mark.usefixtures("told_time")
def test_a_silent_last_release_is_dead_when_it_expects_it(neighbour: OlderNode, shared: SqlDesk) -> None:
    neighbour.join("old", later(0))
    joins(shared, 0)
    for seconds, state in ((10, "alive"), (10.1, "dead")):
        shared.write(dead_nodes.declare_dead, [], "gone", IDS, lambda: 0.0, at(seconds))
        found = present(shared.read(node_rows.get, "old"))
        assert (found.state, found.lease, found.lease_asked) == (state, timedelta(seconds=10), None)
