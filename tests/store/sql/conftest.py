"""What the tests of SQL itself get: stores and desks that speak it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.store.sql.desk import SqlDesk


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which database, of those that speak SQL."""
    return str(request.param)


@pytest.fixture
def desk(store_url: str) -> Iterator[SqlDesk]:
    """An empty store, and what is asked of it."""
    desk = SqlDesk.at(store_url)
    yield desk
    desk.close()
