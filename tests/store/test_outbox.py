"""What is to be told: written with what it tells of, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from jobsched.model.job import Job, Notify, Policy, Watch
from jobsched.model.run import State
from tests.store.samples import IDS, Desk, at, job, node, run
from tests.store.telling import URL, fail, telling, told

pytestmark = pytest.mark.usefixtures("told_time")


@pytest.fixture
def everyone(open_desk: Callable[..., Desk]) -> Desk:
    """One whose operator set a receiver for all jobs."""
    return open_desk(everyone="all.example:443")


def events(desk: Desk) -> list[str]:
    return [each.event for each in told(desk)]


def failing(desk: Desk, one: Job) -> datetime | None:
    return desk.bench.failing(one.id)


@pytest.mark.parametrize("state", ["failed", "timed_out", "lost"])
def test_a_failure_is_told_of_a_job_that_asks(desk: Desk, state: State) -> None:
    one = telling()
    desk.add(one)
    began = fail(desk, one, state)
    [found] = told(desk)
    assert (found.event, found.run_id, found.job_id, found.task) == (state, began.id, one.id, "task")
    assert (found.url, found.place) == (URL, "hooks.example:443")
    assert (found.state, found.attempts, found.created, found.not_before) == ("waiting", 0, at(1000), at(1000))
    assert (found.body["event"], found.body["reason"], found.body["retry"]) == (state, state, False)
    assert found.body["id"] == found.id
    assert failing(desk, one) == at(1000)


def test_what_nobody_asked_for_is_not_told(desk: Desk) -> None:
    quiet, other, nobody = job(), telling("missed"), telling("failed", url=None)
    desk.add(quiet, other, nobody)
    for one in (quiet, other, nobody):
        fail(desk, one)
        assert failing(desk, one) is None
    one = telling()
    desk.add(one)
    states: tuple[State, ...] = ("succeeded", "cancelled")
    for number, state in enumerate(states):
        fail(desk, one, state, seconds=2000 + number)
    assert told(desk) == []


def test_success_is_told_to_those_that_ask_and_once(desk: Desk) -> None:
    quiet, asks = telling(), telling("succeeded", "failed")
    desk.add(quiet, asks, job())
    fail(desk, quiet, "succeeded")
    began = fail(desk, asks, "succeeded")
    desk.ended(began, state="succeeded", seconds=1001)
    [found] = told(desk)
    assert (found.event, found.run_id, found.created) == ("succeeded", began.id, at(1000))
    assert found.body["run"]["state"] == "succeeded"
    assert failing(desk, asks) is None


def test_a_receiver_for_all_hears_of_no_success(everyone: Desk) -> None:
    plain, asks = job(), telling("succeeded", url=None)
    everyone.add(plain, asks)
    fail(everyone, plain, "succeeded")
    fail(everyone, asks, "succeeded")
    assert [(each.job_id, each.event, each.url) for each in told(everyone)] == [(asks.id, "succeeded", None)]


def test_a_start_is_told_to_those_that_ask(desk: Desk) -> None:
    quiet, asks = telling(), telling("started")
    desk.add(quiet, asks, job())
    desk.claim(60, quiet, asks)
    [found] = told(desk)
    [began] = [each for each in desk.runs() if each.job_id == asks.id]
    assert (began.state, found.event, found.run_id) == ("running", "started", began.id)
    assert found.body["run"]["state"] == "running"
    assert failing(desk, asks) is None


def test_a_run_that_waited_is_told_when_it_starts(desk: Desk) -> None:
    asks = telling("started")
    desk.add(asks)
    desk.claim(60, asks, slots=0)
    assert told(desk) == []
    desk.claim(61)
    assert events(desk) == ["started"]


def test_failures_are_told_from_the_third_in_a_row_on(desk: Desk) -> None:
    one = job(watch=Watch(notify=Notify(url=URL, after=3)))
    desk.add(one)
    states: list[State] = ["failed", "timed_out", "succeeded", "failed", "lost"]
    for number, state in enumerate(states):
        fail(desk, one, state, seconds=1000 + 10 * number)
        assert (told(desk), failing(desk, one)) == ([], None)
    fail(desk, one, "cancelled", seconds=1055)  # neither the one nor the other
    fail(desk, one, "failed", seconds=1060)
    fail(desk, one, "timed_out", seconds=1070)
    assert events(desk) == ["failed", "timed_out"]
    assert failing(desk, one) == at(1070)


def test_the_format_goes_with_the_receiver_of_the_job(desk: Desk) -> None:
    for form in ("json", "slack", "teams"):
        one = job(watch=Watch(notify=Notify(url=URL, format=form)))
        desk.add(one)
        assert desk.ask(desk.store.jobs.get(one.id, at(0))).job.watch.notify == Notify(url=URL, format=form)
        fail(desk, one)
    assert {each.format for each in told(desk)} == {None, "slack", "teams"}


def test_a_receiver_for_all_hears_of_all_that_do_not_object(everyone: Desk) -> None:
    plain, own, none = job(), telling(), telling("missed", url=None)
    everyone.add(plain, own, none)
    for one in (plain, own, none):
        fail(everyone, one)
    assert {(each.job_id, each.url, each.place) for each in told(everyone)} == {
        (plain.id, None, "all.example:443"),
        (own.id, URL, "hooks.example:443"),
    }


def test_it_is_told_whether_another_attempt_follows(desk: Desk) -> None:
    one = telling(policy=Policy(retries=1))
    desk.add(one)
    fail(desk, one)
    second = run(999, job_id=one.id, attempt=2, id=IDS.make(at(1100)))
    desk.bench.forget_runs(each.id for each in desk.runs() if each.state == "waiting")
    desk.insert(second)
    desk.ended(second, state="failed", seconds=1100)
    assert [each.body["retry"] for each in told(desk)] == [True, False]
    assert failing(desk, one) == at(1100), "since the last"


def test_a_job_that_does_not_want_it_told_does_not_recover(desk: Desk) -> None:
    one = telling("failed")
    desk.add(one)
    fail(desk, one)
    assert events(desk) == ["failed"]
    assert failing(desk, one) is None


def test_what_was_recorded_elsewhere_is_not_told_again(desk: Desk) -> None:
    one = telling()
    desk.add(one)
    began = run(999, job_id=one.id)
    desk.insert(began)
    desk.ended(began, state="lost")
    desk.ended(began, state="failed")
    assert events(desk) == ["lost"]


def test_missed_dues_are_told_as_a_stretch(desk: Desk) -> None:
    one = telling(policy=Policy(misfire_grace=timedelta(seconds=1)))
    desk.add(one)
    desk.claim(200, one)
    [found] = told(desk)
    [missed] = desk.runs()
    assert (found.event, found.run_id, found.created) == ("missed", missed.id, at(200))
    assert found.body["run"]["count"] == 3
    assert failing(desk, one) == at(200)


def test_of_a_dead_node_runs_are_told_lost_and_waiting_missed(desk: Desk) -> None:
    one = telling()
    desk.add(one)
    desk.know(node("a"), node("b", seen=at(100)))
    lost = run(60, job_id=one.id, node="a", node_id="id of a")
    waits = run(50, job_id=one.id, state="waiting", node=None, node_id=None, place="a")
    desk.insert(lost, waits)
    desk.ask(desk.store.nodes.declare_dead(["id of a"], None, "died", IDS, lambda: 0.0, at(100), None))
    assert {(each.event, each.run_id) for each in told(desk)} == {("lost", lost.id), ("missed", waits.id)}


def test_a_broken_url_keeps_no_outcome_from_being_recorded(desk: Desk) -> None:
    one = telling(url="no url")
    desk.add(one)
    fail(desk, one)
    assert [each.place for each in told(desk)] == [""]


def test_what_is_told_wakes_after_the_commit(desk: Desk) -> None:
    wakeups: list[int] = []
    desk.events.notification_stored.subscribe(lambda: wakeups.append(len(told(desk))))
    quiet, one = job(), telling()
    desk.add(quiet, one)
    fail(desk, quiet)
    fail(desk, one, "succeeded", 2000)
    assert wakeups == []
    fail(desk, one)
    assert wakeups == [1]
