"""After a clock that was wrong was set back: dues are computed anew, and nothing that had its outcome starts again."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import attrs
import pytest

from jobsched.model.job import Job, JobFilter, Policy, Watch
from jobsched.model.membership import Heartbeat
from jobsched.model.order import ChangeJob, IdempotencyKey, PauseJob, ResumeJob, RunJob
from jobsched.model.run import Run
from jobsched.model.trigger import Interval
from jobsched.model.wrong_clock import RAN_AHEAD, SET_BACK
from jobsched.verify import verify
from tests.present import present
from tests.store.samples import IDS, Desk, asks, at, job, node, run
from tests.store.telling import telling, told

pytestmark = pytest.mark.usefixtures("told_time")
DAY = 86_400.0
YEAR = 400 * DAY

Said = tuple[float, float, int, str]


@pytest.fixture(autouse=True)
def fresh_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins at the beginning; the others went further."""
    monkeypatch.setattr(IDS, "_last", 0)


def said(desk: Desk) -> list[Said]:
    """(due, until, count, state) of each run, by due."""
    return [
        (seconds(each.due), seconds(each.until or each.due), each.count, each.state) for each in desk.runs()
    ]  # fmt: skip


def seconds(instant: datetime) -> float:
    return (instant - at(0)).total_seconds()


def stored(desk: Desk, one: Job) -> Job:
    found: Job = desk.job(one.id)
    return found


def put_right(desk: Desk, now: float) -> int:
    """As the scheduler does when the clock was set back."""
    desk.ask(desk.store.wrong_clock.rest(at(now)))
    found, _ = desk.ask(desk.store.wrong_clock.jobs_ahead(at(now), "", 1000))
    changed: int = desk.ask(desk.store.wrong_clock.put_right(found, at(now)))
    return changed


def lived(desk: Desk, one: Job, *moments: float) -> None:
    """Claims at these times; each run ends at once."""
    for moment in moments:
        for begun in desk.claim(moment, one).started:
            desk.ended(begun, seconds=moment)


def ran_ahead(desk: Desk, **fields: Any) -> Job:
    """A job of every two seconds, whose clock was 400 days ahead between the sixth second and the tenth."""
    one = job(2, **fields)
    desk.add(one)
    lived(desk, one, 2, 4, 6, YEAR + 8, YEAR + 10)
    return one


# Dues are computed anew


def test_a_clock_that_was_ahead_for_a_while_silences_no_job(desk: Desk, store_url: str) -> None:
    one = ran_ahead(desk)
    assert stored(desk, one).next_due == at(YEAR + 12)
    assert put_right(desk, 11) == 1
    assert (stored(desk, one).next_due, stored(desk, one).ahead) == (at(12), at(YEAR + 12))
    assert put_right(desk, 11) == 0
    lived(desk, one, 12, 14)
    assert said(desk)[:6] == [
        (2, 2, 1, "succeeded"), (4, 4, 1, "succeeded"), (6, 6, 1, "succeeded"),
        (8, 10, 2, "missed"), (12, 12, 1, "succeeded"), (14, 14, 1, "succeeded"),
    ]  # fmt: skip
    assert desk.runs()[3].reason == RAN_AHEAD
    assert [each[3] for each in said(desk)[6:]] == ["missed", "succeeded", "succeeded"], "what ran, ran"
    for whole in (True, False):
        assert [str(fault) for fault in verify(store_url, whole=whole) if "due" in str(fault)] == []


