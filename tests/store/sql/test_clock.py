"""The time that all nodes agree on."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
import pytest_twisted
from sqlalchemy import text

from jobsched.store.sql.store import Store
from jobsched.store.sql.transaction import Transaction, database_now

LONG_AGO = datetime(2001, 2, 3, 4, 5, 6, 7, UTC)


@pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)
@pytest_twisted.ensureDeferred
async def test_a_server_tells_its_own_time_in_utc_whatever_its_zone(store: Store) -> None:
    before = datetime.fromtimestamp(time.time(), UTC)
    told = await store.read(database_now, LONG_AGO)
    after = datetime.fromtimestamp(time.time(), UTC)
    assert told.tzinfo is UTC
    assert before - timedelta(seconds=1) < told < after + timedelta(seconds=1)


@pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)
@pytest_twisted.ensureDeferred
async def test_time_goes_on_within_a_transaction_in_microseconds(store: Store, kind: str) -> None:
    def twice(transaction: Transaction) -> list[datetime]:
        first = database_now(transaction, LONG_AGO)
        transaction.execute(text("SELECT pg_sleep(0.01)" if kind == "postgresql" else "SELECT SLEEP(0.01)"))
        return [first, database_now(transaction, LONG_AGO)]

    told = []
    for _ in range(5):
        told += await store.write(twice)
    assert told == sorted(set(told))
    assert any(one.microsecond % 1000 for one in told)


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
@pytest_twisted.ensureDeferred
async def test_on_one_host_the_nodes_clock_is_the_time(store: Store) -> None:
    assert await store.read(database_now, LONG_AGO) == LONG_AGO
