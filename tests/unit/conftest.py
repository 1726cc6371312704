"""What each daemon of the unit tests would make anew, and is the same for all: tables, and the text of statements."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import URL, Engine

from jobsched.store.sql import engine, schema


def pytest_collection() -> None:
    """Hundreds of modules are imported now, and next to none of what they make is garbage."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Takes what is there for good out of the garbage collector's rounds, which come less often.

    They were a fifth of the processor time of tests/unit/rest. Garbage that tests make is still collected.
    """
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an empty store, to copy from: to make its tables takes ten times as long."""
    path = tmp_path_factory.mktemp("migrated") / "jobsched.sqlite"
    schema.migrate(f"sqlite:///{path}")
    return path


_opened: list[Engine] = []  # by the test that runs


@pytest.fixture(scope="session")
def sharing(migrated: Path) -> Callable[..., Engine]:
    """Makes engines that have each statement for SQLite written as text once for all of them, and not once for each.

    SQLAlchemy keeps that text by the engine's dialect and the shape of the statement. Every engine of ours gives the
    same arguments to its dialect, so one dialect does for all.
    """
    create = sqlalchemy.create_engine
    first = engine.connect(f"sqlite:///{migrated}")
    first.connect().close()  # a dialect learns what its database can do from the first connection
    first.dispose()

    def sharing(target: URL, **given: Any) -> Engine:
        made = create(target, **given)
        _opened.append(made)
        if made.dialect.name == "sqlite":
            made.dialect = first.dialect
            made._compiled_cache = first._compiled_cache
        return made

    return sharing


@pytest.fixture(autouse=True)
def quick(sharing: Callable[..., Engine]) -> Iterator[None]:
    """For the tests of this folder alone: others in the same process have their engines as they are. Closes what a
    test opened; from Python 3.13 on, a connection that is left open is a warning."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "create_engine", sharing)
        patch.setitem(engine.SQLITE, "synchronous", "OFF")  # no test here cuts the power
        yield
    while _opened:
        _opened.pop().dispose()