def test_what_ran_ahead_of_the_clock_does_not_run_again(desk: Desk, store_url: str) -> None:
    one = ran_ahead(desk)
    put_right(desk, 11)
    lived(desk, one, 12, YEAR - 60)
    claimed = desk.claim(YEAR + 8, one)
    assert (claimed.started, claimed.dues) == ((), ((one.id, at(YEAR + 10)),))
    assert [each for each in said(desk) if each[0] == YEAR - 58] == [(YEAR - 58, YEAR - 54, 3, "missed")]
    before = said(desk)
    assert desk.claim(YEAR + 10, one).started == ()
    assert said(desk) == before
    assert (stored(desk, one).next_due, stored(desk, one).ahead) == (at(YEAR + 12), None)
    lived(desk, one, YEAR + 12)
    assert said(desk)[-1] == (YEAR + 12, YEAR + 12, 1, "succeeded")
    assert [str(fault) for fault in verify(store_url, whole=True) if "due" in str(fault)] == []


def test_what_is_missed_twice_in_a_stretch_is_recorded_once(desk: Desk, store_url: str) -> None:
    """The clock is 400 days ahead twice."""
    one = ran_ahead(desk, policy=Policy(misfire_grace=timedelta(seconds=1)))
    put_right(desk, 11)
    lived(desk, one, 12, YEAR + 14, YEAR + 16)
    put_right(desk, 15)
    lived(desk, one, 16, 18)
    dues = [each for each in said(desk) if each[0] < DAY]
    assert sum(count for _, _, count, _ in dues) == 9
    assert all(before[1] < after[0] for before, after in pairwise(dues))
    assert [str(fault) for fault in verify(store_url, whole=True) if "due" in str(fault)] == []


def test_a_clock_behind_for_a_while_makes_nothing_run_again(desk: Desk, store_url: str) -> None:
    """A machine without a battery begins in the past, runs what is due there, and is told the time a minute later."""
    one = job(60, policy=Policy(misfire_grace=None))
    one = attrs.evolve(one, schedule=attrs.evolve(one.schedule, trigger=Interval(
        start=at(-20 * YEAR), every=timedelta(seconds=60)
    )))  # fmt: skip
    desk.add(one)
    lived(desk, one, 60, 120, 180)
    assert put_right(desk, -10 * YEAR) == 1
    assert stored(desk, one).next_due == at(-10 * YEAR + 60)
    lived(desk, one, -10 * YEAR + 60)
    claimed = desk.claim(190, one)
    assert (claimed.started, claimed.dues) == ((), ((one.id, at(240)),))
    assert stored(desk, one).ahead is None
    lived(desk, one, 240)
    assert [each[0] for each in said(desk)] == [-10 * YEAR + 60, 60, 120, 180, 240]
    assert [str(fault) for fault in verify(store_url, whole=True) if "due" in str(fault)] == []


def test_a_record_of_a_time_that_had_come_is_not_touched(desk: Desk) -> None:
    one = job(60)
    desk.add(one)
    desk.order(PauseJob(job_id=one.id), 10)
    desk.order(ResumeJob(job_id=one.id), 7 * DAY)
    before = said(desk)
    assert put_right(desk, 7 * DAY - 3600) == 0
    assert put_right(desk, -10 * YEAR) == 1
    assert said(desk) == before


def test_by_up_to_three_hours_a_step_back_changes_nothing(desk: Desk) -> None:
    one = job(2)
    desk.add(one)
    lived(desk, one, 2, 4, 10_000)
    due = stored(desk, one).next_due
    assert put_right(desk, 5) == 0
    lived(desk, one, 6)
    assert stored(desk, one).next_due == due


def test_what_is_meant_to_be_due_far_away_is_not_touched(desk: Desk) -> None:
    far = [job(YEAR), job(60, next_due=at(YEAR))]
    desk.add(*far)
    assert put_right(desk, 10) == 0, "nothing says that a clock was wrong"
    assert [stored(desk, one) for one in far] == far


