"""The server becomes read-only, and another takes changes in its place: connections follow."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import cast

import attrs
import pytest
import pytest_twisted
from sqlalchemy import insert, select, text
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults

from jobsched.clock import elapsed
from jobsched.events import Events
from jobsched.model.errors import Unavailable
from jobsched.model.ids import EPOCH
from jobsched.reactor_types import Reactor
from jobsched.store.sql import engine
from jobsched.store.sql.db_errors import make_url_safe
from jobsched.store.sql.listen_notify import Listener
from jobsched.store.sql.schema import migrate
from jobsched.store.sql.store import Store
from jobsched.store.sql.tables import keys
from jobsched.store.sql.transaction import Transaction
from jobsched.verify import verify
from tests.failover import Standby, Way, demote, succeeds
from tests.present import present
from tests.servers import PostgreSQL, Server, started
from tests.system.daemon import eventually, until

servers_only = pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)
postgresql_only = pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
WHO_AM_I = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT CONNECTION_ID()"}
DATABASE = "jobs"


def note(transaction: Transaction, key: str) -> None:
    """A small change."""
    transaction.execute(insert(keys).values(scope="test", key=key, digest="", target="", created=EPOCH))


def noted(transaction: Transaction) -> list[str]:
    return list(transaction.execute(select(keys.c.key).order_by(keys.c.key)).scalars())


def who(transaction: Transaction) -> int:
    """The server's name of this transaction."""
    return int(transaction.execute(text(WHO_AM_I[transaction.dialect.name])).scalar_one())


async def refused(asked: Deferred[object]) -> str:
    """The words of the Unavailable that it fails with."""
    with pytest.raises(Unavailable) as said:
        await asked
    return str(said.value)


@contextmanager
def read_only(server: Server) -> Iterator[None]:
    """Those that are connected stay so, and may change nothing."""
    if server.kind == "mysql":
        on, off = ["SET GLOBAL read_only = 1"], ["SET GLOBAL read_only = 0"]
    else:
        on = ["ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"]
        off = ["ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()"]
    settle(server, on, "on")
    try:
        yield
    finally:
        settle(server, off, "off")


def settle(server: Server, statements: Sequence[str], read_only: str) -> None:
    """PostgreSQL reads its settings in its own time: whoever connects once they are in force comes after all that were
    connected before has been told of them."""
    for statement in statements:
        server.execute(statement)
    if server.kind != "mysql":
        in_force = f"SELECT 1 / (current_setting('default_transaction_read_only') = '{read_only}')::int"
        until(lambda: succeeds(lambda: server.execute(in_force)))


@pytest.fixture
def plain_url(kind: str, store_url: str, server: Server) -> Iterator[str]:
    """The store as an ordinary user has it: the tests' own may do everything, also change what is read-only."""
    if kind == "postgresql":
        yield store_url
        return
    server.execute("CREATE USER plain@'%' IDENTIFIED BY 'secret'")
    server.execute(f"GRANT ALL ON {store_url.rpartition('/')[2]}.* TO plain@'%'")
    yield store_url.replace(f"jobsched:{server.password}@", "plain:secret@")
    server.execute("DROP USER plain@'%'")


@pytest.fixture
def open_at() -> Iterator[Callable[..., Store]]:
    """Makes running stores."""
    stores: list[Store] = []

    def make(url: str, events: Events | None = None) -> Store:
        stores.append(Store(cast(Reactor, reactor), url, events=events))
        stores[-1].startService()
        return stores[-1]

    yield make
    for store in stores:
        pytest_twisted.blockon(store.stopService())


# A server that is read-only.


@servers_only
@pytest_twisted.ensureDeferred
async def test_a_connection_to_a_read_only_server_is_not_used_again(
    open_at: Callable[..., Store], plain_url: str, server: Server
) -> None:
    told: list[str] = []
    events = Events()
    events.server_read_only.subscribe(lambda: told.append("moved"))
    store = open_at(plain_url, events)
    before = {await store.write(who), await store.read(who)}
    with read_only(server):
        assert {await store.read(who)} <= before, "to read it is good"
        assert "read-only" in (await refused(store.write(note, "1"))).lower()
    await store.write(note, "2")
    after = {await store.write(who), await store.read(who)}
    assert not before & after
    assert await store.read(noted) == ["2"]
    assert told


