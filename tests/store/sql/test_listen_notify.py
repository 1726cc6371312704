"""News between nodes on a real PostgreSQL: who hears what and when, and what becomes of a listener that is cut off."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import attrs
import pytest
from sqlalchemy import event, insert, text

from jobsched.model.ids import EPOCH
from jobsched.store import news_listener
from jobsched.store.sql import engine, listen_notify
from jobsched.store.sql.listen_notify import Listener, tell
from jobsched.store.sql.tables import keys
from jobsched.store.sql.transaction import Transaction
from tests.servers import Mode, Server
from tests.store.sql.desk import SqlDesk

postgresql_only = pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
PATIENCE = 30.0  # seconds for what happens at once, on a busy machine
MOMENT = 5.0  # seconds that an end may take on such a machine
LISTENING = """SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND query IN ('LISTEN jobsched', 'SELECT 1') ORDER BY backend_start"""


@attrs.define
class Ear:
    """A listener on the node `here`, and what it said."""

    url: str
    heard: int = 0
    looked_at: int = 0  # how often it asked whether news are its own
    cuts: list[float] = attrs.field(factory=list)  # when it was cut off
    reasons: list[str] = attrs.field(factory=list)
    listener: Listener = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.listener = Listener(self.url, self._who, self._hear, self._cut, lambda: None)
        self.listener.start()

    def _who(self) -> str:
        self.looked_at += 1
        return "here"

    def _hear(self) -> None:
        self.heard += 1

    def _cut(self, why: str) -> None:
        self.reasons.append(why)
        self.cuts.append(time.monotonic())

    def hears(self, count: int) -> None:
        """It is told so often, or more."""
        until(lambda: self.heard >= count)

    def stop(self) -> float:
        """End it; how many seconds that took."""
        began = time.monotonic()
        self.listener.stop()
        assert self.listener.join(PATIENCE)
        return time.monotonic() - began


@pytest.fixture
def ear(store_url: str) -> Iterator[Ear]:
    """One that listens."""
    made = Ear(store_url)
    made.hears(1)
    yield made
    made.stop()


def until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)


def listening(transaction: Transaction) -> list[int]:
    """The server's processes that serve listeners, the newest last."""
    return list(transaction.execute(text(LISTENING)).scalars())


@postgresql_only
def test_news_come_with_the_commit_and_not_before(ear: Ear, desk: SqlDesk, store_url: str) -> None:
    noted = keys.select().with_only_columns(keys.c.key)
    found = []

    def look() -> None:
        found.append(desk.read(lambda transaction: transaction.execute(noted).scalars().all()))

    ear.listener._heard = look

    def change(transaction: Transaction) -> None:
        tell(transaction, "there")
        transaction.execute(insert(keys).values(scope="test", key="1", digest="", target="", created=EPOCH))
        transaction.execute(text("SELECT pg_sleep(0.3)"))

    desk.write(change)
    until(lambda: bool(found))
    assert found == [["1"]]


@postgresql_only
def test_what_was_rolled_back_is_no_news(ear: Ear, desk: SqlDesk) -> None:
    def fail(transaction: Transaction) -> None:
        tell(transaction, "there")
        raise LookupError

    for _ in range(10):
        with pytest.raises(LookupError):
            desk.write(fail)
    desk.write(tell, "here")  # comes behind the others
    until(lambda: ear.looked_at > 0)
    assert (ear.heard, ear.looked_at) == (1, 1)


@postgresql_only
def test_its_own_news_are_none(ear: Ear, desk: SqlDesk) -> None:
    for _ in range(10):
        desk.write(tell, "here")
    until(lambda: ear.looked_at == 10)
    assert ear.heard == 1
    desk.write(tell, "there")
    ear.hears(2)


@postgresql_only
def test_many_that_come_together_are_one(ear: Ear, desk: SqlDesk) -> None:
    [process] = desk.read(listening)
    os.kill(process, signal.SIGSTOP)
    try:
        for number in range(50):
            desk.write(tell, f"there{number}")
    finally:
        os.kill(process, signal.SIGCONT)
    ear.hears(2)
    looked_at = ear.looked_at
    desk.write(tell, "here")  # comes behind the others
    until(lambda: ear.looked_at > looked_at)
    assert ear.heard == 2


