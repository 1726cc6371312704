"""Runs in the store: an outcome is written once, by who owns the run; the record is read in order."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import attrs
import pytest

from jobsched.model.errors import NotFound
from jobsched.model.job import Job, JobFilter, Policy
from jobsched.model.node import Node
from jobsched.model.order import ChangeJob, RunJob
from jobsched.model.run import ENDED, RETRIED, LastRun, Run, RunFilter, State
from tests.store.samples import IDS, Desk, at, job, node, run

pytestmark = pytest.mark.usefixtures("told_time")


def test_a_run_comes_out_as_it_was_put_in(desk: Desk) -> None:
    full = run(
        60.000001,
        until=at(120),
        count=2**31 - 1,
        attempt=3,
        cause="retry",
        reason="ä\U0001f600 " * 300,
        not_before=at(70),
        overlaps=True,
        parameters={"a": [1, None]},
        timeout=0.1,
        pid=2**22,
        pid_started=123456.789012,
        started=at(1),
        ended=at(2),
        exit_code=-15,
        signal="SIGTERM",
        output_bytes=2**40,
        output_kept=2**39,
        output_truncated=True,
    )
    desk.insert(full, run(61))
    assert desk.run(full.id) == full
    with pytest.raises(NotFound):
        desk.run("nobody")


@pytest.mark.parametrize("state", sorted(ENDED))
@pytest.mark.parametrize("before", ["running", "stopping"])
def test_an_outcome_is_written_over_a_run_that_has_started(desk: Desk, before: str, state: State) -> None:
    one = run(state=before)
    desk.insert(one)
    ended = attrs.evolve(
        one,
        state=state,
        reason="why",
        ended=at(99),
        exit_code=1,
        signal="SIGKILL",
        pid=7,
        pid_started=0.5,
        output_bytes=3,
        output_kept=2,
        output_truncated=True,
    )
    desk.record(*[ended])
    assert desk.runs() == [ended]


@pytest.mark.parametrize("before", ["waiting", *ENDED])
def test_no_outcome_is_written_over_a_waiting_or_ended_run(desk: Desk, before: str) -> None:
    one = run(state=before)
    desk.insert(one)
    desk.ended(one)
    assert desk.runs() == [one]


def test_an_outcome_is_not_written_over_the_run_of_another_node(desk: Desk) -> None:
    one = run(node_id="there")
    desk.insert(one)
    desk.ended(attrs.evolve(one, node_id="here"))
    assert desk.runs() == [one]
    desk.ended(one)
    assert desk.states() == ["succeeded"]


@pytest.mark.parametrize(("first", "then"), [("failed", "succeeded"), ("succeeded", "failed"), ("lost", "failed")])
def test_the_first_outcome_stands(desk: Desk, first: State, then: State) -> None:
    one = run()
    desk.insert(one)
    desk.ended(one, state=first)
    desk.ended(one, state=then, seconds=2000)
    (found,) = desk.runs()
    assert (found.state, found.reason, found.ended) == (first, first, at(1000))


def test_outcomes_of_one_transaction_are_all_written(desk: Desk) -> None:
    many = [run(60 + number) for number in range(50)]
    desk.insert(*many)
    notes = [
        attrs.evolve(each, state="failed" if number % 2 else "succeeded", reason=str(number), ended=at(99))
        for number, each in enumerate(many)
    ]
    desk.record(*notes)
    assert desk.runs() == notes


# Retries


def failing(desk: Desk, **policy: Any) -> Run:
    one = job(policy=Policy(**policy))
    desk.add(one)
    desk.claim(60, one)
    return desk.runs()[-1]


@pytest.mark.parametrize("state", sorted(ENDED))
def test_only_what_failed_is_tried_again_where_its_job_asks(desk: Desk, state: State) -> None:
    one = failing(desk, retries=1, retry_delay=timedelta(seconds=30))
    again = desk.ended(one, state=state, seconds=100)
    assert again is (state in RETRIED)
    if again:
        _, retry = desk.runs()
        assert (retry.due, retry.attempt, retry.cause, retry.state) == (one.due, 2, "retry", "waiting")
        assert (retry.not_before, retry.created, retry.node_id) == (at(130), at(100), None)
        assert retry.reason == f"attempt 1 {state}"
    else:
        assert len(desk.runs()) == 1


def test_a_run_is_tried_again_once_however_often_it_is_told(desk: Desk) -> None:
    one = failing(desk, retries=3)
    assert desk.ended(one, state="failed")
    assert not desk.ended(one, state="failed")
    assert [each.attempt for each in desk.runs()] == [1, 2]


def test_the_last_retry_is_followed_by_none(desk: Desk) -> None:
    one = failing(desk, retries=1, retry_delay=timedelta(0))
    desk.ended(one, state="failed", seconds=61)
    (retry,) = desk.claim(61).started
    assert not desk.ended(retry, state="failed", seconds=62)
    assert [each.state for each in desk.runs()] == ["failed", "failed"]


def test_without_retries_or_its_job_nothing_is_tried_again(desk: Desk) -> None:
    one = failing(desk, retries=0)
    orphan = run(70)
    desk.insert(orphan)
    assert not desk.ended(one, orphan, state="failed")


# Reading


def test_pages_of_runs_go_back_in_time_and_miss_none(desk: Desk) -> None:
    many = [run(60 + number, job_id=f"job {number % 2}") for number in range(9)]
    desk.insert(*many)
    for only, expected in [
        (RunFilter(), many),
        (RunFilter(job_id="job 1"), many[1::2]),
        (RunFilter(begin=at(62), end=at(66)), many[2:6]),
        (RunFilter(states=("failed",)), []),
        (RunFilter(job_id="job 0", states=("running",), begin=at(61)), many[2::2]),
    ]:
        seen: list[Run] = []
        while page := desk.ask(desk.store.runs.page(2, seen[-1].id if seen else None, only)):
            seen += page
        assert seen == list(reversed(expected))


def test_a_stretch_is_found_by_any_instant_within_it(desk: Desk) -> None:
    stretch = run(60, until=at(120), count=2, state="missed")
    desk.insert(stretch)
    for begin, end, found in [(0, 60, 0), (0, 60.000001, 1), (90, 100, 1), (120, 130, 1), (120.000001, 130, 0)]:
        only = RunFilter(begin=at(begin), end=at(end))
        assert len(desk.ask(desk.store.runs.page(9, None, only))) == found


def last(one: Run) -> LastRun:
    """What is shown of it with its job."""
    return LastRun(**{field.name: getattr(one, field.name) for field in attrs.fields(LastRun)})


def test_the_newest_run_of_each_job_is_its_last(desk: Desk) -> None:
    desk.add(attrs.evolve(job(), id="job"), attrs.evolve(job(), id="other"), attrs.evolve(job(), id="idle"))
    old, new, other = run(60), run(120), run(90, job_id="other")
    desk.insert(new, old, other)
    jobs = desk.ask(desk.store.jobs.page(9, "", JobFilter(), 1 << 20, at(0))).values
    assert {view.job.id: view.last_run for view in jobs} == {"job": last(new), "other": last(other), "idle": None}
    assert desk.ask(desk.store.jobs.get("job", at(0))).last_run == last(new)


def test_the_record_of_a_job_is_known_when_the_job_is_gone(desk: Desk) -> None:
    desk.insert(run())
    assert desk.ask(desk.store.runs.page(9, None, RunFilter(job_id="job", states=("failed",)))) == []
    with pytest.raises(NotFound):
        desk.ask(desk.store.runs.page(9, None, RunFilter(job_id="other")))


def test_left_behind_is_what_others_started_and_did_not_end(desk: Desk) -> None:
    mine, running, stopping = run(1), run(2, node_id="there"), run(3, node_id="elsewhere", state="stopping")
    waiting = run(4, state="waiting", node_id=None)
    desk.insert(mine, running, stopping, waiting, run(5, node_id="there", state="lost"))
    found = desk.ask(desk.store.runs.left_behind("here"))
    assert sorted(found, key=lambda each: each.due) == [running, stopping]


def test_what_another_started_and_did_not_end_is_adopted(desk: Desk) -> None:
    running, stopping = run(1, node_id="before"), run(2, node_id="before", state="stopping")
    mine, unnamed = run(3, node_id="here"), run(4, node_id="before")
    ended, waiting = run(5, node_id="before", state="lost"), run(6, node_id=None, state="waiting")
    everything = [running, stopping, mine, unnamed, ended, waiting]
    desk.insert(*everything)
    wanted = [each.id for each in everything if each is not unnamed]
    adopted = desk.ask(desk.store.runs.adopt([*wanted, "unknown"], "here", None))
    theirs = [attrs.evolve(each, node_id="here") for each in (running, stopping)]
    assert sorted(adopted, key=lambda each: each.due) == [*theirs, mine]
    assert desk.ask(desk.store.runs.adopt(wanted, "here", None)) == adopted, "the answer may have been lost"
    kept = [desk.ask(desk.store.runs.get(each.id)) for each in everything]
    assert kept == [*theirs, mine, unnamed, ended, waiting]


def test_of_a_node_that_was_declared_dead_nothing_is_adopted(desk: Desk) -> None:
    desk.know(node("web1", id="late", seen=at(-1000)), node("web1", id="dead", state="dead"), node("web1", id="there"))
    desk.know(node("web1", id="here"), node("web1", id="here too", state="dead"))
    late, stopping = run(1, node_id="late"), run(2, node_id="late", state="stopping")
    others = [run(3, node_id="dead"), run(4, node_id="there"), run(5, node_id="late", state="lost")]
    everything = [late, stopping, *others]
    desk.insert(*everything)
    wanted, previous = [each.id for each in everything], ["late", "dead", "forgotten"]
    assert desk.ask(desk.store.runs.adopt(wanted, "here too", previous)) == [], "it may have been asleep"
    assert desk.ask(desk.store.runs.adopt(wanted, "here", [])) == []
    adopted = desk.ask(desk.store.runs.adopt(wanted, "here", previous))
    ours = [attrs.evolve(each, node_id="here") for each in (late, stopping)]
    assert sorted(adopted, key=lambda each: each.due) == ours
    assert desk.ask(desk.store.runs.adopt(wanted, "here", previous)) == adopted, "the answer may have been lost"
    assert [desk.run(each.id) for each in everything] == [*ours, *others]


def test_on_a_shared_database_the_daemon_before_left_it_here(desk: Desk) -> None:
    ours, theirs = run(1, node_id="before", node="web1"), run(2, node_id="there", node="web1")
    declared_dead, ended = run(3, node_id="before", state="lost"), run(4, node_id="before", state="failed")
    desk.insert(ours, theirs, declared_dead, ended)
    left = desk.ask(desk.store.runs.left_here(["before"], "web1"))
    assert left == [declared_dead, ours], "those that others have recorded as lost may live on"


def test_what_a_first_schema_daemon_left_is_known_by_its_name(desk: Desk) -> None:
    older, other = run(1, node_id="no node", node="web1"), run(2, node_id="no node", node="web2")
    desk.insert(older, other, run(3, node_id="known", node="web1"))
    known = Node(id="known", name="web1", since=at(0), seen=at(0))
    desk.ask(desk.store.nodes.join(known, (), None))
    assert desk.ask(desk.store.runs.left_here([], "web1")) == [older]


def test_of_what_waits_the_soonest_that_is_not_ripe_is_named(desk: Desk) -> None:
    assert desk.ask(desk.store.claims.waiting(at(0))) == (False, None)
    desk.insert(*(run(n, state="waiting", node_id=None, not_before=at(before)) for n, before in enumerate((9, 70, 50))))
    desk.insert(run(10, state="failed", not_before=at(20)))
    assert desk.ask(desk.store.claims.waiting(at(10))) == (True, at(50))
    assert desk.ask(desk.store.claims.waiting(at(50))) == (True, at(70))
    assert desk.ask(desk.store.claims.waiting(at(70))) == (True, None)


def test_a_page_of_runs_leaves_out_what_nobody_is_shown(desk):
    its = job()
    desk.add(its)
    one = run(job_id=its.id, parameters={"text": "x" * 1000})
    desk.insert(one)
    shown = attrs.evolve(one, parameters={})
    assert desk.ask(desk.store.runs.page(9, None, RunFilter())) == [shown]
    assert desk.run(one.id) == one


# What is carried from one run to the next: a task and the parameters that were given for it, or neither.


def moved(before: Job, _instant: datetime) -> Job:
    return attrs.evolve(before, task="other", parameters={"text": "x"})


def change(desk: Desk, one: Run, seconds: float = 90, **fields: Any) -> Job:
    """Give the job of a run another task, or something else."""

    def make(before: Job, instant: datetime) -> Job:
        return attrs.evolve(before, **fields) if fields else moved(before, instant)

    found: Job = desk.order(ChangeJob(job_id=one.job_id, versions=None, revise=make), seconds).job
    return found


NO_MORE = "failed; not tried again: its job was given another task"


@pytest.mark.parametrize("state", RETRIED)
def test_a_failure_is_final_where_its_job_has_a_new_task(desk: Desk, state: State) -> None:
    one = failing(desk, retries=2, retry_delay=timedelta(0))
    change(desk, one)
    assert not desk.ended(one, state=state, seconds=100)
    (found,) = desk.runs()
    assert (found.state, found.task, found.reason) == (state, "task", NO_MORE.replace("failed", state, 1))


@pytest.mark.parametrize("fields", [{"name": "new"}, {"parameters": {"token": "other"}}, {"timeout": 5.0}])
def test_a_retry_has_its_runs_parameters_and_its_jobs_rest(desk: Desk, fields: Any) -> None:
    one = job(policy=Policy(retries=1, retry_delay=timedelta(0)), parameters={"token": "s3cret"})
    desk.add(one)
    desk.claim(60, one)
    (first,) = desk.runs()
    changed = change(desk, first, **fields)
    assert desk.ended(first, state="failed", seconds=100)
    retry = desk.runs()[-1]
    assert (retry.task, retry.parameters) == ("task", {"token": "s3cret"})
    assert (retry.job_name, retry.timeout) == (changed.name, changed.timeout)


def test_a_job_that_is_given_its_task_back_is_tried_again(desk: Desk) -> None:
    one = failing(desk, retries=1, retry_delay=timedelta(0))
    change(desk, one)
    change(desk, one, task="task")
    assert desk.ended(one, state="failed", seconds=100)
    assert desk.runs()[-1].task == "task"


def test_without_another_attempt_the_reason_is_not_burdened(desk: Desk) -> None:
    one = failing(desk, retries=0)
    change(desk, one)
    desk.ended(one, state="failed", seconds=100)
    assert desk.runs()[0].reason == "failed"


def test_a_waiting_retry_ends_with_its_task_no_other_run_does(desk: Desk) -> None:
    one = failing(desk, retries=1, retry_delay=timedelta(hours=1), overlap="queue")
    assert desk.ended(one, state="failed", seconds=100)
    ran = desk.order(RunJob(job_id=one.job_id), 101).run
    retry = next(run for run in desk.runs() if run.cause == "retry")
    change(desk, one, seconds=102, name="new")
    assert desk.run(retry.id).state == "waiting"
    change(desk, one, seconds=103)
    found = desk.run(retry.id)
    assert (found.state, found.ended) == ("cancelled", at(103))
    assert found.reason == "not tried again: its job was given another task"
    assert desk.run(ran.id) == ran
    (started,) = desk.claim(104).started
    assert (started.id, started.task, started.parameters) == (ran.id, "task", {})


@pytest.mark.parametrize("how", ["the job has another task", "an older release added it", "both"])
def test_a_retry_of_a_strange_task_is_never_started(desk: Desk, how: str) -> None:
    """A node may not have seen the change yet; one of an older release does not care."""
    task = {"the job has another task": "task", "an older release added it": "new", "both": "third"}[how]
    one = job(policy=Policy(retries=1), task="new", next_due=None)
    desk.add(one)
    before = run(job_id=one.id, state="failed", task="task", ended=at(100))
    again: dict[str, Any] = {"attempt": 2, "cause": "retry", "state": "waiting", "node": None, "node_id": None}
    retry = attrs.evolve(before, id=IDS.make(at(101)), task=task, parameters={"token": "x"}, ended=None, **again)
    well = run(90, job_id=one.id, id=IDS.make(at(102)), state="waiting", task="new", node=None, node_id=None)
    desk.insert(before, retry, well)
    started = [each.id for claimed in (desk.claim(110), desk.claim(111)) for each in claimed.started]
    assert started == [well.id]
    found = desk.run(retry.id)
    assert (found.state, found.reason) == ("cancelled", "not tried again: its job was given another task")


def test_a_tasks_own_retry_starts_whatever_other_attempts_exist(desk: Desk) -> None:
    one = job(policy=Policy(retries=2), next_due=None)
    desk.add(one)
    first = run(job_id=one.id, state="failed", ended=at(100), place="n1")
    there = attrs.evolve(first, id=IDS.make(at(100)), place="n2", task="old")
    again: dict[str, Any] = {"attempt": 2, "cause": "retry", "state": "waiting", "node": None, "node_id": None}
    again |= {"ended": None}
    retry = attrs.evolve(first, id=IDS.make(at(101)), **again)
    desk.insert(first, there, retry)
    assert [each.id for each in desk.claim(110).started] == [retry.id]