@servers_only
@pytest_twisted.ensureDeferred
async def test_a_commit_refused_as_read_only_is_said_to_be_none(
    open_at: Callable[..., Store], plain_url: str, server: Server, kind: str
) -> None:
    """MariaDB refuses the commit, and PostgreSQL lets it through: what had begun is not bound by the setting."""
    store = open_at(plain_url)
    tries = []

    def late(transaction: Transaction) -> None:
        tries.append(1)
        note(transaction, "1")
        if len(tries) == 1:
            with_it.__enter__()

    with_it = read_only(server)
    try:
        if kind == "mysql":
            assert "not known" not in await refused(store.write(late))
            assert len(tries) == 2, "it is tried on one new connection, and not again and again"
        else:
            await store.write(late)
    finally:
        with_it.__exit__(None, None, None)
    assert await store.read(noted) == ([] if kind == "mysql" else ["1"])


@servers_only
@pytest_twisted.ensureDeferred
async def test_a_question_that_tries_to_write_is_no_failover(open_at: Callable[..., Store], plain_url: str) -> None:
    told: list[str] = []
    events = Events()
    events.server_read_only.subscribe(lambda: told.append("moved"))
    store = open_at(plain_url, events)
    before = await store.write(who)
    with pytest.raises(Exception, match=r"(?i)read.only"):
        await store.read(note, "1")
    assert await store.write(who) == before
    assert told == []


@servers_only
@pytest_twisted.ensureDeferred
async def test_a_heartbeat_waits_less_than_others_for_a_lost_server(store_url: str, server: Server, kind: str) -> None:
    """MariaDB's is waited for on an open connection. Of PostgreSQL's the system notices that it is gone, if it is."""
    store = Store(cast(Reactor, reactor), store_url, threads=1, prompt=2)
    store.startService()
    try:
        if kind == "mysql":
            await store.write(note, "1")
        os.kill(server.pid, signal.SIGSTOP)
        began = time.monotonic()
        await refused(store.write(note, "2"))
        assert time.monotonic() - began < 20, "others wait for 25 s"
    finally:
        os.kill(server.pid, signal.SIGCONT)
        await store.stopService()


@postgresql_only
def test_what_is_set_for_a_heartbeat_is_shorter_than_for_others(store_url: str) -> None:
    asked = "tcp_user_timeout", "statement_timeout", "lock_timeout"

    def settings(prompt: int | None) -> list[str]:
        made = engine.connect(store_url, prompt=prompt)
        with made.connect() as connection:
            info = present(connection.connection.driver_connection).info.get_parameters()
            told = [info["tcp_user_timeout"]]
            told += [connection.execute(text(f"SHOW {name}")).scalar_one() for name in asked[1:]]
        made.dispose()
        return told

    assert settings(None) == ["10000", "20s", "10s"]
    assert settings(6) == ["6000", "6s", "6s"]


# Connections do not grow old.


@servers_only
@pytest_twisted.ensureDeferred
async def test_a_connection_is_used_for_its_time_and_then_another(
    open_at: Callable[..., Store], plain_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "AGE_SECONDS", 1000)
    store = open_at(plain_url)
    first = await store.write(who)
    assert await store.write(who) == first
    with monkeypatch.context() as later:
        later.setattr(engine, "elapsed", lambda now=elapsed: now() + 1001)
        second = await store.write(who)
        assert second != first
        assert await store.write(who) == second


def test_connections_made_together_do_not_end_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "elapsed", lambda: 10_000.0)
    ends = sorted(engine.end_of_use() - 10_000 for _ in range(1000))
    assert ends[0] >= engine.AGE_SECONDS * 0.75
    assert ends[-1] <= engine.AGE_SECONDS
    assert max(b - a for a, b in pairwise(ends)) < engine.AGE_SECONDS / 50


