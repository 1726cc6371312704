"""Clusters for the exam: one server of each kind, and a database of its own for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers import Server
from tests.system.cluster.cluster import Cluster

NAMES = ("alpha", "beta", "gamma")


@pytest.fixture
def kind() -> str:
    """PostgreSQL, unless a test is parametrized with another."""
    return "postgresql"


@pytest.fixture
def cluster(kind: str, running: Callable[[str], Server], tmp_path: Path) -> Iterator[Cluster]:
    """Three nodes, not started yet; nothing is left of them afterwards."""
    cluster = Cluster(tmp_path, running(kind), NAMES)
    try:
        yield cluster
    finally:
        cluster.close()
