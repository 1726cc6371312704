"""What the store says of jobs that will be due."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from jobsched.model.draft import Draft
from jobsched.model.hold import Hold
from jobsched.model.job import Job, Pause
from jobsched.model.labels import About, Label
from jobsched.model.order import PutHold, ReleaseHold
from jobsched.model.selection import Selection
from jobsched.model.upcoming import Planned, PlannedFilter, Stop
from tests.store.samples import IDS, T0, Desk, at, job

pytestmark = pytest.mark.usefixtures("told_time")


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
    assert [each.id for each in planned(desk, 9999, job_id=late.id)] == [late.id]
    assert planned(desk, 3600, job_id=late.id) == planned(desk, 9999, job_id=paused.id) == []


def test_what_stops_them_for_a_while_comes_with_them(desk: Desk) -> None:
    pause = Pause(by="bob", at=T0, until=at(500), reason="ill")
    batch, ill, other = job(60, name="batch-1"), job(90, paused=True, pause=pause), job(120)
    forever = job(60, paused=True, pause=attrs.evolve(pause, until=None))
    both = job(150, name="batch-2", paused=True, pause=pause)
    desk.add(batch, ill, other, forever, both)
    held = Hold(by=None, at=at(1), until=at(700), reason="why", select=Selection(names=("batch-*",)), missed="catch_up")
    desk.order(PutHold(hold=held, anew=True), 1)
    paused = Stop(at(500), "paused by bob until 2024-01-01T00:08:20Z: ill; it is skipped")
    stop = Stop(
        at(700),
        "on hold by alice until 2024-01-01T00:11:40Z: why; it is left until then, for misfire_grace and catch_up",
    )
    assert [(each.id, each.stops) for each in planned(desk, 999)] == [
        (batch.id, (stop,)), (ill.id, (paused,)), (other.id, ()), (both.id, (paused, stop))
    ]  # fmt: skip
    assert [each.id for each in planned(desk, 999, most=3)] == [batch.id, ill.id, other.id]
    desk.order(ReleaseHold(), 2)
    assert planned(desk, 999)[0].stops[0].until == at(2)


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
