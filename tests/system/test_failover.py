"""The database fails over, or is away for a while: what runs goes on, nothing is lost, and the log says how it is."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, text, update

from jobsched.model.ids import EPOCH
from jobsched.store.sql.engine import connect, writing
from jobsched.store.sql.tables import nodes
from jobsched.store.sql.transaction import Transaction, database_now
from jobsched.verify import verify
from tests.failover import Standby, Way, demote
from tests.servers import PATIENCE, PostgreSQL, Server, started
from tests.system.caller import Caller
from tests.system.daemon import Daemon, until
from tests.system.pair import FEW, STEPS, Pair
from tests.system.samples import samples

AWAY = 12.0  # seconds; with a lease of 10 s every run ended after seven, and with one of 30 s after 21
TROUBLE = r"no heartbeat of node \w+ for \d+ s; its runs \(\d+\) go on, nothing starts, gives up in \d+ s: "
_number = count()


def lease(daemon: Daemon) -> float:
    """By which that node goes."""
    found: float = samples(Caller(daemon).text("/metrics"))["jobsched_lease_seconds",]
    return found


def said(daemon: Daemon, *words: str) -> list[str]:
    """The lines of its log with one of these in them."""
    return [line for line in daemon.log.splitlines() if any(each in line for each in words)]


def node_ids(pair: Pair) -> dict[str, str]:
    return {node["id"]: node["state"] for node in pair.ask.get("/nodes")["values"]}


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Makes daemons that share a store; nothing is left of them afterwards."""
    daemons: list[Daemon] = []

    def one(name: str, url: str, options: str = "") -> Daemon:
        daemon = Daemon(tmp_path / name)
        daemon.options(f"NODE_NAME = {name!r}\nNODE_TAGS = {{'role': {name!r}}}\nJOB_LIVETIME = 600")
        daemon.options(f"SCHED_CONFIG = {{'store': {url!r}}}\n{options}")
        for task, script in {"few": FEW, "steps": STEPS}.items():
            daemon.script(task, script)
        daemon.section("parameters = gate\n")  # of the last
        daemons.append(daemon)
        return daemon

    yield one
    for daemon in daemons:
        daemon.clear()


@pytest.fixture
def url(running: Callable[[str], Server]) -> Iterator[str]:
    """A database of its own on a PostgreSQL that others use too."""
    name = f"failover{next(_number)}"
    yield running("postgresql").create_database(name)
    running("postgresql").drop_database(name)


def begin(tmp_path: Path, front: Daemon, worker: Daemon) -> tuple[Pair, str, Callable[[int], None]]:
    """Both are there, dues come each second, and a run goes on: its path, and how to let it take a step."""
    pair = Pair(tmp_path, front, worker)
    pair.start()
    run, step = pair.begun()
    pair.ask.make("few", 1, catch_up="all", overlap="allow")
    return pair, run, step


def goes_on(pair: Pair, run: str, step: Callable[[int], None], before: dict[str, str]) -> None:
    """The nodes are those that they were, the run has not noticed anything, and each due has its outcome."""
    assert node_ids(pair) == before, "each goes on under its id"
    for number in (1, 2, 3):
        step(number)
    assert pair.ask.ended(run)["state"] == "succeeded"
    states = {each["state"] for each in pair.ask.get("/runs?limit=1000")["values"] if each["ended"]}
    assert states == {"succeeded"}, "with catch_up all no due is missed either"
    assert pair.output(run).text.endswith("step 3\n")


def test_postgresql_away_for_12_s_ends_no_run_in_few_lines(tmp_path: Path, make: Callable[..., Daemon]) -> None:
    server = started("postgresql")
    try:
        url = server.create_database("jobs")
        pair, run, step = begin(tmp_path, make("front", url), make("worker", url))
        before = node_ids(pair)
        assert lease(pair.front) == 30
        marks = {daemon: len(daemon.log) for daemon in (pair.front, pair.worker)}
        begun = time.monotonic()
        server.stop()
        time.sleep(max(AWAY - (time.monotonic() - begun), 0))
        server.start()
        for daemon in marks:
            until(partial(said, daemon, "is heard again after"), PATIENCE)
        goes_on(pair, run, step, before)
        for daemon, mark in marks.items():
            troubles = [line for line in daemon.log[mark:].splitlines() if re.search(r" (WARNING|ERROR) ", line)]
            assert 1 <= len(troubles) <= 4, "\n".join(troubles)
            assert all(re.search(TROUBLE, line) for line in troubles), "\n".join(troubles)
        assert list(verify(url, whole=True)) == []
    finally:
        server.close()


