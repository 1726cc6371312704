"""One migrated database for all tests here, which each of them copies."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.scheduler.world import empty_store


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with the schema and nothing else in it."""
    return empty_store(tmp_path_factory.mktemp("empty"))
