"""One suite, every database: each test that asks for `store_url` runs once on each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import cast

import pytest
import pytest_twisted
from twisted.internet import reactor

from jobsched.events import Events
from jobsched.reactor_types import Reactor
from jobsched.store.contract.store import Store
from tests.servers import Server
from tests.store.bench import Engine
from tests.store.engines.mongo import MongoEngine
from tests.store.engines.sql import SqlEngine
from tests.store.samples import Desk

MONGODB = "mongodb"
_number = count()
_ENGINES: dict[str, Engine] = {
    **dict.fromkeys(("sqlite", "postgresql", "mysql"), SqlEngine()),
    MONGODB: MongoEngine(),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`-m mongodb` selects what is asked of MongoDB."""
    for item in items:
        if (
            isinstance(item, pytest.Function)
            and hasattr(item, "callspec")
            and item.callspec.params.get("kind") == MONGODB
        ):
            item.add_marker(MONGODB)


@pytest.fixture(params=list(_ENGINES))
def kind(request: pytest.FixtureRequest) -> str:
    """Which database; a test that is for some alone says `@pytest.mark.parametrize("kind", [...], indirect=True)`."""
    return str(request.param)


@pytest.fixture
def engine(kind: str) -> Engine:
    """What the tests can do with a database of that kind besides what the contract says."""
    return _ENGINES[kind]


@pytest.fixture
def server(kind: str, running: Callable[[str], Server]) -> Iterator[Server]:
    """The server behind `store_url`, to be stopped and started at will."""
    one = running(kind)
    yield one
    one.stop("immediate")
    one.start()


@pytest.fixture
def empty_url(kind: str, tmp_path: Path, running: Callable[[str], Server]) -> Iterator[str]:
    """A database of its own, with nothing in it."""
    if kind == "sqlite":
        yield f"sqlite:///{tmp_path}/jobsched.sqlite"
        return
    name = f"test{next(_number)}"
    yield running(kind).create_database(name)
    running(kind).drop_database(name)


@pytest.fixture
def new_url(empty_url: str, engine: Engine) -> str:
    """A database of its own with our tables, for tests that change more than rows."""
    engine.migrate(empty_url)
    return empty_url


@pytest.fixture(scope="session")
def kept() -> dict[str, str]:
    """The database that all tests of a server share, one after the other: to make one takes longer than most tests."""
    return {}


@pytest.fixture
def store_url(kind: str, tmp_path: Path, running: Callable[[str], Server], kept: dict[str, str], engine: Engine) -> str:
    """A database with our tables, and nothing in them."""
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path}/jobsched.sqlite"
        engine.migrate(url)
        return url
    if kind not in kept:
        kept[kind] = running(kind).create_database("kept")
        engine.migrate(kept[kind])
    engine.clear(kept[kind])
    return kept[kind]


@pytest.fixture
def told_time(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is, in every database, the time that the caller says: for tests that make up their own."""
    engine.believe(monkeypatch)


@pytest.fixture
def open_store(store_url: str, engine: Engine) -> Iterator[Callable[[], Store]]:
    """Makes running stores on the one database, as so many nodes have them."""
    stores: list[Store] = []

    def make() -> Store:
        stores.append(engine.start(cast(Reactor, reactor), store_url))
        return stores[-1]

    yield make
    for store in stores:
        pytest_twisted.blockon(store.stopService())


@pytest.fixture
def store(open_store: Callable[[], Store]) -> Store:
    """A running store."""
    return open_store()


@pytest.fixture
def open_desk(store_url: str, engine: Engine) -> Iterator[Callable[..., Desk]]:
    """Makes desks that ask the one database; `everyone` as of a store."""
    desks: list[Desk] = []

    def make(everyone: str | None = None) -> Desk:
        events = Events()
        store, bench = engine.open(store_url, events, everyone)
        desks.append(Desk(store, bench, events))
        return desks[-1]

    yield make
    for desk in desks:
        desk.close()


@pytest.fixture
def desk(open_desk: Callable[..., Desk]) -> Desk:
    """An empty store, and what is asked of it."""
    return open_desk()


@pytest.fixture
def told(desk: Desk) -> list[tuple[str, str]]:
    """What was told: runs and their states."""
    heard: list[tuple[str, str]] = []
    desk.events.runs_ended.subscribe(lambda runs: heard.extend((run.id, run.state) for run in runs))
    return heard
