"""The time that all nodes agree on, where the database has a clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs
import pytest

from jobsched.model.audit import AuditFilter, Entry
from jobsched.model.ids import Ids
from jobsched.model.job import Policy
from tests.store.samples import Desk, claimant, job

LONG_AGO = datetime(2001, 2, 3, 4, 5, 6, 7, UTC)


@pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)
@pytest.mark.parametrize("wrong", [timedelta(hours=-3), timedelta(hours=3)])
def test_the_servers_time_decides_a_due_and_not_that_of_a_node(desk: Desk, wrong: timedelta) -> None:
    now = desk.bench.now(LONG_AGO)
    passed, coming = (job(next_due=now + each) for each in (timedelta(seconds=-1), timedelta(hours=1)))
    passed, coming = (
        attrs.evolve(each, policy=Policy(misfire_grace=timedelta(minutes=5))) for each in (passed, coming)
    )
    desk.add(passed, coming)
    who = attrs.evolve(claimant(0), now=now + wrong)
    claimed = desk.ask(desk.store.claims.claim(who, [passed.id, coming.id]))
    (started,) = claimed.started
    assert started.job_id == passed.id
    assert started.started is not None
    assert now <= started.started <= desk.bench.now(LONG_AGO)
    assert claimed.now == started.started
    assert (coming.id, coming.next_due) in claimed.dues


@pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)
def test_the_trail_is_in_the_order_of_the_server_not_of_nodes(desk: Desk) -> None:
    ids = Ids()
    for moment in (LONG_AGO + timedelta(days=1), LONG_AGO):
        told = Entry(id=ids.make(moment), at=moment, who=None, address="", node=str(moment), action="job.create")
        [written] = desk.bench.add_entries([told])
        assert written.at > LONG_AGO + timedelta(days=1)
    later, earlier = desk.ask(desk.store.for_callers.audit.page(10, None, AuditFilter(), 1 << 20)).values
    assert (later.node, later.at > earlier.at) == (str(LONG_AGO), True)
