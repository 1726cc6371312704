"""Which connection to an SQLite file is used for what."""

from __future__ import annotations

import sqlite3
from typing import cast

import pytest
import pytest_twisted
from sqlalchemy import text
from twisted.internet.defer import gatherResults

from jobsched.store.sql.store import Store
from jobsched.store.sql.transaction import Transaction
from tests import sql_commands as commands
from tests.store.samples import job
from tests.store.sql.desk import job_count

pytestmark = pytest.mark.parametrize("kind", ["sqlite"], indirect=True)


def which(transaction: Transaction) -> object:
    return transaction.connection.connection.dbapi_connection


@pytest_twisted.ensureDeferred
async def test_one_writes_and_nobody_reads_with_it(store: Store) -> None:
    wrote, read = [], []
    for _ in range(3):
        wrote.append(await store.write(which))
        read.append(await store.read(which))
        *more, last = await gatherResults([*(store.read(which) for _ in range(4)), store.write(which)])
        wrote.append(last)
        read += more
    assert len(set(map(id, wrote))) == 1
    assert not set(map(id, wrote)) & set(map(id, read))


@pytest_twisted.ensureDeferred
async def test_after_a_failure_it_goes_on_with_nothing_of_it(store: Store) -> None:
    def fail(transaction: Transaction) -> None:
        commands.add(transaction, job(), None)
        transaction.execute(text("SELECT nonsense"))

    with pytest.raises(Exception, match="nonsense"):
        await store.write(fail)
    await store.write(commands.add, job(), None)
    assert await store.read(job_count) == 1


@pytest_twisted.ensureDeferred
async def test_once_renewed_it_writes_with_another(store: Store) -> None:
    first = cast(sqlite3.Connection, await store.write(which))
    store.renew()
    assert await store.write(which) is not first
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        first.execute("SELECT 1")


@pytest_twisted.ensureDeferred
async def test_what_failed_is_closed_and_nobody_reads_with_it(store: Store) -> None:
    failed: list[object] = []

    def fail(transaction: Transaction) -> None:
        failed.append(which(transaction))
        transaction.execute(text("SELECT nonsense"))

    with pytest.raises(Exception, match="nonsense"):
        await store.write(fail)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        cast(sqlite3.Connection, failed[0]).execute("SELECT 1")
    assert await store.write(which) is not failed[0]
