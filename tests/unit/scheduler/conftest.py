"""What the tests of this folder share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobsched.scheduler import ticker
from tests.unit.scheduler.world import CountedLoop, World


@pytest.fixture(scope="session")
def empty(migrated: Path) -> Path:
    """A database file with the schema and nothing else in it, to copy from."""
    return migrated


@pytest.fixture
def world(tmp_path: Path, empty: Path) -> Iterator[World]:
    """A node in a world whose time stands still; ended after the test, unless that has ended it."""
    world = World.new(tmp_path, empty)
    yield world
    if world.scheduler.running:
        world.stop()


@pytest.fixture
def loops(monkeypatch: pytest.MonkeyPatch) -> list[CountedLoop]:
    """The loops of interval jobs, as they are made."""
    made: list[CountedLoop] = []

    def make(beat: Callable[[], object]) -> CountedLoop:
        made.append(CountedLoop(beat))
        return made[-1]

    monkeypatch.setattr(ticker, "LoopingCall", make)
    return made