@postgresql_only
@pytest_twisted.ensureDeferred
async def test_a_listener_changes_its_connection_when_told_or_old(
    store_url: str, server: Server, open_at: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []
    cuts: list[str] = []
    store = open_at(store_url)
    listening = text("SELECT pid FROM pg_stat_activity WHERE query = 'LISTEN jobsched'")

    async def ears() -> set[int]:
        return set(await store.read(lambda transaction: transaction.execute(listening).scalars().all()))

    listener = Listener(store_url, lambda: "here", lambda: heard.append(1), cuts.append, lambda: None)
    listener.start()
    try:
        first = await eventually(ears)
        listener.renew()
        second = await eventually(lambda: changed(ears, first))
        monkeypatch.setattr("jobsched.store.sql.listen_notify.elapsed", lambda now=elapsed: now() + engine.AGE_SECONDS)
        await store.write(lambda transaction: transaction.execute(text("SELECT pg_notify('jobsched', 'there')")))
        await eventually(lambda: gone(store, second))
        assert cuts == [], "that is no trouble"
    finally:
        listener.stop()
        assert listener.join(30)


async def changed(ask: Callable[[], Awaitable[set[int]]], before: set[int]) -> set[int]:
    return await ask() - before


async def gone(store: Store, pids: set[int]) -> bool:
    """Whether the server has no such connection any more."""
    all_of_them = text("SELECT pid FROM pg_stat_activity")
    return not pids & set(await store.read(lambda transaction: transaction.execute(all_of_them).scalars().all()))


# A primary and its standby.


@attrs.frozen
class Two:
    """A primary and a standby that has all that is committed, and a way that leads to the primary."""

    primary: PostgreSQL
    standby: Standby
    way: Way

    @property
    def url(self) -> str:
        """By the way."""
        return self.way.url(self.primary.url(DATABASE))

    @property
    def both(self) -> str:
        """By their own addresses, whichever takes changes."""
        user = self.primary.url(DATABASE).partition("127.0.0.1")[0]
        hosts = f"host=127.0.0.1:{self.primary.port}&host=127.0.0.1:{self.standby.port}"
        return f"{user}/{DATABASE}?{hosts}&target_session_attrs=read-write"


@pytest.fixture
def two() -> Iterator[Two]:
    primary = started("postgresql")
    assert isinstance(primary, PostgreSQL)
    standby: Standby | None = None
    way = Way(primary.port)
    try:
        migrate(primary.create_database(DATABASE))
        standby = Standby(primary)
        standby.start()
        yield Two(primary, standby, way)
    finally:
        way.close()
        if standby is not None:
            standby.close()
        primary.close()


@pytest_twisted.ensureDeferred
async def test_after_a_failover_the_demoted_primary_is_left(two: Two, open_at: Callable[..., Store]) -> None:
    store = open_at(two.url)
    news: list[str] = []
    listener = Listener(two.url, lambda: "here", lambda: news.append("heard"), news.append, lambda: None)
    listener.start()
    try:
        until(lambda: news == ["heard"])
        await gatherResults([store.write(note, f"before {number}") for number in range(3)])
        demote(two.primary)
        assert len(await store.read(noted)) == 3, "it answers questions"
        assert "read-only" in await refused(store.write(note, "refused"))
        assert "recovery" in until(lambda: next((words for words in news if "LISTEN" in words), ""))
        two.way.to = two.standby.port
        two.standby.promote()
        assert await store.read(recovering) is False, "also where nothing has been refused since"
        await store.write(note, "then")
        until(lambda: news[-1] == "heard")
        assert await store.read(noted) == ["before 0", "before 1", "before 2", "then"]
        assert await store.read(recovering) is False
    finally:
        listener.stop()
        assert listener.join(30)


def recovering(transaction: Transaction) -> bool:
    """Whether this is a standby."""
    return bool(transaction.execute(text("SELECT pg_is_in_recovery()")).scalar_one())


@pytest_twisted.ensureDeferred
async def test_a_url_may_name_both_servers(two: Two, open_at: Callable[..., Store]) -> None:
    assert two.primary.password not in make_url_safe(two.both)
    assert f"127.0.0.1%3A{two.standby.port}" in make_url_safe(two.both)
    migrate(two.both)
    store = open_at(two.both)
    await store.write(note, "before")
    assert await store.read(recovering) is False
    two.primary.stop()
    two.standby.promote()
    await store.write(note, "then")
    migrate(two.both)
    assert list(verify(two.both)) == []
    assert await store.read(noted) == ["before", "then"]
    demote(two.primary)  # it is there again, comes first in the URL, and takes no changes
    store.renew()
    await store.write(note, "at last")
    assert await store.read(recovering) is False
