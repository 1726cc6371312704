"""What the tests of MongoDB itself get: running stores on one database, as so many nodes have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from typing import Any, cast

import pytest
import pytest_twisted
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from twisted.internet import reactor

from jobsched.reactor_types import Reactor
from jobsched.store.mongo import schema
from jobsched.store.mongo.store import Store
from tests.servers import Server

_number = count()


@pytest.fixture
def url(running: Callable[[str], Server]) -> Iterator[str]:
    """A database of its own, with nothing in it."""
    name = f"own{next(_number)}"
    yield running("mongodb").create_database(name)
    running("mongodb").drop_database(name)


@pytest.fixture
def open_store(url: str) -> Iterator[Callable[[], Store]]:
    """Makes running stores on it, each with threads of its own."""
    schema.migrate(url)
    stores: list[Store] = []

    def make() -> Store:
        stores.append(Store(cast(Reactor, reactor), url))
        stores[-1].startService()
        return stores[-1]

    yield make
    for store in stores:
        pytest_twisted.blockon(store.stopService())


@pytest.fixture
def fail(url: str) -> Iterator[Callable[..., None]]:
    """Let the server fail at the next so many commands of these names: it cuts the connection, or what is said."""
    with MongoClient[dict[str, Any]](url) as client:

        def begin(commands: list[str], times: int, **how: object) -> None:
            data = {"failCommands": commands, **(how or {"closeConnection": True})}
            try:
                client.admin.command("configureFailPoint", "failCommand", mode={"times": times}, data=data)
            except OperationFailure as why:
                pytest.skip(f"a server that was started without --setParameter enableTestCommands=1: {why}")

        yield begin
        with suppress(OperationFailure):  # the test was skipped
            client.admin.command("configureFailPoint", "failCommand", mode="off")
