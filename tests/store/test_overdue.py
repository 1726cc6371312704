"""Which jobs are overdue, on every database: found as the pure rule has it, stored once, told with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs
import pytest

from jobsched.model.draft import Draft
from jobsched.model.job import Job, JobFilter, Notify, Policy, Watch
from jobsched.model.order import ChangeJob, PauseJob, ResumeJob
from jobsched.model.overdue import OverdueChange
from jobsched.model.run import Run, State
from tests.store.samples import T0, Desk, at, job, node, run

pytestmark = pytest.mark.usefixtures("told_time")
MINUTE = 60.0
NOTIFY = Notify(url="https://example.org/")


def watched(late: float | None = None, success: float | None = None, **fields: Any) -> Job:
    """Due each hour, watched since T0; spans in seconds."""
    spans = [None if span is None else timedelta(seconds=span) for span in (late, success)]
    watch = Watch(max_late=spans[0], must_succeed_every=spans[1], notify=NOTIFY)
    common: dict[str, Any] = {"watch": watch, "watched": T0}
    return job(3600, policy=Policy(misfire_grace=None), **common | fields)


def look(desk: Desk, seconds: float, most: int = 100) -> list[OverdueChange]:
    """What a node does; what became of jobs by it."""
    overdue = desk.store.overdue
    found = desk.ask(overdue.watched(most, at(seconds))) + desk.ask(overdue.recovered(most, at(seconds)))
    return desk.ask(overdue.settle(found, at(seconds)))


def events(changes: Sequence[OverdueChange]) -> list[tuple[str, str]]:
    return [(change.event, change.job.id) for change in changes]


def stored(desk: Desk, one: Job) -> tuple[datetime | None, str | None]:
    found = desk.job(one.id)
    return found.overdue, found.overdue_reason


def told(desk: Desk) -> list[tuple[str, str, str | None]]:
    """(event, job, run) of what is to be told, in order."""
    return [(each.event, each.job_id, each.run_id) for each in desk.bench.deliveries()]


def ran(one: Job, start: float, end: float | None = None, state: str = "succeeded", **fields: Any) -> Run:
    """A run of a job, started and maybe ended at those seconds."""
    state = "running" if end is None else state
    return run(start, job_id=one.id, started=at(start), ended=None if end is None else at(end), state=state, **fields)


# One job.


def test_a_due_nobody_takes_up_is_overdue_once_until_a_start(desk: Desk) -> None:
    one = watched(late=60)
    desk.add(one, other := watched(late=90), job())
    assert look(desk, 3659) == []
    changes = look(desk, 3660)
    assert events(changes) == [("overdue", one.id)]
    assert stored(desk, one) == (at(3660), changes[0].reason)
    assert changes[0].job == desk.job(one.id)
    assert changes[0].reason.endswith("no node has taken it up yet")
    assert look(desk, 3661) == []
    assert events(look(desk, 3700)) == [("overdue", other.id)]

    (started,) = desk.claim(3701, one).started
    changes = look(desk, 3702)
    assert events(changes) == [("recovered", one.id)]
    assert (changes[0].run, changes[0].reason) == (started, f"run {started.id} was started")
    assert stored(desk, one) == (None, None)
    assert look(desk, 3703) == []
    assert told(desk) == [("overdue", one.id, None), ("overdue", other.id, None), ("recovered", one.id, started.id)]


def test_a_run_that_waits_for_a_slot_is_late(desk: Desk) -> None:
    one = watched(late=60)
    desk.add(one)
    assert desk.claim(3600, one, slots=0).started == ()
    assert look(desk, 3659) == []
    (change,) = look(desk, 3660)
    assert change.reason.endswith("no free slot: max_running runs are active")
    assert len(desk.claim(3661).started) == 1
    assert events(look(desk, 3662)) == [("recovered", one.id)]


def test_a_manual_run_and_a_retry_that_wait_are_not_late(desk: Desk) -> None:
    one = watched(late=60)
    desk.add(one)
    for cause in ("manual", "retry"):
        desk.insert(run(10, job_id=one.id, cause=cause, state="waiting", attempt=2 if cause == "retry" else 1))
    assert look(desk, 3000) == []


def test_a_due_that_was_missed_is_late_until_anything_starts(desk: Desk) -> None:
    one, made_up_for = watched(late=600), watched(late=600)
    desk.add(one, made_up_for)
    for each in (one, made_up_for):
        desk.insert(run(100, job_id=each.id, state="missed", reason="too late", ended=at(200)))
        desk.insert(run(150, job_id=each.id, state="missed", reason="too late", ended=at(200), until=at(160), count=2))
    desk.insert(ran(made_up_for, 300, cause="manual"))
    assert look(desk, 699) == []
    (change,) = look(desk, 701)
    assert (change.job.id, change.job.overdue) == (one.id, at(700))
    assert change.reason == "not started within 10 min of its due at 2024-01-01T00:01:40Z: too late"
    desk.insert(ran(one, 800, 801, "failed"))
    assert events(look(desk, 802)) == [("recovered", one.id)]


def test_what_was_skipped_is_not_late(desk: Desk) -> None:
    one = watched(late=60)
    desk.add(one)
    desk.insert(ran(one, 50), run(100, job_id=one.id, state="skipped", ended=at(100)))
    assert look(desk, 3000) == []


def test_missed_dues_from_before_it_was_watched_do_not_count(desk: Desk) -> None:
    one = watched(late=60, watched=at(300))
    desk.add(one)
    desk.insert(run(100, job_id=one.id, state="missed", ended=at(200)))
    assert look(desk, 1000) == []


def test_no_success_makes_a_job_overdue_until_one_comes(desk: Desk) -> None:
    one = watched(success=600)
    desk.add(one)
    desk.insert(ran(one, 10, 20), ran(one, 30, 40, "failed"), ran(one, 50, 60, "timed_out"))
    assert look(desk, 619) == []
    (change,) = look(desk, 621)
    assert (change.job.overdue, change.run) == (at(620), None)
    assert f"(run {desk.runs()[0].id})" in change.reason
    desk.insert(ran(one, 700))
    assert look(desk, 701) == [], "it has only begun"
    (begun,) = [each for each in desk.runs() if each.state == "running"]
    desk.ended(begun, seconds=710)
    (change,) = look(desk, 711)
    assert (change.event, change.reason) == ("recovered", f"run {begun.id} has succeeded")
    assert change.run is not None
    assert change.run.id == begun.id
    assert look(desk, 1309) == []
    assert events(look(desk, 1310)) == [("overdue", one.id)]


def test_the_last_success_outlives_its_run(desk: Desk) -> None:
    one, unwatched = watched(success=600), job(3600)
    desk.add(one, unwatched)
    good = [ran(each, 10 * n, 10 * n + 1) for n in (1, 2) for each in (one, unwatched)]
    desk.insert(*good, *(ran(one, 100 + n, 101 + n, "failed") for n in range(5)))
    assert len(desk.ask(desk.store.retention.forget_runs_beyond(one.id, 3, 100, True, at(1000)))) == 4
    assert len(desk.ask(desk.store.retention.forget_runs_beyond(unwatched.id, 0, 100, True, at(1000)))) == 2
    assert look(desk, 620) == []
    (change,) = look(desk, 621)
    assert change.job.overdue == at(621)
    assert change.reason == "no success within 10 min: the last one was at 2024-01-01T00:00:21Z"


def test_overdue_for_two_reasons_it_needs_both_to_recover(desk: Desk) -> None:
    one = watched(late=60, success=600)
    desk.add(one)
    (change,) = look(desk, 3700)
    assert change.job.overdue == at(600)
    assert "; no success" in change.reason
    (started,) = desk.claim(3701, one).started
    assert look(desk, 3702) == []
    desk.ended(started, seconds=3703)
    assert events(look(desk, 3704)) == [("recovered", one.id)]


def test_a_due_of_a_job_that_was_changed_is_no_longer_late(desk: Desk) -> None:
    one = watched(late=60)
    desk.add(one)
    assert events(look(desk, 3700)) == [("overdue", one.id)]

    def later(job: Job, now: datetime) -> Job:
        return Draft(task="task", name="new", every=timedelta(days=1), watch=job.watch).remade(job, now)

    changed = desk.order(ChangeJob(job_id=one.id, versions=None, revise=later), 3701).job
    assert (changed.overdue, changed.watched) == (at(3660), T0), "what is asked of it has not changed"
    (change,) = look(desk, 3702)
    assert (change.event, change.run, change.reason) == (
        "recovered",
        None,
        "none of its dues is late any more",
    )


@pytest.mark.parametrize("watch", [Watch(must_succeed_every=timedelta(hours=1)), Watch()])
def test_a_job_of_which_something_else_is_asked_starts_anew(desk: Desk, watch: Watch) -> None:
    one = watched(late=60)
    desk.add(one)
    look(desk, 3700)

    def another(job: Job, now: datetime) -> Job:
        return Draft(task="task", name="job", every=timedelta(hours=1), watch=watch).remade(job, now)

    changed = desk.order(ChangeJob(job_id=one.id, versions=None, revise=another), 3701).job
    assert (changed.overdue, changed.overdue_reason) == (None, None)
    assert changed.watched == (at(3701) if watch.asked else None)
    assert look(desk, 3702) == []
    assert [event for event, *_ in told(desk)] == ["overdue"]


def test_pause_ends_it_without_a_word_and_resume_counts_anew(desk: Desk) -> None:
    one = watched(late=60, success=600)
    desk.add(one)
    look(desk, 3700)
    paused = desk.order(PauseJob(job_id=one.id), 3701).job
    assert (paused.overdue, paused.overdue_reason) == (None, None)
    assert look(desk, 8000) == []
    resumed = desk.order(ResumeJob(job_id=one.id), 8000).job
    assert (resumed.watched, resumed.next_due) == (at(8000), at(10_800))
    assert look(desk, 8599) == []
    (change,) = look(desk, 8600)
    assert change.reason == "no success within 10 min: none since 2024-01-01T02:13:20Z"
    assert [event for event, *_ in told(desk)] == ["overdue", "overdue"]


def test_the_last_release_pauses_a_job_that_is_overdue(desk: Desk) -> None:
    one = watched(late=60)
    desk.add(one)
    look(desk, 3700)
    desk.bench.replace_job(attrs.evolve(desk.job(one.id), paused=True, version=2))
    assert look(desk, 3701) == []
    assert stored(desk, one) == (None, None)


def test_a_missed_last_due_ends_overdue_without_a_recovery(desk: Desk) -> None:
    one = watched(late=60)
    desk.add(one)
    look(desk, 3700)
    missed = run(3600, job_id=one.id, state="missed", ended=at(3701))
    desk.insert(missed)
    desk.bench.replace_job(attrs.evolve(desk.job(one.id), next_due=None))
    assert look(desk, 3702) == []
    assert stored(desk, one) == (None, None)
    assert [event for event, *_ in told(desk)] == ["overdue"]


# One that fails.


def test_a_failing_job_recovers_once_with_a_run_begun_later(desk: Desk) -> None:
    one = job(3600, watch=Watch(notify=NOTIFY))
    desk.add(one, other := job())
    for each in (one, other):
        desk.insert(ran(each, 5, 150))
    desk.bench.set_failing(one.id, at(100))
    assert look(desk, 200) == [], "it had begun before"
    desk.insert(good := ran(one, 300, 310), ran(one, 320, 330, "failed"))
    (change,) = look(desk, 400)
    assert (change.event, change.run, change.reason) == (
        "recovered",
        good,
        f"run {good.id} has succeeded",
    )
    assert look(desk, 401) == []
    assert told(desk) == [("recovered", one.id, good.id)]


def test_one_that_failed_again_unseen_has_not_recovered(desk: Desk) -> None:
    one = job(3600, watch=Watch(notify=NOTIFY))
    desk.add(one)
    ends: list[tuple[float, State]] = [(10, "failed"), (11, "succeeded"), (12, "failed")]
    for seconds, state in ends:
        desk.insert(began := ran(one, seconds))
        desk.ended(began, state=state, seconds=seconds + 0.5)
    assert look(desk, 14) == []
    desk.insert(good := ran(one, 15, 16))
    assert events(look(desk, 17)) == [("recovered", one.id)]
    assert [(event, run_id == good.id) for event, _, run_id in told(desk)] == [
        ("failed", False), ("failed", False), ("recovered", True)
    ]  # fmt: skip


def test_one_failed_and_overdue_recovers_once_from_both(desk: Desk) -> None:
    one = watched(success=600)
    desk.add(one)
    desk.bench.set_failing(one.id, at(100))
    look(desk, 700)
    desk.insert(good := ran(one, 800, 810))
    assert events(look(desk, 811)) == [("recovered", one.id)]
    assert look(desk, 812) == []
    assert told(desk) == [("overdue", one.id, None), ("recovered", one.id, good.id)]


# Many.


def test_as_many_as_are_asked_for_are_found_the_others_later(desk: Desk) -> None:
    late = [watched(late=60, watched=at(number // 4)) for number in range(13)]
    desk.add(*late, *(watched(late=9999) for _ in range(5)), *(job(3600) for _ in range(5)))
    changes = [look(desk, 3700, most=5) for _ in range(4)]
    assert [len(some) for some in changes] == [5, 5, 3, 0]
    assert sorted(change.job.id for some in changes for change in some) == sorted(each.id for each in late)


def test_a_list_shows_the_overdue_or_those_that_are_not(desk: Desk) -> None:
    desk.add(one := watched(late=60), other := watched(late=9999), plain := job())
    look(desk, 3700)

    def ids(**only: Any) -> list[str]:
        page = desk.ask(desk.store.jobs.page(9, "", JobFilter(**only), 1 << 20, at(0)))
        return [each.job.id for each in page.values]

    assert ids(overdue=True) == [one.id]
    assert sorted(ids(overdue=False)) == sorted([other.id, plain.id])
    assert ids(overdue=True, state="paused") == []


def test_of_two_nodes_that_see_the_same_one_stores_and_tells_it(desk: Desk, open_desk: Callable[..., Desk]) -> None:
    """The second has read the row as it was; it is written only where it still is so."""
    one = watched(late=60)
    desk.add(one)
    there = open_desk()
    seen = desk.ask(desk.store.overdue.watched(9, at(3700)))
    assert seen == there.ask(there.store.overdue.watched(9, at(3700))) == [one.id]
    assert [len(each.ask(each.store.overdue.settle(seen, at(3700)))) for each in (desk, there)] == [1, 0]
    desk.claim(3701, one)
    seen = there.ask(there.store.overdue.watched(9, at(3702)))
    assert [len(each.ask(each.store.overdue.settle(seen, at(3702)))) for each in (there, desk)] == [1, 0]
    assert [event for event, *_ in told(desk)] == ["overdue", "recovered"]


@pytest.mark.parametrize("heard_at", [90, 150])
@pytest.mark.parametrize("by_itself", [True, False])
def test_one_that_was_taken_for_lost_and_has_succeeded_recovers(desk: Desk, heard_at: float, by_itself: bool) -> None:
    """It may have ended before others took it for lost, and its node may say itself since when it was cut off."""
    one = job(3600, watch=Watch(notify=NOTIFY), policy=Policy(on_isolation="keep"))
    desk.add(one)
    desk.know(node("node", id="here", state="dead"), node("node", id="fresh", seen=at(1000)))
    desk.insert(began := ran(one, 60, node_id="here", on_isolation="keep"))
    desk.declare_dead(seconds=100)
    assert [event for event, *_ in told(desk)] == ["lost"]
    assert look(desk, 120) == []
    if by_itself:
        ended = attrs.evolve(began, isolated=at(70))
    else:
        (ended,) = desk.ask(desk.store.runs.adopt([began.id], "fresh", ["here"]))
    desk.record(ended.become("succeeded", reason="finished", ended=at(heard_at)))
    assert [(change.event, change.run and change.run.id) for change in look(desk, 200)] == [("recovered", began.id)]
    assert look(desk, 201) == []
    assert [event for event, *_ in told(desk)] == ["lost", "recovered"]


def test_a_later_failure_is_not_taken_back(desk: Desk) -> None:
    one = job(3600, watch=Watch(notify=NOTIFY), policy=Policy(on_isolation="keep"))
    desk.add(one)
    desk.know(node("node", id="here", state="dead"))
    desk.insert(began := ran(one, 60, node_id="here", on_isolation="keep"), other := ran(one, 110))
    desk.declare_dead(seconds=100)
    desk.ended(other, state="failed", seconds=120)
    desk.record(began.become("succeeded", reason="finished", ended=at(150)))
    assert look(desk, 200) == []
