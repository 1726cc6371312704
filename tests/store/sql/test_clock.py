"""The time that all nodes agree on."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import attrs
import pytest
import pytest_twisted
from sqlalchemy import text

from jobsched.model.audit import AuditFilter, Entry
from jobsched.model.ids import Ids
from jobsched.model.job import Policy
from jobsched.store.sql import audit, claims, clock
from jobsched.store.sql.store import Store
from jobsched.store.sql.transaction import Transaction
from tests.store.samples import claimant, job
from tests.store.sql.desk import SqlDesk

LONG_AGO = datetime(2001, 2, 3, 4, 5, 6, 7, UTC)


@pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)
@pytest_twisted.ensureDeferred
async def test_a_server_tells_its_own_time_in_utc_whatever_its_zone(store: Store) -> None:
    before = datetime.fromtimestamp(time.time(), UTC)
    told = await store.read(clock.now, LONG_AGO)
    assert told.tzinfo is UTC
    assert abs(told - before) < timedelta(seconds=5)


@pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)
@pytest_twisted.ensureDeferred
async def test_time_goes_on_within_a_transaction_and_is_told_in_microseconds(store: Store, kind: str) -> None:
    def twice(transaction: Transaction) -> list[datetime]:
        first = clock.now(transaction, LONG_AGO)
        transaction.execute(text("SELECT pg_sleep(0.01)" if kind == "postgresql" else "SELECT SLEEP(0.01)"))
        return [first, clock.now(transaction, LONG_AGO)]

    told = []
    for _ in range(5):
        told += await store.write(twice)
    assert told == sorted(set(told))
    assert any(one.microsecond % 1000 for one in told)


@pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)
@pytest.mark.parametrize("wrong", [timedelta(hours=-3), timedelta(hours=3)])
def test_what_is_due_is_decided_by_the_servers_time_however_wrong_that_of_a_node(
    store_url: str, wrong: timedelta
) -> None:
    desk = SqlDesk.at(store_url)
    now = desk.read(clock.now, LONG_AGO)
    passed, coming = (job(next_due=now + each) for each in (timedelta(seconds=-1), timedelta(hours=1)))
    passed, coming = (
        attrs.evolve(each, policy=Policy(misfire_grace=timedelta(minutes=5))) for each in (passed, coming)
    )
    desk.add(passed, coming)
    who = attrs.evolve(claimant(0), now=now + wrong)
    claimed = desk.write(claims.claim, who, [passed.id, coming.id])
    (started,) = claimed.started
    assert started.job_id == passed.id
    assert now <= started.started <= desk.read(clock.now, LONG_AGO)
    assert claimed.now == started.started
    assert (coming.id, coming.next_due) in claimed.dues
    desk.close()


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
@pytest_twisted.ensureDeferred
async def test_on_one_host_the_nodes_clock_is_the_time(store: Store) -> None:
    assert await store.read(clock.now, LONG_AGO) == LONG_AGO


@pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)
def test_entries_of_the_trail_come_in_the_order_of_the_server_however_wrong_the_time_of_a_node(desk: SqlDesk) -> None:
    ids = Ids()
    for moment in (LONG_AGO + timedelta(days=1), LONG_AGO):
        told = Entry(id=ids.make(moment), at=moment, who=None, address="", node=str(moment), action="job.create")
        assert desk.write(audit.write, told).at > LONG_AGO + timedelta(days=1)
    later, earlier = desk.read(audit.page, 10, None, AuditFilter())
    assert (later.node, later.at > earlier.at) == (str(LONG_AGO), True)
