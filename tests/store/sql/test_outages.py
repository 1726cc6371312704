"""What a node sees of a database that stops, dies, is cut off, or undoes what was asked of it."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest
import pytest_twisted
from sqlalchemy import insert, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError
from twisted.internet.defer import Deferred, gatherResults

from jobsched.model.errors import BadStore, Unavailable
from jobsched.model.ids import EPOCH
from jobsched.store.sql import db_errors, engine
from jobsched.store.sql.db_errors import make_url_safe
from jobsched.store.sql.schema import migrate
from jobsched.store.sql.store import Store
from jobsched.store.sql.tables import keys
from jobsched.store.sql.transaction import Transaction
from tests.present import present
from tests.servers import Mode, Server

servers_only = pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)
WHO_AM_I = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT CONNECTION_ID()"}
AT_ONCE = 15.0  # seconds, generous: an answer is waited for 25 s
CUT = {"postgresql": "SELECT pg_terminate_backend({})", "mysql": "KILL {}"}


def note(transaction: Transaction, key: str, scope: str = "test") -> None:
    """A small change."""
    transaction.execute(insert(keys).values(scope=scope, key=key, digest="", target="", created=EPOCH))


def noted(transaction: Transaction) -> list[str]:
    return list(transaction.execute(select(keys.c.key).order_by(keys.c.key)).scalars())


def cut(url: str, who: object) -> None:
    """End another's connection, as an administrator would."""
    other = engine.connect(url)
    with other.connect() as connection:
        connection.execute(text(CUT[other.dialect.name].format(who)))
    other.dispose()


async def refused(asked: Deferred[object], within: float, password: str = "no password") -> str:
    """The words of the Unavailable that it fails with, in seconds at most `within`."""
    began = time.monotonic()
    with pytest.raises(Unavailable) as said:
        await asked
    assert time.monotonic() - began < within
    assert password not in str(said.value)
    assert "\n" not in str(said.value)
    return str(said.value)


@servers_only
@pytest.mark.parametrize("mode", ["fast", "immediate"])
@pytest_twisted.ensureDeferred
async def test_a_restart_between_two_questions_is_not_noticed(store: Store, server: Server, mode: Mode) -> None:
    await gatherResults([store.write(note, f"before {i}") for i in range(4)])  # several connections lie open
    await gatherResults([store.read(noted) for _ in range(4)])
    server.stop(mode)
    server.start()
    await gatherResults([store.write(note, f"then {i}") for i in range(4)])
    assert len(await store.read(noted)) == 8


