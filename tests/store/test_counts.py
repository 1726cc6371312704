"""What is counted of the whole store, and what it costs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs

from jobsched.model.delivery import Delivery
from jobsched.model.health import Counts
from jobsched.model.order import PauseJob
from tests.store.samples import IDS, T0, Desk, at, job, run


def deliver(desk: Desk, *states: Any) -> None:
    one = Delivery(
        id="", job_id="job", run_id=None, task="task", event="failed", url=None, place="", body={}, created=T0,
        not_before=T0,
    )  # fmt: skip
    desk.bench.add_deliveries(attrs.evolve(one, id=IDS.make(T0), state=state) for state in states)


def test_where_nothing_is_every_state_is_there(desk: Desk) -> None:
    assert desk.ask(desk.store.counts()) == Counts(
        jobs={"scheduled": 0, "paused": 0, "ended": 0}, overdue=0, waiting=0,
        deliveries={"waiting": 0, "delivered": 0, "failed": 0},
    )  # fmt: skip


def test_each_is_counted_where_it_belongs(desk: Desk) -> None:
    many = [job(name=str(number)) for number in range(7)]
    many[4] = attrs.evolve(many[4], next_due=None)
    many[5] = attrs.evolve(many[5], next_due=None, paused=True)
    desk.add(*many)
    desk.order(PauseJob(job_id=many[6].id), 1)
    for each in (many[0], many[6]):
        desk.bench.replace_job(attrs.evolve(desk.job(each.id), overdue=T0 + timedelta(days=1)))
    desk.insert(run(1), run(2, state="waiting"), run(3, state="waiting"), run(4, state="failed", ended=at(5)))
    deliver(desk, "waiting", "failed", "failed", "delivered", "delivered", "delivered")

    found = desk.ask(desk.store.counts())
    assert found.jobs == {"scheduled": 4, "paused": 2, "ended": 1}
    assert (found.overdue, found.waiting) == (2, 2)
    assert found.deliveries == {"waiting": 1, "delivered": 3, "failed": 2}
    states = [each.state for each in (*many[:6], attrs.evolve(many[6], paused=True))]
    assert {state: states.count(state) for state in set(states)} == {"scheduled": 4, "paused": 2, "ended": 1}
