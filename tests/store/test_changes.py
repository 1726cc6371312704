"""Changes that callers follow: written with what changes, numbered one after the other, seen once by everybody."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs
import pytest

from jobsched.model.change import Change, Numbers
from jobsched.model.errors import Invalid
from jobsched.model.hold import Hold
from jobsched.model.job import Job
from jobsched.model.membership import Heartbeat
from jobsched.model.order import (
    BatchJobs,
    CancelRun,
    ChangeJob,
    CreateJob,
    DeleteJob,
    PauseJob,
    PutHold,
    ReleaseHold,
    RunJob,
)
from jobsched.model.selection import Selection
from tests.store.samples import IDS, Desk, at, job, node

MANY = 1000

pytestmark = pytest.mark.usefixtures("told_time")


def followed(desk: Desk, number: int = 0) -> list[Change]:
    """All changes behind that number, which are numbered first."""
    while desk.ask(desk.store.changes.number(MANY)):
        pass
    found, some_left = desk.ask(desk.store.changes.after(number, MANY))
    assert not some_left
    return list(found)


def told(desk: Desk, number: int = 0) -> list[tuple[str, str]]:
    return [(change.kind, change.what) for change in followed(desk, number)]


def test_a_run_is_told_from_its_claim_to_its_end(desk: Desk) -> None:
    one = job()
    desk.add(one)
    (started,) = desk.claim(60, one).started
    desk.ended(started)
    assert told(desk) == [("run", "running"), ("run", "succeeded")]
    assert {(change.run_id, change.job_id, change.task) for change in followed(desk)} == {(started.id, one.id, "task")}


def test_a_run_that_waits_and_one_that_is_to_end_are_told(desk: Desk) -> None:
    one = job()
    desk.add(one)
    waits = desk.order(RunJob(job_id=one.id), 10).run
    (started,) = desk.claim(20).started
    assert started.id == waits.id
    desk.order(CancelRun(run_id=started.id, reason="enough"), 30)
    desk.ended(started, state="cancelled", seconds=40)
    assert told(desk) == [("run", "waiting"), ("run", "running"), ("run", "stopping"), ("run", "cancelled")]


def test_what_is_done_to_a_job_is_told(desk: Desk) -> None:
    one = job()
    desk.order(CreateJob(job=one))
    desk.order(PauseJob(job_id=one.id), 1)
    desk.order(PauseJob(job_id=one.id), 2)
    desk.order(DeleteJob(job_id=one.id), 3)
    found = followed(desk)
    assert [(change.kind, change.what) for change in found] == [("job", "create"), ("job", "pause"), ("job", "delete")]
    assert {(change.job_id, change.task) for change in found} == {(one.id, "task")}


def test_the_end_of_a_pause_is_told_whoever_carries_it_out(desk: Desk) -> None:
    one, other = job(made=1), job(made=2)
    desk.add(one, other)
    for each in (one, other):
        desk.order(PauseJob(job_id=each.id, until=at(300)), 1)
    before = followed(desk)[-1].number or 0
    desk.order(PauseJob(job_id=other.id, until=at(900)), 301)
    assert desk.ask(desk.store.jobs.end_pauses(at(302), 9, IDS, "")) == 1
    ended = [(change.what, change.job_id) for change in followed(desk, before) if change.kind == "job"]
    assert ended == [("resume", other.id), ("pause", other.id), ("resume", one.id)]


def test_what_is_done_to_the_hold_is_told(desk: Desk) -> None:
    hold = Hold(by=None, at=at(1), select=Selection(tasks=("none",)))
    desk.order(PutHold(hold=hold, anew=True), 1)
    desk.order(ReleaseHold(), 2)
    assert told(desk) == [("hold", "put"), ("hold", "delete")]


def end_pauses(desk: Desk, seconds: float) -> None:
    desk.ask(desk.store.jobs.end_pauses(at(seconds), 9, IDS, ""))


def test_that_a_hold_ends_by_itself_is_told_once(desk: Desk) -> None:
    def due(seconds: float) -> object:
        return desk.ask(desk.store.jobs.next_pause_end(at(seconds)))

    hold = Hold(by=None, at=at(1), until=at(300))
    end_pauses(desk, 0)
    desk.order(PutHold(hold=hold, anew=True), 1)
    end_pauses(desk, 299.9)
    assert told(desk) == [("hold", "put")]
    assert due(5000) == at(300), "nobody was told yet"
    end_pauses(desk, 300)
    end_pauses(desk, 301)
    assert told(desk) == [("hold", "put"), ("hold", "end")]
    assert (due(300.05), due(300.1)) == (at(300), None)


def test_a_hold_that_nobody_saw_end_is_told_before_the_next(desk: Desk) -> None:
    for seconds in (1, 400):
        hold = Hold(by=None, at=at(seconds), until=at(seconds + 300))
        desk.order(PutHold(hold=hold, anew=True), seconds)
    desk.order(ReleaseHold(), 500)
    end_pauses(desk, 900)
    assert [what for _, what in told(desk)] == ["put", "end", "put", "delete"]


def test_a_hold_whose_end_is_moved_has_not_ended(desk: Desk) -> None:
    hold = Hold(by=None, at=at(1), until=at(300))
    desk.order(PutHold(hold=hold, anew=True), 1)
    desk.order(PutHold(hold=attrs.evolve(hold, until=at(600)), anew=False), 299)
    end_pauses(desk, 301)
    end_pauses(desk, 600)
    assert [what for _, what in told(desk)] == ["put", "put", "end"]


def test_of_a_batch_only_what_was_done_is_told(desk: Desk) -> None:
    jobs = [job(name=name, made=n) for n, name in enumerate(("first", "second"))]
    desk.add(*jobs)

    def renamed(found: Job, _: datetime) -> Job:
        if found.name == "second":
            raise Invalid("cannot be", "/name")
        return attrs.evolve(found, name="new")

    batch = BatchJobs(
        select=Selection(names=("*",)), action="change", partial=True,
        order=lambda job_id: ChangeJob(job_id=job_id, versions=None, revise=renamed),
    )  # fmt: skip
    desk.order(attrs.evolve(batch, plan=True), 1)
    assert told(desk) == []
    desk.order(batch, 2)
    assert [(change.what, change.job_id) for change in followed(desk)] == [("change", jobs[0].id)]


def test_dues_that_are_missed_are_told_together(desk: Desk) -> None:
    one = job()
    desk.add(one)
    desk.claim(3600, one)
    assert told(desk) == [("run", "missed"), ("run", "missed"), ("run", "running")]  # for two reasons


def test_a_node_is_told_when_it_comes_and_when_it_goes(desk: Desk) -> None:
    alpha = node("alpha", since=datetime.now(UTC), seen=datetime.now(UTC))
    desk.ask(desk.store.nodes.join(alpha, (), None))
    desk.ask(desk.store.nodes.leave(alpha.id, datetime.now(UTC)))
    assert [(change.what, change.node_id) for change in followed(desk)] == [
        ("alive", alpha.id),
        ("stopped", alpha.id),
    ]


def test_a_node_is_told_when_it_has_a_problem_and_has_none(desk: Desk) -> None:
    now = datetime.now(UTC)
    alpha = node("alpha", since=now, seen=now)
    desk.ask(desk.store.nodes.join(alpha, (), None))
    heard = []
    for problem in (None, "no tasks", "no tasks, no sweep", None, None):
        before = len(followed(desk))
        said = Heartbeat(id=alpha.id, tasks=(), running=0, slots=0, tried=0, won=0, problem=problem)
        desk.ask(desk.store.nodes.beat(said, now))
        heard.append([change.what for change in followed(desk)][before:])
    assert heard == [[], ["alive"], [], ["alive"], []]


def test_numbers_have_no_gaps_and_are_given_once(desk: Desk) -> None:
    desk.add(one := job())
    for seconds in (60, 120, 180):
        (started,) = desk.claim(seconds, one).started
        desk.ended(started, seconds=seconds + 1)
    assert desk.ask(desk.store.changes.number(4)) == 4
    assert desk.ask(desk.store.changes.after(0, MANY))[1]
    assert [change.number for change in followed(desk)] == [1, 2, 3, 4, 5, 6]
    assert [change.number for change in followed(desk, 4)] == [5, 6]
    assert desk.ask(desk.store.changes.number(MANY)) == 0
    assert desk.ask(desk.store.changes.numbers()) == Numbers(oldest=1, last=6)


def test_before_there_is_any(desk: Desk) -> None:
    assert desk.ask(desk.store.changes.numbers()) == Numbers(oldest=1, last=0)
    assert followed(desk) == []


def test_what_is_forgotten_leaves_its_numbers(desk: Desk) -> None:
    desk.add(one := job())
    desk.claim(60, one)
    followed(desk)
    assert desk.ask(desk.store.retention.forget_changes(datetime.now(UTC) - timedelta(hours=1), MANY)) == 0
    assert desk.ask(desk.store.retention.forget_changes(datetime.now(UTC) + timedelta(hours=1), MANY)) == 1
    assert desk.ask(desk.store.changes.numbers()) == Numbers(oldest=2, last=1)
    desk.claim(120, one)
    assert [change.number for change in followed(desk, 1)][:1] == [2]