@servers_only
def test_a_connection_that_breaks_on_its_return_is_one_line(store_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Where the server shuts down at that moment, or is cut off, SQLAlchemy finds out when it gives it back."""
    made = engine.connect(store_url)
    raw = made.raw_connection()
    with closing(raw.cursor()) as cursor:
        cursor.execute(WHO_AM_I[made.dialect.name])
        cut(store_url, present(cursor.fetchone())[0])
    raw.close()
    made.dispose()
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("jobsched.store.sql.engine", "WARNING")
    assert record.getMessage().startswith("a connection to the store broke off: ")
    assert record.exc_info is None
    assert "\n" not in logging.Formatter().format(record)


@servers_only
@pytest_twisted.ensureDeferred
async def test_a_crash_loses_nothing_that_was_answered(store: Store, server: Server) -> None:
    for number in range(20):
        await store.write(note, f"{number:02}")
    server.kill()
    server.start()
    assert await store.read(noted) == [f"{number:02}" for number in range(20)]


@servers_only
@pytest_twisted.ensureDeferred
async def test_a_stopped_server_is_told_at_once_and_used_when_back(store: Store, server: Server) -> None:
    await store.write(note, "1")
    server.stop()
    words = await refused(store.write(note, "2"), AT_ONCE, server.password)
    assert words.startswith("the store cannot be used now: ")
    assert "refused" in words
    await refused(store.read(noted), AT_ONCE, server.password)
    server.start()
    await store.write(note, "3")
    assert await store.read(noted) == ["1", "3"]


@servers_only
@pytest_twisted.ensureDeferred
async def test_a_store_that_is_up_before_its_server_waits_for_nothing(store: Store, server: Server) -> None:
    server.stop()
    await refused(store.read(noted), AT_ONCE, server.password)
    server.start()
    assert await store.read(noted) == []


@servers_only
@pytest_twisted.ensureDeferred
async def test_a_server_that_answers_no_new_connection_is_given_up(
    open_store: Callable[[], Store], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "CONNECT_SECONDS", 2)
    monkeypatch.setattr(engine, "ANSWER_SECONDS", 2)
    store = open_store()
    os.kill(server.pid, signal.SIGSTOP)
    try:
        await refused(store.read(noted), AT_ONCE, server.password)
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert await store.read(noted) == []


@servers_only
@pytest_twisted.ensureDeferred
async def test_a_connection_cut_in_mid_transaction_is_one_more_try(store: Store, store_url: str, kind: str) -> None:
    tries = []

    def interrupted(transaction: Transaction) -> None:
        tries.append(1)
        note(transaction, "once")
        if len(tries) == 1:
            cut(store_url, transaction.execute(text(WHO_AM_I[kind])).scalar())
        note(transaction, "twice")

    await store.write(interrupted)
    assert len(tries) == 2
    assert await store.read(noted) == ["once", "twice"]


@servers_only
@pytest_twisted.ensureDeferred
async def test_a_connection_that_is_always_cut_is_given_up(store: Store, store_url: str, kind: str) -> None:
    def interrupted(transaction: Transaction) -> None:
        cut(store_url, transaction.execute(text(WHO_AM_I[kind])).scalar())
        note(transaction, "never")

    await refused(store.write(interrupted), AT_ONCE)
    assert await store.read(noted) == []


@servers_only
@pytest_twisted.ensureDeferred
async def test_a_commit_without_an_answer_is_not_made_again(store: Store, store_url: str, kind: str) -> None:
    tries = []

    def interrupted(transaction: Transaction) -> None:
        tries.append(1)
        note(transaction, "perhaps")
        cut(store_url, transaction.execute(text(WHO_AM_I[kind])).scalar())  # the next thing said is COMMIT

    words = await refused(store.write(interrupted), AT_ONCE)
    assert "not known" in words
    assert len(tries) == 1


@servers_only
@pytest_twisted.ensureDeferred
async def test_a_question_whose_end_was_not_answered_is_asked_again(store: Store, store_url: str, kind: str) -> None:
    tries = []

    def interrupted(transaction: Transaction) -> list[str]:
        tries.append(1)
        answer = noted(transaction)
        if len(tries) == 1:
            cut(store_url, transaction.execute(text(WHO_AM_I[kind])).scalar())
        return answer

    assert await store.read(interrupted) == []
    assert len(tries) == 2


@servers_only
@pytest_twisted.ensureDeferred
async def test_of_two_that_wait_for_each_other_both_succeed(store: Store) -> None:
    await store.write(note, "a")
    await store.write(note, "b")
    held = {"a": Event(), "b": Event()}
    tries = []

    def both(transaction: Transaction, first: str, second: str) -> None:
        tries.append(first)
        for name in first, second:
            one = (keys.c.scope == "test") & (keys.c.key == name)
            transaction.execute(select(keys).where(one).with_for_update()).one()
            held[name].set()
            held[second].wait(30)
        note(transaction, f"{first} then {second}")

    await gatherResults([store.write(both, "a", "b"), store.write(both, "b", "a")])
    assert len(tries) > 2
    assert await store.read(noted) == ["a", "a then b", "b", "b then a"]


@servers_only
@pytest_twisted.ensureDeferred
async def test_who_is_second_with_one_key_looks_again(store: Store) -> None:
    looked = []

    def once(transaction: Transaction) -> str:
        found = noted(transaction)
        looked.append(len(found))
        while len(looked) < 2:
            time.sleep(0.01)
        if not found:
            note(transaction, "the one")
        return "mine" if not found else "yours"

    assert sorted(await gatherResults([store.write(once), store.write(once)])) == ["mine", "yours"]
    assert looked == [0, 0, 1]


@pytest_twisted.ensureDeferred
async def test_storing_the_same_twice_is_our_fault_and_no_outage(store: Store) -> None:
    await store.write(note, "1")
    with pytest.raises(IntegrityError):
        await store.write(note, "1")


@servers_only
@pytest_twisted.ensureDeferred
async def test_a_lock_that_is_not_let_go_is_waited_for_in_vain(
    open_store: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = open_store()
    monkeypatch.setattr(engine, "BUSY_SECONDS", 1)
    store = open_store()
    await store.write(note, "a")
    taken, done = Event(), Event()

    def hold(transaction: Transaction) -> None:
        transaction.execute(select(keys).with_for_update()).all()
        taken.set()
        done.wait(AT_ONCE)

    held = holder.write(hold)
    try:
        while not taken.is_set():
            time.sleep(0.01)
        words = await refused(store.write(lambda c: c.execute(select(keys).with_for_update()).all()), AT_ONCE)
        assert "lock" in words.lower()
    finally:
        done.set()
        await held


@servers_only
@pytest_twisted.ensureDeferred
async def test_a_node_frozen_in_mid_transaction_lets_others_go_on(
    open_store: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = open_store()
    await other.write(note, "a")
    monkeypatch.setattr(engine, "IDLE_SECONDS", 3)  # for which the next try may stand still
    frozen = open_store()
    taken, thawed = Event(), Event()
    tries = []

    def hold(transaction: Transaction) -> None:
        tries.append(1)
        transaction.execute(select(keys).with_for_update()).all()
        taken.set()
        thawed.wait(60)
        note(transaction, "late")

    held = frozen.write(hold)
    while not taken.is_set():
        time.sleep(0.01)
    assert len(await other.write(lambda c: c.execute(select(keys).with_for_update()).all())) == 1
    assert not held.called
    thawed.set()
    await held
    assert len(tries) == 2


@pytest.mark.parametrize(
    "statement", ["SELECT no_such_column FROM jobs", "SELECT 1 FROM no_such_table", "SELEKT 1", "SELECT no_such(1)"]
)
@pytest_twisted.ensureDeferred
async def test_a_senseless_statement_is_our_fault_and_no_outage(store: Store, statement: str) -> None:
    with pytest.raises(DBAPIError):
        await store.read(lambda transaction: transaction.execute(text(statement)).all())


@servers_only
@pytest_twisted.ensureDeferred
async def test_a_question_cannot_change_anything(store: Store) -> None:
    with pytest.raises((DBAPIError, Unavailable)):
        await store.read(note, "1")
    assert await store.read(noted) == []


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
@pytest_twisted.ensureDeferred
async def test_a_server_that_takes_no_changes_is_an_outage(
    open_store: Callable[[], Store], server: Server, store_url: str
) -> None:
    database = store_url.rpartition("/")[2]
    server.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    try:
        store = open_store()
        assert "read-only" in await refused(store.write(note, "1"), AT_ONCE)
        assert await store.read(noted) == []
    finally:
        server.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only")


@pytest_twisted.ensureDeferred
async def test_a_disk_that_is_full_is_an_outage(store: Store, kind: str) -> None:
    raised = {
        "sqlite": "PRAGMA max_page_count=1",
        "postgresql": "DO $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$",
        "mysql": "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1114, MESSAGE_TEXT = 'The table is full'",
    }

    def full(transaction: Transaction) -> None:
        transaction.connection.exec_driver_sql(raised[kind])
        for number in range(1000):
            note(transaction, f"{number}" * 50)

    assert "full" in await refused(store.write(full), AT_ONCE) or kind == "postgresql"
    await store.read(noted)


@servers_only
def test_a_wrong_password_is_told_and_not_shown(empty_url: str, server: Server) -> None:
    wrong = empty_url.replace(server.password, "a-wrong-one")
    with pytest.raises(BadStore) as said:
        migrate(wrong)
    assert "a-wrong-one" not in str(said.value)
    assert "jobsched:***@" in str(said.value)
    assert "password" in str(said.value)


@servers_only
def test_no_server_is_told_at_once_and_without_the_password(empty_url: str, server: Server) -> None:
    server.stop()
    began = time.monotonic()
    with pytest.raises(BadStore, match="refused") as said:
        migrate(empty_url)
    assert time.monotonic() - began < AT_ONCE
    assert server.password not in str(said.value)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://user:secret@host:secret/db",
        "no url, secret",
        "oracle://user:secret@host/db",
        "postgresql://user@127.0.0.1:1/db?password=secret&sslpassword=secret",
    ],
)
def test_a_url_is_never_shown_with_its_password(url: str) -> None:
    assert "secret" not in make_url_safe(url)
    with pytest.raises(BadStore) as said:
        migrate(url)
    assert "secret" not in str(said.value)


def test_the_servers_words_are_told_without_the_password() -> None:
    url = make_url("postgresql+psycopg://me:s3cret@host/db")
    assert db_errors.words(url, Exception("invalid:\n\ts3cret is\nno good")) == "invalid:; *** is; no good"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_every_spelling_of_postgresql_means_our_driver(scheme: str) -> None:
    assert engine.connect(f"{scheme}://me@host/db").url.drivername == "postgresql+psycopg"


@pytest.mark.parametrize("scheme", ["mysql", "mariadb", "mysql+mysqldb", "mariadb+pymysql"])
def test_every_spelling_of_mysql_means_the_driver_we_ship_with(scheme: str) -> None:
    assert engine.connect(f"{scheme}://me@host/db").url.drivername == "mysql+pymysql"


def test_sqlite_is_not_asked_more_than_before(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/db"
    migrate(url)
    made = engine.connect(url)
    for opened, begin in ((engine.reading(made), "BEGIN"), (engine.writing(made), "BEGIN IMMEDIATE")):
        said: list[str] = []
        with opened.connect() as connection:
            present(connection.connection.driver_connection).set_trace_callback(said.append)
            with connection.begin():
                noted(Transaction(connection))
        assert [statement.split(" \n")[0] for statement in said] == [begin, 'SELECT keys."key"', "COMMIT"]
    made.dispose()
