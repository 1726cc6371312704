"""The end of a store: what is under way is done, nobody waits in the reactor for it, and nobody waits for ever."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import cast

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from jobsched.model.errors import Unavailable
from jobsched.reactor_types import Reactor
from jobsched.store.sql import queries
from jobsched.store.sql.store import Store
from jobsched.store.sql.transaction import Transaction
from jobsched.threads import OVER, waited_for

LONG = 10.0  # seconds; only a failure takes them


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize("way", [Store.read, Store.write])
@pytest_twisted.ensureDeferred
async def test_the_reactor_goes_on_while_the_last_work_ends(store_url: str, way: Callable[..., Deferred[bool]]) -> None:
    store, let_go = Store(cast(Reactor, reactor), store_url), Event()
    store.startService()

    def slow(_: Transaction) -> bool:
        return let_go.wait(LONG)

    under_way = way(store, slow)
    ended = store.stopService()
    await deferLater(reactor, 0.05, let_go.set)
    assert await under_way, "nobody let it go: the reactor stood still"
    await ended


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
@pytest_twisted.ensureDeferred
async def test_what_is_asked_at_the_end_is_refused_not_forgotten(store_url: str) -> None:
    store = Store(cast(Reactor, reactor), store_url)
    store.startService()
    await store.read(queries.answers)
    ended = store.stopService()
    for way in (store.read, store.write):
        with pytest.raises(Unavailable, match=OVER):
            await way(queries.answers).addTimeout(LONG, reactor)
    await ended


@pytest_twisted.ensureDeferred
async def test_a_fault_while_it_is_waited_for_is_told() -> None:
    with pytest.raises(ZeroDivisionError):
        await waited_for(cast(Reactor, reactor), lambda: 1 / 0, "a test")
