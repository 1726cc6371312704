"""Callers never keep all threads of the store busy, and what they ask does not wait without end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import cast

import pytest
import pytest_twisted
from sqlalchemy import insert, select
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, gatherResults

from jobsched.model.errors import Busy
from jobsched.model.ids import EPOCH
from jobsched.reactor_types import Reactor
from jobsched.store.sql.store import Store
from jobsched.store.sql.tables import keys
from jobsched.store.sql.transaction import Transaction

BUSY, WAITING = 2, 3


class Gate:
    """Questions and changes that take as long as a test likes."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._inside = threading.Semaphore(0)
        self.passed: list[str] = []

    def __call__(self, _: Transaction, name: str) -> str:
        self._inside.release()
        assert self._open.wait(60)
        self.passed.append(name)
        return name

    def taken(self, count: int) -> bool:
        """Wait until so many are inside."""
        return all(self._inside.acquire(timeout=30) for _ in range(count))

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()


@pytest.fixture
def small(store_url: str, gate: Gate) -> Iterator[Store]:
    """A store that two callers may keep busy, and that lets three more wait."""
    store = Store(cast(Reactor, reactor), store_url, threads=BUSY, waiting=WAITING)
    store.startService()
    yield store
    gate.open()
    pytest_twisted.blockon(store.stopService())


def note(transaction: Transaction, key: str) -> None:
    transaction.execute(insert(keys).values(scope="test", key=key, digest="", target="", created=EPOCH))


def noted(transaction: Transaction) -> list[str]:
    return list(transaction.execute(select(keys.c.key).order_by(keys.c.key)).scalars())


@pytest_twisted.ensureDeferred
async def test_however_much_callers_ask_our_own_question_has_a_thread(small: Store, gate: Gate) -> None:
    asked = [small.for_callers.read(gate, str(number)) for number in range(BUSY + WAITING)]
    assert gate.taken(BUSY)
    with pytest.raises(Busy):
        small.for_callers.read(gate, "one more")
    assert await gatherResults([small.read(noted), small.read(noted)]) == [[], []]
    asked[-1].cancel()
    with pytest.raises(CancelledError):
        await asked.pop()
    last = small.for_callers.read(gate, "last")  # in the place of the one that is not wanted any more
    gate.open()
    assert await gatherResults([*asked, last]) == ["0", "1", "2", "3", "last"]
    assert sorted(gate.passed) == ["0", "1", "2", "3", "last"]


@pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)
@pytest_twisted.ensureDeferred
async def test_our_own_change_has_a_thread_however_much_callers_write(small: Store, gate: Gate) -> None:
    asked = [small.for_callers.write(gate, str(number)) for number in range(BUSY + WAITING)]
    assert gate.taken(BUSY)
    with pytest.raises(Busy):
        small.for_callers.write(gate, "one more")
    await small.write(note, "ours")
    assert gate.passed == []
    gate.open()
    await gatherResults(asked)


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
@pytest_twisted.ensureDeferred
async def test_on_one_thread_our_own_change_waits_for_two_of_callers(small: Store, gate: Gate) -> None:
    done: list[str] = []
    asked = [small.for_callers.write(gate, str(number)).addCallback(done.append) for number in range(2 + WAITING)]
    assert gate.taken(1)
    with pytest.raises(Busy):
        small.for_callers.write(gate, "one more")
    ours: Deferred[None] = small.write(note, "ours").addCallback(lambda _: done.append("ours"))
    gate.open()
    await gatherResults([*asked, ours])
    assert done == ["0", "1", "ours", "2", "3", "4"]
