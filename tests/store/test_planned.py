"""What the store says of jobs that will be due."""

from __future__ import annotations

from typing import Any

import attrs

from jobsched.model.draft import Draft
from jobsched.model.job import Job
from jobsched.model.labels import About, Label
from jobsched.model.upcoming import Planned, PlannedFilter
from tests.store.samples import IDS, T0, Desk, at, job


def planned(desk: Desk, end: float, most: int = 99, **only: Any) -> list[Planned]:
    return desk.ask(desk.store.jobs.planned(PlannedFilter(end=at(end), **only), most))


def test_jobs_that_will_be_due_come_soonest_first(desk: Desk) -> None:
    cron = Draft(task="task", name="cron", cron="*/5 * * * *", timezone="Europe/Berlin", end=at(9999), max_runs=7)
    nightly: Job = attrs.evolve(cron.job(IDS.make(T0), T0), starts=3)
    soon, late, paused, over = job(60), job(3600), job(60, paused=True), job(60, next_due=None)
    desk.add(late, nightly, paused, over, soon)
    assert [each.id for each in planned(desk, 3600)] == [soon.id, nightly.id]
    assert [each.id for each in planned(desk, 3600.000001)] == [soon.id, nightly.id, late.id]
    assert [each.id for each in planned(desk, 9999, most=1)] == [soon.id]
    found = planned(desk, 3600)[1]
    assert found == Planned(
        id=nightly.id, name="cron", task="task", schedule=nightly.schedule, timezone="Europe/Berlin",
        next_due=nightly.next_due or T0, left=4,
    )  # fmt: skip
    assert planned(desk, 3600)[0].left is None


def test_they_are_of_a_task_with_labels_and_may_be_seen(desk: Desk) -> None:
    one = job(about=About(labels={"team": "data"}))
    other = job(task="backup")
    desk.add(one, other)

    def ids(**only: Any) -> list[str]:
        return [each.id for each in planned(desk, 99, **only)]

    assert ids(task="backup") == [other.id]
    assert ids(labels=(Label("team", "data"),)) == [one.id]
    assert ids(tasks=("back*",)) == [other.id]
    assert ids(tasks=()) == []
    assert len(ids()) == 2
