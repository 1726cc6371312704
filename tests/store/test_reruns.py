"""Runs that a caller asks for once more, or for a due that has passed, and with other parameters."""

from __future__ import annotations

import pytest

from jobsched.model.errors import Conflict, NotFound
from jobsched.model.hold import Hold
from jobsched.model.job import Job
from jobsched.model.order import ChangeJob, DeleteJob, IdempotencyKey, PutHold, RerunRun, RunJob
from tests.store.samples import Desk, at, job, run

pytestmark = pytest.mark.usefixtures("told_time")
THEN = {"who": "alice"}


def ended(desk: Desk, one: Job) -> str:
    """The id of a run of that job, with parameters of its own, that has failed."""
    then = run(
        60, job_id=one.id, job_name=one.name, state="failed", reason="exit code 1", ended=at(61), parameters=THEN
    )
    desk.insert(then)
    return then.id


def test_a_rerun_has_the_parameters_of_then(desk: Desk) -> None:
    desk.add(one := job(parameters={"who": "bob"}))
    first = ended(desk, one)
    again = desk.order(RerunRun(run_id=first), 100).run
    stored = next(each for each in desk.runs() if each.id == again.id)
    assert (stored.rerun_of, stored.parameters, stored.due, stored.cause) == (first, THEN, at(100), "manual")
    assert stored.state == "waiting"


def test_what_is_on_hold_is_rerun_by_force_alone(desk: Desk) -> None:
    desk.add(one := job())
    first = ended(desk, one)
    desk.order(PutHold(hold=Hold(by=None, at=at(90), reason="upgrade"), anew=True), 90)
    with pytest.raises(Conflict, match="on hold by alice: upgrade; force=1"):
        desk.order(RerunRun(run_id=first), 100)
    again = desk.order(RerunRun(run_id=first, force=True), 100).run
    assert (again.forced, again.rerun_of) == (True, first)


def test_a_key_reruns_once(desk: Desk) -> None:
    desk.add(one := job())
    order = RerunRun(run_id=ended(desk, one), key=IdempotencyKey(scope="/runs", key="k", digest="d"))
    first, second = desk.order(order, 100), desk.order(order, 101)
    assert (second.run.id, second.again) == (first.run.id, True)


def test_what_goes_on_is_not_run_again(desk: Desk) -> None:
    desk.add(one := job())
    desk.insert(active := run(60, job_id=one.id))
    with pytest.raises(Conflict, match="has not ended yet: it is running"):
        desk.order(RerunRun(run_id=active.id), 100)
    with pytest.raises(NotFound):
        desk.order(RerunRun(run_id="no run"), 100)


def test_a_job_that_is_gone_or_another_by_now_is_not_run_again(desk: Desk) -> None:
    desk.add(one := job(3600), other := job(3600, task="another"))
    first, second = ended(desk, one), ended(desk, other)
    desk.order(DeleteJob(job_id=one.id), 90)
    with pytest.raises(Conflict, match="is deleted: it cannot be run again"):
        desk.order(RerunRun(run_id=first), 100)
    with pytest.raises(Conflict, match="has the task another by now, and had task then"):
        desk.order(RerunRun(run_id=second), 100)


def test_a_run_for_a_past_due_stands_beside_its_record(desk: Desk) -> None:
    desk.add(one := job(3600))
    desk.insert(run(3600, job_id=one.id, state="missed", ended=at(7000)))
    first = desk.order(RunJob(job_id=one.id, due=at(3600)), 7200).run
    second = desk.order(RunJob(job_id=one.id, due=at(3600)), 7200).run
    assert [first.due, second.due] == [at(3600.000001), at(3600.000002)]
    assert (first.state, second.state) == ("waiting", "skipped")


def test_parameters_of_a_run_leave_those_of_the_job(desk: Desk) -> None:
    desk.add(one := job(parameters={"who": "bob", "times": 2}))
    made = desk.order(RunJob(job_id=one.id, parameters=lambda job: {**job.parameters, "who": "eve"}), 100).run
    assert made.parameters == {"who": "eve", "times": 2}
    assert desk.job(one.id).parameters == {"who": "bob", "times": 2}
    changed = ChangeJob(job_id=one.id, versions=None, revise=lambda job, _: job)
    desk.order(changed, 101)
    assert desk.run(made.id).parameters == {"who": "eve", "times": 2}
