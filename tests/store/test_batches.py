"""One order on many jobs: all of it or nothing, or what can be done, or nothing but what would be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from jobsched.model.batch import MOST, Batch, BatchAction
from jobsched.model.caller import Caller
from jobsched.model.errors import Conflict, Invalid, Stale
from jobsched.model.hold import Hold
from jobsched.model.job import Job
from jobsched.model.order import BatchJobs, ChangeJob, DeleteJob, Order, PauseJob, PutHold, ResumeJob, RunJob
from jobsched.model.selection import Selection
from tests.store.samples import IDS, Desk, at, job, signature

pytestmark = pytest.mark.usefixtures("told_time")

BATCH = Selection(names=("batch-*",))


def renamed(found: Job, _: Any) -> Job:
    if found.name == "batch-2":
        raise Invalid("cannot be", "/name")
    return attrs.evolve(found, name=f"new {found.name}")


HOW: dict[str, Callable[[str], Order[Any]]] = {
    "pause": lambda job_id: PauseJob(job_id=job_id, until=at(300)),
    "resume": lambda job_id: ResumeJob(job_id=job_id),
    "run": lambda job_id: RunJob(job_id=job_id),
    "change": lambda job_id: ChangeJob(job_id=job_id, versions=None, revise=renamed),
    "delete": lambda job_id: DeleteJob(job_id=job_id),
}


def four(desk: Desk) -> list[Job]:
    """Three that are meant, and one that is not."""
    jobs = [job(name=name, made=n) for n, name in enumerate(("batch-1", "batch-2", "batch-3", "other"))]
    desk.add(*jobs)
    return jobs


def batch(desk: Desk, action: BatchAction, **fields: Any) -> Batch:
    caller, group = fields.pop("caller", Caller()), fields.pop("group", IDS.make(at(10)))
    given = {"select": BATCH, "action": action, "order": HOW[action]} | fields
    return desk.order(BatchJobs(**given), 10, by=signature(10, id=group), caller=caller)


def results(found: Batch) -> list[tuple[str, str]]:
    return [(part.name, part.result) for part in found.parts]


def test_all_that_are_selected_are_changed_as_one_group(desk: Desk) -> None:
    jobs = four(desk)
    found = batch(desk, "pause", group="the-group")
    assert results(found) == [(one.name, "done") for one in jobs[:3]]
    assert {part.version for part in found.parts} == {2}
    assert [part.after for part in found.parts] == [{"paused": True, "paused_until": "2024-01-01T00:05:00Z"}] * 3
    assert [desk.job(one.id).paused for one in jobs] == [True, True, True, False]
    entries = desk.bench.entries()
    assert {entry.group for entry in entries} == {"the-group"}
    assert len({entry.id for entry in entries}) == 4
    assert [(entry.action, entry.target) for entry in sorted(entries, key=lambda entry: entry.id)] == [
        *(("job.pause", one.id) for one in jobs[:3]), ("jobs.batch", None),
    ]  # fmt: skip
    whole = next(entry for entry in entries if entry.action == "jobs.batch")
    assert whole.after == {"action": "pause", "select": {"names": ["batch-*"]}, "jobs": 3}


def test_what_changes_nothing_has_no_entry(desk: Desk) -> None:
    four(desk)
    assert {result for _, result in results(batch(desk, "resume"))} == {"unchanged"}
    assert batch(desk, "pause", select=Selection(names=("nothing",))) == Batch()
    assert desk.bench.entries() == []


def test_one_that_is_refused_refuses_all_and_is_named(desk: Desk) -> None:
    jobs = four(desk)
    with pytest.raises(Invalid) as refused:
        batch(desk, "change")
    assert (refused.value.detail, refused.value.pointer) == (f"cannot be (job {jobs[1].id})", "/name")
    assert desk.bench.entries() == []
    assert [desk.job(one.id).name for one in jobs] == [one.name for one in jobs]


def test_what_can_be_done_is_done_where_the_rest_may_be_refused(desk: Desk) -> None:
    jobs = four(desk)
    found = batch(desk, "change", partial=True)
    assert results(found) == [("batch-1", "done"), ("batch-2", "refused"), ("batch-3", "done")]
    assert found.parts[1].detail == "cannot be"
    assert [desk.job(one.id).name for one in jobs] == ["new batch-1", "batch-2", "new batch-3", "other"]
    assert len(desk.bench.entries()) == 3


@pytest.mark.parametrize("action", list(HOW))
def test_a_plan_does_nothing_and_says_what_would_be(desk: Desk, action: BatchAction) -> None:
    jobs = four(desk)
    desk.claim(60, jobs[0])
    before = (desk.bench.jobs(), desk.bench.runs())
    told: list[Any] = []
    desk.events.runs_ended.subscribe(told.extend)
    found = batch(desk, action, plan=True)
    assert (desk.bench.jobs(), desk.bench.runs(), desk.bench.entries(), told) == (*before, [], [])
    assert results(found)[1][1] == {"change": "refused", "resume": "unchanged"}.get(action, "done")
    assert (found.ended, found.replaced, {part.run_id for part in found.parts}) == ((), (), {None})
    done = batch(desk, action, partial=True)
    assert [attrs.evolve(part, run_id=None) for part in done.parts] == list(found.parts)


def test_runs_are_made_and_what_runs_is_answered(desk: Desk) -> None:
    jobs = four(desk)
    found = batch(desk, "run")
    assert [part.run_id for part in found.parts] == [run.id for run in sorted(desk.runs(), key=lambda run: run.job_id)]
    desk.claim(11)
    assert {run.state for run in desk.runs()} == {"running"}
    gone = batch(desk, "delete", order=lambda job_id: DeleteJob(job_id=job_id, cancel="why"))
    assert {run.job_id for run in gone.ended} == {one.id for one in jobs[:3]}
    assert [one.id for one in desk.bench.jobs()] == [jobs[3].id]


def test_versions_that_were_seen_are_checked_of_all(desk: Desk) -> None:
    jobs = four(desk)
    desk.order(PauseJob(job_id=jobs[1].id), 5)
    seen = {jobs[0].id: 1, jobs[1].id: 1, jobs[3].id: 1}
    with pytest.raises(Stale) as refused:
        batch(desk, "pause", versions=seen)
    for differs in jobs[1:]:
        assert differs.id in str(refused.value)
    assert jobs[0].id not in str(refused.value)
    found = batch(desk, "pause", versions=seen, partial=True)
    assert results(found) == [("batch-1", "done"), ("batch-2", "stale"), ("batch-3", "stale"), ("", "stale")]
    now = {one.id: desk.job(one.id).version for one in jobs[:3]}
    assert {result for _, result in results(batch(desk, "resume", versions=now))} == {"done", "unchanged"}


def test_a_caller_for_some_tasks_changes_those_jobs_alone(desk: Desk) -> None:
    jobs = four(desk)
    desk.bench.replace_job(attrs.evolve(jobs[1], task="secret"))
    found = batch(desk, "pause", caller=Caller(name="carol", tasks=("task",)))
    assert [part.name for part in found.parts] == ["batch-1", "batch-3"]


def test_what_is_on_hold_is_not_run(desk: Desk) -> None:
    jobs = four(desk)
    desk.order(PutHold(hold=Hold(by=None, at=at(1), select=Selection(ids=(jobs[1].id,))), anew=True), 1)
    with pytest.raises(Conflict) as refused:
        batch(desk, "run")
    assert str(refused.value) == f"job {jobs[1].id}: on hold by alice; force=1 runs it all the same"
    assert desk.runs() == []


def test_more_than_can_be_changed_at_once_are_refused(desk: Desk) -> None:
    desk.add(*(job(name="batch-x", made=n / 1000) for n in range(MOST + 1)))
    with pytest.raises(Invalid) as refused:
        batch(desk, "pause")
    assert refused.value.pointer == "/select"
