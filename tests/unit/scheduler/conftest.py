"""What the tests of this folder share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jobsched.scheduler import ticker
from tests.unit.scheduler.world import CountedLoop


@pytest.fixture(scope="session")
def empty(migrated: Path) -> Path:
    """A database file with the schema and nothing else in it, to copy from."""
    return migrated


@pytest.fixture
def loops(monkeypatch: pytest.MonkeyPatch) -> list[CountedLoop]:
    """The loops of interval jobs, as they are made."""
    made: list[CountedLoop] = []

    def make(beat: Callable[[], object]) -> CountedLoop:
        made.append(CountedLoop(beat))
        return made[-1]

    monkeypatch.setattr(ticker, "LoopingCall", make)
    return made