def test_a_job_that_was_made_or_changed_ahead_is_due_soon(desk: Desk) -> None:
    made, changed = attrs.evolve(job(7), created=at(YEAR), updated=at(YEAR), next_due=at(YEAR + 7)), job(60)
    made = attrs.evolve(made, schedule=attrs.evolve(made.schedule, trigger=Interval(
        start=at(YEAR), every=timedelta(seconds=7)
    )))  # fmt: skip
    desk.add(made, changed)

    def quicker(old: Job, now: datetime) -> Job:
        schedule = attrs.evolve(old.schedule, trigger=Interval(start=now, every=timedelta(seconds=5)))
        return attrs.evolve(old, schedule=schedule, next_due=now + timedelta(seconds=5))

    desk.order(ChangeJob(job_id=changed.id, versions=None, revise=quicker), YEAR)
    assert put_right(desk, 11) == 2
    assert at(11) < present(stored(desk, made).next_due) <= at(18)
    assert at(11) < present(stored(desk, changed).next_due) <= at(16)
    for one, moment in ((made, 18), (changed, 18)):
        assert desk.claim(moment, one).started


def test_a_change_after_a_clock_was_wrong_counts_from_now(desk: Desk) -> None:
    one = ran_ahead(desk)
    found: list[datetime] = []

    def make(old: Job, now: datetime) -> Job:
        found.append(now)
        return attrs.evolve(old, next_due=now + timedelta(seconds=2), schedule=attrs.evolve(
            old.schedule, trigger=Interval(start=now, every=timedelta(seconds=2))
        ))  # fmt: skip

    desk.order(ChangeJob(job_id=one.id, versions=None, revise=make), 11)
    assert found == [at(11)]
    assert stored(desk, one).ahead is not None, "dues that ran ahead may come again"


def test_a_resume_after_a_clock_was_wrong_settles_each_due_once(desk: Desk, store_url: str) -> None:
    one = ran_ahead(desk)
    put_right(desk, 11)
    desk.order(PauseJob(job_id=one.id), 11.5)
    desk.order(ResumeJob(job_id=one.id), 20.5)
    assert said(desk)[3:5] == [(8, 10, 2, "missed"), (12, 20, 5, "skipped")]
    lived(desk, one, 22)
    assert [str(fault) for fault in verify(store_url, whole=True) if "due" in str(fault)] == []


def test_an_end_that_had_passed_by_the_other_clock_has_not(desk: Desk) -> None:
    one = job(2)
    one = attrs.evolve(one, schedule=attrs.evolve(one.schedule, end=at(30)))
    desk.add(one)
    lived(desk, one, 2, 4, YEAR)
    assert stored(desk, one).next_due is None
    assert put_right(desk, 11) == 1
    lived(desk, one, 12, 14, 30)
    assert stored(desk, one).next_due is None
    assert said(desk)[-1][:2] == (30, 30)


def test_in_each_place_what_ran_ahead_keeps_its_outcome(desk: Desk) -> None:
    one = job(2, policy=Policy(placement="every"))
    desk.add(one)
    a, b = node("a"), node("b")
    for moment in (2, YEAR + 4, YEAR + 6):
        for each in desk.claim(moment, one, **asks(a, b)).started + desk.claim(moment, **asks(b, a)).started:
            desk.ended(each, seconds=moment)
    assert put_right(desk, 5) == 1
    assert len(desk.claim(6, one, **asks(a, b)).started) == 1
    desk.bench.replace_job(attrs.evolve(desk.job(one.id), next_due=at(YEAR + 4)))
    assert desk.claim(YEAR + 6.5, one, **asks(a, b)).started == ()


# What else waits


def test_what_was_found_is_told(desk: Desk) -> None:
    one = job(2)
    desk.add(one)
    assert not desk.ask(desk.store.wrong_clock.evidence(at(1))).found
    lived(desk, one, 2, 4, YEAR)
    assert not desk.ask(desk.store.wrong_clock.evidence(at(YEAR))).found
    found = desk.ask(desk.store.wrong_clock.evidence(at(5)))
    assert (found.found, found.runs, found.latest) == (True, 3, at(YEAR))
    desk.bench.forget_runs([each.id for each in desk.runs()])
    assert not desk.ask(desk.store.wrong_clock.evidence(at(5))).found
    desk.bench.replace_job(attrs.evolve(desk.job(one.id), updated=at(YEAR)))
    assert desk.ask(desk.store.wrong_clock.evidence(at(5))).touched
    desk.bench.replace_job(attrs.evolve(desk.job(one.id), updated=at(0)))
    desk.know(node("a", seen=at(YEAR)))
    assert desk.ask(desk.store.wrong_clock.evidence(at(5))).touched


