"""Dues that started nothing share one record, whichever claim found them; what happens in between parts them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from jobsched.model.job import Job, Overlap, Policy, Watch
from jobsched.model.order import PauseJob, ResumeJob, RunJob
from jobsched.model.run import Run, RunFilter
from jobsched.verify import verify
from tests.store.samples import Desk, asks, at, job, node
from tests.store.telling import telling, told
from tests.store.test_claims import active

pytestmark = pytest.mark.usefixtures("told_time")
LACKING = "no living node has task task"

Said = tuple[float, float, int, str]


def said(found: list[Run]) -> list[Said]:
    """(due, until, count, state) of each run."""
    return [
        ((run.due - at(0)).total_seconds(), ((run.until or run.due) - at(0)).total_seconds(), run.count, run.state)
        for run in found
    ]


def unable(desk: Desk, *seconds: float, **fields: Any) -> Job:
    """A job of each minute that no node can run, with a claim at each of these times."""
    one = job(policy=Policy(misfire_grace=timedelta(0)), **fields)
    desk.add(one)
    for moment in seconds:
        desk.claim(moment, one, **asks(node("a", tasks=())))
    return one


def succeed(desk: Desk, run: Run, seconds: float) -> None:
    desk.ended(run, seconds=seconds)


# One record


@pytest.mark.parametrize("overlap", ["skip", "queue"])
def test_dues_skipped_one_after_the_other_share_a_record(desk: Desk, overlap: Overlap, store_url: str) -> None:
    one = active(desk, overlap)
    desk.claim(120, one)
    before = desk.runs()
    for seconds in (180, 240, 300):
        claimed = desk.claim(seconds, one)
        assert claimed.dues == ((one.id, at(seconds + 60)),)
    begin = 120 if overlap == "skip" else 180
    assert said(desk.runs())[-1] == (begin, 300, (300 - begin) // 60 + 1, "skipped")
    last = desk.runs()[-1]
    assert (last.created, last.ended) == (at(300), at(300))
    if overlap == "skip":
        assert last.id == before[-1].id
        assert list(verify(store_url, whole=True)) == [] or not store_url.startswith("sqlite")
    assert desk.job(one.id).next_due == at(360)


def test_a_due_that_ran_parts_them(desk: Desk) -> None:
    one = active(desk, "skip")
    desk.claim(120, one)
    succeed(desk, desk.runs()[0], 130)
    desk.claim(180, one)
    for seconds in (240, 300):
        desk.claim(seconds, one)
    assert said(desk.runs()) == [
        (60, 60, 1, "succeeded"), (120, 120, 1, "skipped"), (180, 180, 1, "running"), (240, 300, 2, "skipped"),
    ]  # fmt: skip


def test_a_run_that_a_caller_asked_for_parts_them(desk: Desk) -> None:
    one = active(desk, "skip")
    desk.claim(120, one)
    desk.order(RunJob(job_id=one.id), 130)
    desk.claim(180, one)
    page = desk.ask(desk.store.runs.page(10, None, RunFilter(job_id=one.id)))
    assert [run.due for run in page] == [at(180), at(130), at(120), at(60)]


@pytest.mark.parametrize("change", ["name", "task", "parameters", "timeout"])
def test_what_was_asked_of_the_job_is_the_same_in_one_record(desk: Desk, change: str) -> None:
    one = active(desk, "skip")
    desk.claim(120, one)
    new: dict[str, Any] = {"name": "new", "task": "new", "parameters": {"a": 1}, "timeout": 3.0}
    changed = attrs.evolve(desk.job(one.id), **{change: new[change]})
    desk.bench.replace_job(changed)
    desk.claim(180, one)
    assert said(desk.runs())[1:] == [(120, 120, 1, "skipped"), (180, 180, 1, "skipped")]


def test_another_reason_or_fate_is_another_record(desk: Desk) -> None:
    one = active(desk, "skip")
    desk.claim(120, one)
    desk.order(PauseJob(job_id=one.id), 130)
    desk.order(ResumeJob(job_id=one.id), 190)
    assert [(run.count, run.reason) for run in desk.runs()[1:]] == [
        (1, "the run before it was still active"), (1, "paused by alice"),
    ]  # fmt: skip


def test_a_due_between_that_has_no_record_parts_them(desk: Desk) -> None:
    one = active(desk, "skip")
    desk.claim(120, one)
    desk.bench.replace_job(attrs.evolve(desk.job(one.id), next_due=at(240)))
    desk.claim(240, one)
    assert said(desk.runs())[1:] == [(120, 120, 1, "skipped"), (240, 240, 1, "skipped")]


def test_pauses_without_a_due_between_are_one(desk: Desk) -> None:
    one = job()
    desk.add(one)
    for begin, end in ((10, 130), (140, 250)):
        desk.order(PauseJob(job_id=one.id), begin)
        desk.order(ResumeJob(job_id=one.id), end)
    assert said(desk.runs()) == [(60, 240, 4, "skipped")]


def test_dues_that_nobody_can_run_share_a_record(desk: Desk) -> None:
    unable(desk, 61, 121, 181)
    assert said(desk.runs()) == [(60, 180, 3, "missed")]
    assert desk.runs()[0].reason == LACKING


def test_in_each_place_a_job_has_its_own(desk: Desk, store_url: str) -> None:
    a, b = node("a"), node("b")
    one = job(policy=Policy(placement="every"))
    desk.add(one)
    for seconds in (60, 120, 180):
        desk.claim(seconds, one, **asks(a, b))
        desk.claim(seconds + 1, one, **asks(b, a))
        if seconds == 120:
            succeed(desk, next(run for run in desk.runs() if run.place == "a"), 130)
    assert sorted((run.place, *each) for run, each in zip(desk.runs(), said(desk.runs()), strict=True)) == [
        ("a", 60, 60, 1, "succeeded"), ("a", 120, 120, 1, "skipped"), ("a", 180, 180, 1, "running"),
        ("b", 60, 60, 1, "running"), ("b", 120, 180, 2, "skipped"),
    ]  # fmt: skip
    faults = [str(fault) for fault in verify(store_url, whole=True) if "due" in fault.words]
    assert not [words for words in faults if "outcome" in words]


def test_a_job_is_never_counted_beyond_what_a_database_holds(desk: Desk) -> None:
    one = active(desk, "skip")
    desk.claim(120, one)
    desk.bench.replace_run(attrs.evolve(desk.runs()[-1], count=2**31 - 1))
    desk.claim(180, one)
    assert said(desk.runs())[-1] == (180, 180, 1, "skipped")


# Those who are told


def test_each_part_is_counted_as_it_comes(desk: Desk) -> None:
    ended: list[Run] = []
    desk.events.runs_ended.subscribe(ended.extend)
    one = unable(desk)
    for seconds in (61, 121, 241):
        desk.claim(seconds, one, **asks(node("a", tasks=())))
    assert [run.count for run in ended] == [1, 1, 2]
    assert len({run.id for run in ended}) == 1


def test_a_receiver_is_told_of_the_dues_that_are_new(desk: Desk) -> None:
    one = telling(policy=Policy(misfire_grace=timedelta(0)))
    desk.add(one)
    for seconds in (61, 241):
        desk.claim(seconds, one, **asks(node("a", tasks=())))
    bodies = [delivery.body["run"] for delivery in told(desk)]
    assert [(body["count"], body["due"], body["until"]) for body in bodies] == [
        (1, "2024-01-01T00:01:00Z", None), (3, "2024-01-01T00:02:00Z", "2024-01-01T00:04:00Z"),
    ]  # fmt: skip
    assert {body["id"] for body in bodies} == {desk.runs()[0].id}


def test_what_was_missed_before_and_after_a_start_stays_apart(desk: Desk) -> None:
    one = unable(desk, 61)
    desk.order(RunJob(job_id=one.id), 50)  # made before, and waits
    manual = next(run for run in desk.runs() if run.cause == "manual")
    desk.bench.forget_runs([manual.id])
    desk.insert(attrs.evolve(manual, id="0", state="running", node_id="n", started=at(70)))
    desk.claim(121, one, **asks(node("a", tasks=())))
    assert [run.count for run in desk.runs() if run.state == "missed"] == [1, 1]


def test_what_was_missed_before_it_was_watched_stays_apart(desk: Desk) -> None:
    one = unable(desk, 61, watch=Watch(max_late=timedelta(seconds=100)), watched=at(0))
    desk.bench.replace_job(attrs.evolve(desk.job(one.id), watched=at(90)))
    desk.claim(121, one, **asks(node("a", tasks=())))
    desk.claim(181, one, **asks(node("a", tasks=())))
    assert said(desk.runs()) == [(60, 60, 1, "missed"), (120, 180, 2, "missed")]
    (turn,) = desk.ask(desk.store.overdue.settle([one.id], at(230)))
    assert turn.job.overdue == at(220), "since the first due that counts"


# Others at the same time


def test_one_that_was_forgotten_is_begun_anew(desk: Desk) -> None:
    one = active(desk, "skip")
    desk.claim(120, one)
    desk.ask(desk.store.retention.forget_runs_beyond(one.id, 0, 10, False, at(1000)))
    desk.claim(180, one)
    assert said(desk.runs())[1:] == [(180, 180, 1, "skipped")]