@postgresql_only
@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_it_comes_back_with_its_server_and_says_so_once(
    server: Server, store_url: str, desk: SqlDesk, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    ear = Ear(store_url)
    ear.hears(1)
    server.stop(mode)
    until(lambda: "refused" in ear.reasons[-1])  # cut off, perhaps told of the shutdown, then nobody was there
    server.start()
    ear.hears(2)
    desk.write(tell, "here")
    until(lambda: ear.looked_at == 1)
    assert ear.heard == 2
    desk.write(tell, "there")
    ear.hears(3)
    ear.stop()
    assert "refused" not in ear.reasons[0]
    assert not [reason for reason in ear.reasons if "\n" in reason or server.password in reason]
    assert not caplog.records, "the database's own library has nothing to add"


@postgresql_only
def test_a_connection_that_an_administrator_ends_is_made_again(ear: Ear, desk: SqlDesk) -> None:
    desk.read(
        lambda transaction: transaction.execute(text(f"SELECT pg_terminate_backend(pid) FROM ({LISTENING}) AS them"))
    )
    ear.hears(2)
    assert len(ear.cuts) == 1
    desk.write(tell, "there")
    ear.hears(3)


@postgresql_only
def test_a_server_that_is_silent_and_there_is_asked_and_kept(
    ear: Ear, desk: SqlDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen_notify, "WATCH", 2)  # for which a busy server may be silent
    [process] = desk.read(listening)
    asked = text("SELECT max(query_start) FROM pg_stat_activity WHERE pid = :pid AND query = 'SELECT 1'")
    starts = set()
    desk.write(tell, "there")  # ends the wait that is as long as it was

    def often() -> bool:
        starts.add(desk.read(lambda transaction: transaction.execute(asked, {"pid": process}).scalar()))
        return len(starts - {None}) > 1

    until(often)
    assert desk.read(listening) == [process]
    assert ear.cuts == []


@postgresql_only
def test_a_server_without_answer_is_left_for_a_new_connection(
    ear: Ear, desk: SqlDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen_notify, "WATCH", 2)
    [frozen] = desk.read(listening)
    desk.write(tell, "there")
    ear.hears(2)
    os.kill(frozen, signal.SIGSTOP)
    try:
        ear.hears(3)
        assert ear.reasons[0] == "the server has not answered for 2 s"
        assert desk.read(listening)[-1] != frozen
        desk.write(tell, "there")
        ear.hears(4)
    finally:
        os.kill(frozen, signal.SIGCONT)


@postgresql_only
def test_it_tries_again_after_pauses_that_grow(server: Server, store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    server.stop()
    ear = Ear(store_url)
    until(lambda: len(ear.cuts) > 3)
    gaps = [after - before for before, after in zip(ear.cuts, ear.cuts[1:], strict=False)]
    assert all(gap >= least for gap, least in zip(gaps, (0.1, 0.2, 0.4), strict=False))
    assert ear.heard == 0
    server.start()
    ear.hears(1)
    ear.stop()
    server.stop()
    monkeypatch.setattr(news_listener, "FIRST", 0.001)
    monkeypatch.setattr(news_listener, "LONGEST", 0.01)
    ear = Ear(store_url)
    until(lambda: len(ear.cuts) > 30)  # with a pause that grows for ever it would be weeks
    ear.stop()


@postgresql_only
def test_to_stop_takes_a_moment_and_leaves_nothing(store_url: str, desk: SqlDesk) -> None:
    files = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        ear = Ear(store_url)
        ear.hears(1)
        assert ear.stop() < MOMENT
    assert len(os.listdir("/proc/self/fd")) == files
    assert "store-news" not in {thread.name for thread in threading.enumerate()}
    until(lambda: desk.read(listening) == [])


@postgresql_only
def test_to_stop_takes_a_moment_while_it_pauses(
    server: Server, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news_listener, "FIRST", 10 * MOMENT)
    monkeypatch.setattr(news_listener, "LONGEST", 10 * MOMENT)
    server.stop()
    ear = Ear(store_url)
    until(lambda: bool(ear.cuts))
    assert ear.stop() < MOMENT


@postgresql_only
def test_to_stop_takes_a_moment_while_the_server_is_frozen(ear: Ear, desk: SqlDesk) -> None:
    [frozen] = desk.read(listening)
    os.kill(frozen, signal.SIGSTOP)
    try:
        assert ear.stop() < MOMENT
    finally:
        os.kill(frozen, signal.SIGCONT)


@postgresql_only
def test_a_stop_while_it_connects_takes_as_long_as_to_connect(
    server: Server, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "CONNECT_SECONDS", 2)
    os.kill(server.pid, signal.SIGSTOP)  # the kernel takes connections in its name
    try:
        ear = Ear(store_url)
        ear.listener.stop()
        assert ear.listener.join(PATIENCE)
        assert ear.heard == 0
    finally:
        os.kill(server.pid, signal.SIGCONT)


@pytest.mark.parametrize("kind", ["sqlite", "mysql"], indirect=True)
def test_elsewhere_nothing_is_asked_of_the_database(desk: SqlDesk) -> None:
    said = []

    def change(transaction: Transaction) -> None:
        event.listen(transaction.connection, "before_cursor_execute", lambda *call: said.append(call[2]))
        tell(transaction, "there")

    desk.write(change)
    assert said == []