def test_jobs_are_looked_at_page_by_page(desk: Desk) -> None:
    made = [ran_ahead(desk) for _ in range(5)]
    found: list[str] = []
    after: str | None = ""
    while after is not None:
        some, after = desk.ask(desk.store.wrong_clock.jobs_ahead(at(11), after, 2))
        found += some
    assert found == sorted(one.id for one in made)


def test_a_success_in_the_future_is_none(desk: Desk) -> None:
    watch = Watch(must_succeed_every=timedelta(seconds=6), max_late=timedelta(seconds=5))
    one = ran_ahead(desk, watch=watch, watched=at(0))
    desk.bench.replace_job(attrs.evolve(desk.job(one.id), next_due=at(YEAR + 12)))
    assert desk.ask(desk.store.overdue.watched(9, at(13))) == [one.id]
    (turn,) = desk.ask(desk.store.overdue.settle([one.id], at(13)))
    assert (turn.event, turn.job.overdue) == ("overdue", at(12)), "six seconds after the last success that has come"


def test_what_is_watched_is_so_from_now_on(desk: Desk) -> None:
    watch = Watch(must_succeed_every=timedelta(seconds=6))
    one = job(2, watch=watch, watched=at(YEAR))
    other = job(2, watch=watch, watched=at(3))
    desk.add(one, other)
    for each in (one, other):
        desk.bench.keep_success(each.id, at(YEAR))
        desk.bench.set_failing(each.id, at(YEAR))
    desk.ask(desk.store.wrong_clock.rest(at(5)))
    assert (stored(desk, one).watched, stored(desk, other).watched) == (at(5), at(3))
    for each in (one, other):
        assert (desk.bench.success(each.id), desk.bench.failing(each.id)) == (None, at(5))


def test_a_retry_waits_its_pause_and_not_until_that_instant(desk: Desk) -> None:
    one = job(2, policy=Policy(retries=1, retry_delay=timedelta(seconds=100)))
    desk.add(one)
    desk.claim(2, one)
    desk.ended(*desk.runs(), state="failed", seconds=YEAR)
    legit = job(2, policy=Policy(retries=1, retry_delay=timedelta(days=2)))
    desk.add(legit)
    desk.claim(2, legit)
    desk.ended(next(each for each in desk.runs() if each.job_id == legit.id), state="failed", seconds=4)
    for moment in (10, 20):
        desk.ask(desk.store.wrong_clock.rest(at(moment)))
        retries = {each.job_id: each.not_before for each in desk.runs() if each.attempt == 2}
        assert retries == {one.id: at(110), legit.id: at(4 + 2 * DAY)}


def test_what_waits_for_a_due_that_has_not_come_does_not_start(desk: Desk) -> None:
    one = job(2, policy=Policy(overlap="allow"))
    desk.add(one)
    desk.claim(YEAR, one, slots=0)
    desk.order(RunJob(job_id=one.id), YEAR + 1)
    ended: list[Run] = []
    desk.events.runs_ended.subscribe(ended.extend)
    desk.ask(desk.store.wrong_clock.rest(at(5)))
    waits = [each for each in desk.runs() if each.cause == "schedule" and each.due == at(YEAR)]
    assert [(each.state, each.reason, each.ended) for each in waits] == [("skipped", SET_BACK, at(5))]
    assert ended == waits
    assert [each.state for each in desk.runs() if each.cause == "manual"] == ["waiting"], "a caller wants it"


