"""What is counted of the whole store, and what it costs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest
from sqlalchemy import insert, update

from jobsched.model.delivery import Delivery
from jobsched.model.health import Counts
from jobsched.store.sql import commands
from jobsched.store.sql.counts import counts
from jobsched.store.sql.tables import deliveries, jobs
from jobsched.store.sql.transaction import Transaction
from tests.store.samples import IDS, T0, at, job, run
from tests.store.sql.desk import SqlDesk


def deliver(transaction: Transaction, *states: str) -> None:
    one = Delivery(
        id="", job_id="job", run_id=None, task="task", event="failed", url=None, place="", body={}, created=T0,
        not_before=T0,
    )  # fmt: skip
    rows = [attrs.asdict(one) | {"id": IDS.make(T0), "state": state} for state in states]
    transaction.execute(insert(deliveries), rows)


def test_where_nothing_is_every_state_is_there(desk: SqlDesk) -> None:
    assert desk.read(counts) == Counts(
        jobs={"scheduled": 0, "paused": 0, "ended": 0}, overdue=0, waiting=0,
        deliveries={"waiting": 0, "delivered": 0, "failed": 0},
    )  # fmt: skip


def test_each_is_counted_where_it_belongs(desk: SqlDesk) -> None:
    many = [job(name=str(number)) for number in range(7)]
    many[4] = attrs.evolve(many[4], next_due=None)
    many[5] = attrs.evolve(many[5], next_due=None, paused=True)
    desk.add(*many)
    desk.write(commands.pause, many[6].id, at(1))
    desk.write(lambda transaction: transaction.execute(
        update(jobs).where(jobs.c.id.in_([many[0].id, many[6].id])).values(overdue=T0 + timedelta(days=1))
    ))  # fmt: skip
    desk.insert(run(1), run(2, state="waiting"), run(3, state="waiting"), run(4, state="failed", ended=at(5)))
    desk.write(deliver, "waiting", "failed", "failed", "delivered", "delivered", "delivered")

    found = desk.read(counts)
    assert found.jobs == {"scheduled": 4, "paused": 2, "ended": 1}
    assert (found.overdue, found.waiting) == (2, 2)
    assert found.deliveries == {"waiting": 1, "delivered": 3, "failed": 2}
    states = [each.state for each in (*many[:6], attrs.evolve(many[6], paused=True))]
    assert {state: states.count(state) for state in set(states)} == {"scheduled": 4, "paused": 2, "ended": 1}


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
def test_no_table_is_read_for_it(desk: SqlDesk) -> None:
    def plans(transaction: Transaction) -> list[str]:
        raw: Any = transaction.connection.connection.driver_connection
        asked: list[str] = []
        raw.set_trace_callback(asked.append)
        counts(transaction)
        raw.set_trace_callback(None)
        return [row[3] for statement in asked for row in raw.execute(f"EXPLAIN QUERY PLAN {statement}")]

    found = [plan for plan in desk.read(plans) if "TEMP B-TREE" not in plan]
    assert len(found) == 4
    assert all("USING COVERING INDEX" in plan for plan in found), found
