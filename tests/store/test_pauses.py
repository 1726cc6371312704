"""Pauses with an end: said by an order, ended by themselves, each due with one outcome."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from jobsched.model.errors import Invalid, Stale
from jobsched.model.job import Job, Pause, Policy, Watch
from jobsched.model.order import ChangeJob, DeleteJob, PauseJob, ResumeJob
from tests.store.samples import IDS, T0, Desk, at, job, signature

pytestmark = pytest.mark.usefixtures("told_time")

WORDS = "paused by alice until 2024-01-01T00:05:00Z: upgrade"


def paused(desk: Desk, until: float | None = 300, reason: str = "upgrade", **fields: Any) -> Job:
    """A job that is due each minute, paused 90 s after T0."""
    one = job(**fields)
    desk.add(one)
    desk.order(PauseJob(job_id=one.id, until=None if until is None else at(until), reason=reason), 90)
    return one


def end(desk: Desk, seconds: float, most: int = 100) -> int:
    return desk.ask(desk.store.jobs.end_pauses(at(seconds), most, IDS, ""))


def next_end(desk: Desk, seconds: float = 100) -> Any:
    return desk.ask(desk.store.jobs.next_pause_end(at(seconds)))


def said(desk: Desk) -> list[tuple[float, int, str, str]]:
    return [((run.due - T0).total_seconds(), run.count, run.state, run.reason) for run in desk.runs()]


def test_a_job_shows_who_paused_it_until_when_and_why(desk: Desk) -> None:
    one = paused(desk)
    assert desk.job(one.id).pause == Pause(by="alice", at=at(90), until=at(300), reason="upgrade")
    assert (desk.job(one.id).next_due, desk.job(one.id).state) == (at(60), "paused")


def test_to_pause_again_says_the_whole_anew(desk: Desk) -> None:
    one = paused(desk)
    again = PauseJob(job_id=one.id, until=at(300), reason="upgrade")
    assert desk.perform(again, 100, by=signature(100, who="bob")).entry is None
    assert desk.job(one.id).version == 2
    for order, before, after in (
        (PauseJob(job_id=one.id, until=at(400), reason="upgrade"), {"paused_until": "2024-01-01T00:05:00Z"},
         {"paused_until": "2024-01-01T00:06:40Z"}),
        (PauseJob(job_id=one.id), {"paused_until": "2024-01-01T00:06:40Z", "pause_reason": "upgrade"}, None),
    ):  # fmt: skip
        entry = desk.perform(order, 110, by=signature(110, who="bob")).entry
        assert entry is not None
        assert (entry.action, entry.before, entry.after) == ("job.pause", before, after)
    assert desk.job(one.id).pause == Pause(by="bob", at=at(90))
    assert next_end(desk) is None
    assert end(desk, 1000) == 0


@pytest.mark.parametrize("until", [90, 89.9])
def test_an_end_that_has_passed_is_refused(desk: Desk, until: float) -> None:
    one = job()
    desk.add(one)
    with pytest.raises(Invalid) as refused:
        desk.order(PauseJob(job_id=one.id, until=at(until)), 90)
    assert refused.value.pointer == "/until"
    assert not desk.job(one.id).paused


def test_dues_before_the_end_are_skipped_and_one_at_it_runs(desk: Desk) -> None:
    one = paused(desk)
    assert next_end(desk) == at(300)
    assert end(desk, 299.999999) == 0
    assert end(desk, 300) == 1
    assert said(desk) == [(60, 4, "skipped", WORDS)]
    found = desk.job(one.id)
    assert (found.paused, found.pause, found.next_due, found.version) == (False, None, at(300), 2)
    assert next_end(desk) is None
    desk.claim(300, one)
    assert said(desk)[1:] == [(300, 1, "running", "is running")]


@pytest.mark.parametrize(
    ("policy", "left"),
    [
        (Policy(), [(300, 5, "missed"), (600, 1, "running")]),
        (Policy(misfire_grace=None, catch_up="all", overlap="queue"),
         [(300, 1, "running"), *((60.0 * n, 1, "waiting") for n in range(6, 11))]),
        (Policy(misfire_grace=timedelta(seconds=1)), [(300, 6, "missed")]),
    ],
)  # fmt: skip
def test_dues_from_the_end_on_go_by_the_policy(desk: Desk, policy: Policy, left: Any) -> None:
    one = paused(desk, policy=policy)
    assert end(desk, 610) == 1
    assert desk.job(one.id).next_due == at(300)
    desk.claim(610, one)
    assert said(desk)[0] == (60, 4, "skipped", WORDS)
    assert [row[:3] for row in said(desk)[1:]] == left


def test_a_pause_between_two_dues_skips_nothing(desk: Desk) -> None:
    one = job()
    desk.add(one)
    desk.order(PauseJob(job_id=one.id, until=at(30)), 10)
    assert end(desk, 30) == 1
    assert desk.runs() == []
    assert desk.job(one.id).next_due == at(60)


def test_a_job_without_a_due_left_is_awake_again(desk: Desk) -> None:
    one = paused(desk, next_due=None)
    assert end(desk, 300) == 1
    assert (desk.job(one.id).state, desk.runs()) == ("ended", [])


def test_as_many_as_are_asked_for_are_ended_each_once(desk: Desk) -> None:
    many = [paused(desk, 300 + number, made=number) for number in range(5)]
    assert [end(desk, 303, most=3) for _ in range(3)] == [3, 1, 0]
    assert [desk.job(one.id).paused for one in many] == [False] * 4 + [True]
    assert next_end(desk) == at(304)


def test_resuming_before_the_end_is_as_ever(desk: Desk) -> None:
    one = paused(desk)
    resumed = desk.order(ResumeJob(job_id=one.id), 200).job
    assert (resumed.pause, resumed.next_due, resumed.version) == (None, at(240), 3)
    assert said(desk) == [(60, 3, "skipped", WORDS)]
    assert (next_end(desk), end(desk, 300)) == (None, 0)


def test_an_order_finds_a_pause_that_is_over_ended(desk: Desk) -> None:
    resumed, again, renamed, gone = (paused(desk, made=number) for number in range(4))
    performed = desk.perform(ResumeJob(job_id=resumed.id), 330)
    assert (performed.entry, performed.answer.job.next_due, performed.answer.job.version) == (None, at(300), 2)
    desk.order(PauseJob(job_id=again.id), 330)
    entry = desk.perform(
        ChangeJob(job_id=renamed.id, versions=None, revise=lambda job, _: attrs.evolve(job, name="new")), 330
    ).entry
    assert entry is not None
    assert (entry.action, entry.after) == ("job.change", {"name": "new"})
    desk.order(DeleteJob(job_id=gone.id), 330)
    of = {one.id: [row for row, run in zip(said(desk), desk.runs(), strict=True) if run.job_id == one.id]
          for one in (resumed, again, renamed, gone)}  # fmt: skip
    first = (60, 4, "skipped", WORDS)
    assert of == {
        resumed.id: [first], again.id: [first], renamed.id: [first],
        gone.id: [first, (300, 1, "skipped", "the job was deleted before it could start")],
    }  # fmt: skip
    assert desk.job(again.id).pause == Pause(by="alice", at=at(330))
    assert desk.job(again.id).next_due == at(300)
    assert desk.job(renamed.id).next_due == at(300)


def test_a_version_that_was_seen_is_checked(desk: Desk) -> None:
    one = paused(desk)
    with pytest.raises(Stale):
        desk.order(PauseJob(job_id=one.id, versions=frozenset({1})), 100)


def test_a_job_is_watched_anew_from_the_end_on(desk: Desk) -> None:
    one = paused(desk, watch=Watch(must_succeed_every=timedelta(seconds=100)), watched=T0)
    assert end(desk, 500) == 1
    assert desk.job(one.id).watched == at(300)


def test_a_change_while_paused_keeps_the_pause(desk: Desk) -> None:
    one = paused(desk)

    def slower(found: Job, instant: Any) -> Job:
        other = job(every=50).schedule
        return attrs.evolve(found, schedule=other, next_due=other.next_after(instant))

    desk.order(ChangeJob(job_id=one.id, versions=None, revise=slower), 130)
    assert desk.job(one.id).pause == Pause(by="alice", at=at(90), until=at(300), reason="upgrade")
    assert end(desk, 300) == 1
    assert said(desk) == [(60, 5, "skipped", WORDS)]  # 60, 120, 150, 200 and 250
    assert desk.job(one.id).next_due == at(300)