def test_what_is_to_be_told_is_told_now(desk: Desk) -> None:
    one = telling()
    desk.add(one)
    failed = run(2, job_id=one.id)
    desk.insert(failed)
    desk.ended(failed, state="failed", seconds=YEAR)
    desk.ask(desk.store.wrong_clock.rest(at(5)))
    assert [each.not_before for each in told(desk)] == [at(5)]
    desk.bench.replace_delivery(attrs.evolve(told(desk)[0], not_before=at(7000), created=at(4)))
    desk.ask(desk.store.wrong_clock.rest(at(5)))
    assert [each.not_before for each in told(desk)] == [at(7000)]


def test_a_key_is_remembered_for_a_day(desk: Desk) -> None:
    desk.bench.add_key(IdempotencyKey(scope="/jobs", key="a", digest="d"), "t", at(YEAR))
    desk.ask(desk.store.wrong_clock.rest(at(5)))
    desk.ask(desk.store.retention.forget_keys(at(5 + DAY + 1)))
    assert desk.bench.keys() == []


# Who lives


def test_a_node_that_died_on_a_clock_ahead_is_found_dead(desk: Desk) -> None:
    desk.know(node("a", seen=at(YEAR)), node("b", seen=at(5)))
    heartbeat = Heartbeat(id="id of b", tasks=("task",), running=0, slots=1, tried=0, won=0)
    snapshot = desk.ask(desk.store.nodes.beat(heartbeat, at(6)))
    assert [each.name for each in snapshot.late] == ["a"]
    assert [each.name for each in snapshot.alive] == ["a", "b"], "it may be about to say that it lives"
    desk.insert(run(2, node="a", node_id="id of a"))
    assert desk.declare_dead(seconds=6, silent=[]) == []
    (lost,) = desk.declare_dead(seconds=6, silent=["id of a"])
    assert lost.state == "lost"
    dead = present(desk.ask(desk.store.nodes.get("id of a")))
    assert (dead.state, dead.seen) == ("dead", at(6))


def test_nodes_of_that_time_are_brought_back_to_now(desk: Desk) -> None:
    then = {"since": at(YEAR), "seen": at(YEAR)}
    desk.know(node("a", state="stopped", **then), node("b", **then), node("c"))
    desk.ask(desk.store.wrong_clock.rest(at(6)))
    assert [(each.name, each.since, each.seen) for each in desk.bench.nodes()] == [
        ("a", at(6), at(6)), ("b", at(6), at(YEAR)), ("c", at(0), at(0)),
    ]  # fmt: skip


# What is shown and kept


def test_the_last_run_is_the_last_that_has_come(desk: Desk) -> None:
    one = ran_ahead(desk)
    put_right(desk, 11)
    assert present(desk.ask(desk.store.jobs.get(one.id, at(11))).last_run).due == at(6)
    lived(desk, one, 12)
    assert present(desk.ask(desk.store.jobs.get(one.id, at(12))).last_run).due == at(12)
    (news,) = desk.ask(desk.store.jobs.page(10, "", JobFilter(), 10_000, at(12))).values
    assert present(news.last_run).due == at(12)


def test_what_ran_ahead_pushes_nothing_out_and_parts_nothing(desk: Desk) -> None:
    one = ran_ahead(desk)
    put_right(desk, 11)
    lived(desk, one, 12)
    desk.claim(14, one)
    desk.claim(16, one)
    desk.claim(18, one)
    assert said(desk)[5:7] == [(14, 14, 1, "running"), (16, 18, 2, "skipped")]
    desk.ask(desk.store.retention.forget_runs_beyond(one.id, 4, 100, True, at(20)))
    assert [each[0] for each in said(desk) if each[3] in ("succeeded", "running")] == [
        4, 6, 12, 14, *(each[0] for each in said(desk) if each[0] > DAY and each[3] == "succeeded"),
    ]  # fmt: skip