def test_after_a_failover_each_node_is_on_the_new_primary(tmp_path: Path, make: Callable[..., Daemon]) -> None:
    """One has an address that comes to lead to the new primary, the other has those of both servers."""
    primary = started("postgresql")
    assert isinstance(primary, PostgreSQL)
    standby, way = None, Way(primary.port)
    try:
        url = primary.create_database("jobs")
        user = url.rpartition("@")[0]
        standby = Standby(primary)
        standby.start()
        hosts = f"host=127.0.0.1:{primary.port}&host=127.0.0.1:{standby.port}&target_session_attrs=read-write"
        front, worker = make("front", way.url(url)), make("worker", f"{user}@/jobs?{hosts}")
        pair, run, step = begin(tmp_path, front, worker)
        before = node_ids(pair)
        demote(primary)  # the address still leads there: what connects anew finds a server that takes no changes
        until(lambda: said(front, "read-only transaction"))
        assert pair.ask.get("/jobs")["values"], "it is read from there meanwhile"
        standby.promote()
        promoted = datetime.now(UTC)
        way.to = standby.port
        until(lambda: all_seen_since(pair, promoted))
        goes_on(pair, run, step, before)
        assert pair.ask.ended(pair.ask.run(pair.job("few")))["state"] == "succeeded"
        assert list(verify(standby.url("jobs"), whole=True)) == []
        assert standby.password not in front.log + worker.log
        old = connect(primary.url("jobs"))
        until(lambda: left_there(old) == 0)  # nobody stays on the old one
        old.dispose()
    finally:
        way.close()
        if standby is not None:
            standby.close()
        primary.close()


def all_seen_since(pair: Pair, instant: datetime) -> bool:
    answer = pair.ask.ask("GET", "/nodes")
    found = answer.json["values"] if answer.status == 200 else []
    return len(found) == 2 and all(datetime.fromisoformat(node["seen"]) > instant for node in found)


def left_there(engine: Engine) -> int:
    """How many connections of ours a server has, but for this."""
    ours = "application_name = 'jobsched' AND pid <> pg_backend_pid()"
    with engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM pg_stat_activity WHERE {ours}")).scalar_one())


def test_nodes_share_one_lease_and_all_restarted_another(url: str, make: Callable[..., Daemon]) -> None:
    first = make("first", url, "LEASE = 20").start()
    other = make("other", url, "LEASE = 40").start()
    until(lambda: said(other, "LEASE is 40 s here, but the nodes of this store have agreed on 20 s, and that counts"))
    assert (lease(first), lease(other)) == (20, 20)
    for daemon in (first, other):
        assert daemon.stop() == 0
    other.start()
    first.start()
    until(lambda: said(first, "LEASE is 20 s here, but the nodes of this store have agreed on 40 s, and that counts"))
    assert (lease(first), lease(other)) == (40, 40)


def test_beside_the_release_before_the_lease_is_ten_seconds(url: str, make: Callable[..., Daemon]) -> None:
    daemon = make("new", url).start()
    until(lambda: lease(daemon) == 30)
    engine = connect(url)
    old = nodes.c.name == "old"
    with writing(engine).begin() as connection:
        instant = database_now(Transaction(connection), EPOCH)
        row = {"id": "old", "name": "old", "tasks": [], "version": "0.1.0", "since": instant, "seen": instant}
        row |= {"state": "alive", "running": 0, "slots": 0, "tried": 0, "won": 0}
        connection.execute(insert(nodes).values(row))
    until(lambda: lease(daemon) == 10)
    assert samples(Caller(daemon).text("/metrics"))["jobsched_nodes_alive",] == 2
    until(lambda: samples(Caller(daemon).text("/metrics"))["jobsched_lease_remaining_seconds",] <= 7)
    with writing(engine).begin() as connection:
        connection.execute(update(nodes).where(old).values(state="stopped"))
    until(lambda: lease(daemon) == 30)
    engine.dispose()
    assert said(daemon, "goes by a lease of 10 s, for old may live and is of a release that knows no other")
