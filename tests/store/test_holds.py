"""Holds: nothing of what is held starts, each due has one outcome, and what is over is over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from jobsched.model.caller import Caller
from jobsched.model.errors import Conflict, Forbidden, Invalid, NotFound, OnHold, Stale
from jobsched.model.hold import Hold
from jobsched.model.job import Job, Policy
from jobsched.model.labels import About
from jobsched.model.order import ChangeJob, PutHold, ReleaseHold, RunJob
from jobsched.model.selection import Selection
from tests.store.samples import IDS, T0, Desk, at, job, node, run, signature

pytestmark = pytest.mark.usefixtures("told_time")

WORDS = "on hold by alice until 2024-01-01T00:05:00Z: upgrade"
EVER = Policy(misfire_grace=None, catch_up="all", overlap="queue")


def put(desk: Desk, seconds: float = 90, until: float | None = 300, *, anew: bool = True, **fields: Any) -> Hold:
    more = {name: fields.pop(name) for name in ("versions", "by", "caller") if name in fields}
    versions = more.pop("versions", None)
    wanted = Hold(by=None, at=at(seconds), until=None if until is None else at(until), reason="upgrade", **fields)
    return desk.order(PutHold(hold=wanted, anew=anew, versions=versions), seconds, **more)


def current(desk: Desk, seconds: float) -> Hold | None:
    return desk.ask(desk.store.holds.current(at(seconds)))


def said(desk: Desk, one: Job | None = None) -> list[tuple[float, int, str, str]]:
    return [
        ((each.due - T0).total_seconds(), each.count, each.state, each.reason)
        for each in desk.runs() if one is None or each.job_id == one.id
    ]  # fmt: skip


def states(desk: Desk) -> list[tuple[float, int, str]]:
    return [row[:3] for row in said(desk)]


def soon(desk: Desk, seconds: float) -> list[str]:
    """The jobs that are due by then."""
    return [due.id for due in desk.ask(desk.store.jobs.due_before(at(seconds), 100, None, at(seconds)))]


def test_there_is_one_at_a_time_and_it_says_whose_it_is(desk: Desk) -> None:
    assert current(desk, 0) is None
    stored = put(desk)
    assert stored == Hold(by="alice", at=at(90), until=at(300), reason="upgrade")
    assert (current(desk, 299.9), current(desk, 300)) == (stored, None)
    with pytest.raises(Conflict) as refused:
        put(desk, 100, 400, by=signature(100, who="bob"))
    assert str(refused.value) == f"{WORDS}; with If-Match that can be changed"
    with pytest.raises(Stale):
        put(desk, 100, 400, anew=False, versions=frozenset({7}))
    changed = put(desk, 100, 400, anew=False, versions=frozenset({1}), by=signature(100, who="bob"))
    assert changed == attrs.evolve(stored, by="bob", until=at(400), version=2)
    assert put(desk, 500, 600).version == 3


def test_what_cannot_be_is_refused_and_changes_nothing(desk: Desk) -> None:
    with pytest.raises(Invalid) as refused:
        put(desk, 90, 90)
    assert refused.value.pointer == "/until"
    with pytest.raises(Stale):
        put(desk, anew=False)
    with pytest.raises(NotFound):
        desk.order(ReleaseHold(), 90)
    stored = put(desk)
    with pytest.raises(Stale):
        desk.order(ReleaseHold(versions=frozenset({2})), 100)
    assert current(desk, 100) == stored
    with pytest.raises(NotFound):
        desk.order(ReleaseHold(), 300)


def test_each_change_has_an_entry(desk: Desk) -> None:
    put(desk, select=Selection(names=("batch-*",)))
    put(desk, 100, 400, anew=False, versions=None)
    desk.order(ReleaseHold(), 110)
    told = [(entry.action, entry.before, entry.after) for entry in desk.bench.entries()]
    first = {"reason": "upgrade", "until": "2024-01-01T00:05:00Z", "select": {"names": ["batch-*"]}}
    first |= {"missed": "skip", "waiting": "hold"}
    second = first | {"until": "2024-01-01T00:06:40Z", "select": None}
    assert told == [("hold.put", None, first), ("hold.put", first, second), ("hold.delete", second, None)]


def test_dues_are_skipped_as_they_come_in_one_record(desk: Desk) -> None:
    one = job(policy=EVER)
    desk.add(one)
    desk.claim(60, one)
    desk.ended(*desk.runs())
    put(desk)
    for seconds in (120, 180, 240):
        claimed = desk.claim(seconds, one)
        assert (claimed.started, claimed.dues) == ((), ((one.id, at(seconds + 60)),))
    desk.claim(300, one)
    assert said(desk)[1:] == [(120, 3, "skipped", WORDS), (300, 1, "running", "is running")]


@pytest.mark.parametrize("policy", [Policy(), EVER])
def test_dues_that_nobody_decided_in_time_are_skipped_too(desk: Desk, policy: Policy) -> None:
    one = job(policy=policy)
    desk.add(one)
    put(desk, 30)
    claimed = desk.claim(310, one)
    assert (claimed.dues, claimed.started) == (((one.id, at(300)),), ())
    desk.claim(310, one)
    assert said(desk) == [(60, 4, "skipped", WORDS), (300, 1, "running", "is running")]


def test_after_a_release_only_dues_after_it_run(desk: Desk) -> None:
    one = job()
    desk.add(one)
    put(desk, 30, None)
    desk.claim(60, one)
    released = desk.order(ReleaseHold(), 150)
    assert (released.until, current(desk, 150)) == (None, None)
    desk.claim(181, one)
    desk.claim(181, one)
    assert said(desk) == [
        (60, 1, "skipped", "on hold by alice: upgrade"),
        (120, 1, "skipped", "on hold by alice until 2024-01-01T00:02:30Z: upgrade"),
        (180, 1, "running", "is running"),
    ]


@pytest.mark.parametrize(
    ("policy", "after"),
    [
        (EVER, [(60.0, 1, "running"), *((60.0 * n, 1, "waiting") for n in range(2, 6))]),
        (Policy(), [(60, 4, "missed"), (300, 1, "running")]),
    ],
)
def test_with_catch_up_dues_are_left_alone_until_it_is_over(desk: Desk, policy: Policy, after: Any) -> None:
    one = job(policy=policy)
    desk.add(one)
    put(desk, 30, missed="catch_up")
    for seconds in (60, 200, 299.9):
        claimed = desk.claim(seconds, one)
        assert (claimed.started, claimed.won, claimed.held_up) == ((), 0, False)
        assert soon(desk, seconds) == []
    assert (desk.runs(), desk.job(one.id).next_due) == ([], at(60))
    assert soon(desk, 300) == [one.id]
    desk.claim(310, one)
    assert states(desk) == after
    if policy is not EVER:
        assert said(desk)[0][3] == (
            "on hold by alice (upgrade) from 2024-01-01T00:00:30Z until 2024-01-01T00:05:00Z (4 min 30 s)"
        )


def test_only_what_is_selected_and_seen_by_the_holder_is_held(desk: Desk) -> None:
    mine, other, unseen = (job(name=name, made=n) for n, name in enumerate(("batch-1", "report", "batch-2")))
    unseen = attrs.evolve(unseen, task="secret")
    desk.add(mine, other, unseen)
    put(desk, 30, select=Selection(names=("batch-*",)), caller=Caller(name="carol", tasks=("task",)))
    for seconds in (60, 120):
        desk.claim(seconds, mine, other, unseen)
    assert {each.job_id for each in desk.runs() if each.state == "skipped" and each.reason == WORDS} == {mine.id}
    put(desk, 130, anew=False, missed="catch_up", select=Selection(ids=(mine.id, other.id)))
    assert soon(desk, 200) == [unseen.id]


def test_a_caller_for_some_tasks_changes_no_hold_over_others(desk: Desk) -> None:
    narrow = Caller(name="carol", tasks=("task",))
    put(desk)
    for order in (PutHold(hold=Hold(by=None, at=at(100)), anew=False), ReleaseHold()):
        with pytest.raises(Forbidden):
            desk.order(order, 100, caller=narrow)
    assert current(desk, 100) is not None
    desk.order(ReleaseHold(), 110)
    put(desk, 120, caller=narrow)
    desk.order(ReleaseHold(), 130, caller=narrow)


def relabel(desk: Desk, one: Job, about: About) -> None:
    desk.order(
        ChangeJob(job_id=one.id, versions=None, revise=lambda was, _: attrs.evolve(was, about=about)), 40
    )  # fmt: skip


@pytest.mark.parametrize("missed", ["skip", "catch_up"])
def test_a_job_falls_under_it_once_it_has_the_label(desk: Desk, missed: Any) -> None:
    data, web = (About(labels={"team": team}) for team in ("data", "web"))
    moved, left = job(name="moved", about=web, made=1), job(name="left", about=data, made=2)
    desk.add(moved, left)
    put(desk, 30, select=Selection(labels=("team=data",)), missed=missed)
    for one, about in ((moved, data), (left, web)):
        relabel(desk, one, about)
    late = job(name="late", about=data, made=45)
    desk.add(late)
    assert set(soon(desk, 61)) == ({left.id} if missed == "catch_up" else {moved.id, left.id, late.id})
    desk.claim(60, moved, left, late)
    skipped = [] if missed == "catch_up" else [moved.id, late.id]
    assert sorted((each.job_id, each.state) for each in desk.runs()) == sorted(
        [*((job_id, "skipped") for job_id in skipped), (left.id, "running")]
    )


@pytest.mark.parametrize("label", ["team=data", "team"])
def test_what_waits_is_held_by_the_label_of_its_job(desk: Desk, label: str) -> None:
    first, second = waiting(desk)
    about = About(labels={"team": "data"})
    relabel(desk, second, about)
    put(desk, select=Selection(labels=(label,)))
    assert [each.job_id for each in desk.claim(200).started] == [first.id]


def test_it_is_refused_while_a_node_would_not_heed_it(desk: Desk) -> None:
    older = node("older", schema=None)
    desk.know(node("alpha"), older)
    for anew in (True, False):
        with pytest.raises(Conflict, match=r"is alive: older$") as refused:
            put(desk, anew=anew)
        assert not isinstance(refused.value, OnHold)
    assert current(desk, 100) is None
    desk.bench.replace_node(attrs.evolve(older, state="stopped"))
    assert put(desk) == current(desk, 100)


def waiting(desk: Desk) -> tuple[Job, Job]:
    """Two jobs that are not due, each with a run that waits: a retry, and one that was queued."""
    first, second = (job(id=name, name=name, next_due=None) for name in ("first", "second"))
    desk.add(first, second)
    desk.insert(run(10, job_id="first", state="waiting", node=None, node_id=None))
    retry = {"cause": "retry", "attempt": 2, "not_before": at(100)}
    desk.insert(run(20, job_id="second", state="waiting", node=None, node_id=None, **retry))
    return first, second


@pytest.mark.parametrize("peers", [{}, {"peers": (node("node", id="here"),)}])
def test_what_waits_is_held_too_and_starts_when_it_is_over(desk: Desk, peers: Any) -> None:
    waiting(desk)
    put(desk)
    claimed = desk.claim(200, **peers)
    assert (claimed.started, claimed.waiting, claimed.held_up) == ((), True, False)
    assert len(desk.claim(300, **peers).started) == 2


def test_what_waits_goes_on_where_the_hold_keeps_it(desk: Desk) -> None:
    waiting(desk)
    put(desk, waiting="keep")
    assert len(desk.claim(200).started) == 2


def test_what_waits_of_other_jobs_is_not_held(desk: Desk) -> None:
    first, _ = waiting(desk)
    put(desk, select=Selection(names=(first.name,)))
    assert [each.job_id for each in desk.claim(200).started] == ["second"]


def test_a_run_now_is_refused_unless_it_is_forced(desk: Desk) -> None:
    held, other = job(name="held", made=1), job(name="other", made=2)
    desk.add(held, other)
    put(desk, 1, select=Selection(names=("held",)))
    with pytest.raises(Conflict) as refused:
        desk.order(RunJob(job_id=held.id), 2)
    assert str(refused.value) == f"{WORDS}; force=1 runs it all the same"
    assert desk.runs() == []
    forced = desk.order(RunJob(job_id=held.id, force=True), 3).run
    free = desk.order(RunJob(job_id=other.id), 3).run
    assert {each.id for each in desk.claim(4).started} == {forced.id, free.id}
    assert desk.run(forced.id).forced is True
    assert desk.run(free.id).forced is None
    assert not desk.order(RunJob(job_id=held.id), 300).run.forced


def test_a_retry_of_what_was_forced_is_held(desk: Desk) -> None:
    one = job(next_due=None, policy=Policy(retries=1, retry_delay=timedelta(0)))
    desk.add(one)
    put(desk, 1)
    desk.order(RunJob(job_id=one.id, force=True), 2)
    desk.claim(3)
    desk.ended(*desk.runs(), state="failed", seconds=4)
    assert desk.claim(200).started == ()
    assert [each.attempt for each in desk.claim(300).started] == [2]


def test_the_end_is_told_until_no_clock_is_before_it(desk: Desk) -> None:
    def next_end(seconds: float) -> Any:
        return desk.ask(desk.store.jobs.next_pause_end(at(seconds)))

    put(desk)
    assert [next_end(seconds) for seconds in (91, 299, 300.05, 300.1)] == [at(300)] * 4
    desk.ask(desk.store.jobs.end_pauses(at(300.05), 9, IDS, ""))
    assert [next_end(seconds) for seconds in (300.05, 300.1)] == [at(300), None]


def test_max_runs_are_not_used_up_by_what_is_skipped(desk: Desk) -> None:
    one = job(max_runs=1)
    desk.add(one)
    put(desk, 30)
    for seconds in (200, 300, 300):
        desk.claim(seconds, one)
    assert said(desk)[1:] == [(300, 1, "running", "is running")]
    assert desk.job(one.id).next_due is None


def test_placement_every_has_one_record_of_what_was_held(desk: Desk) -> None:
    one = job(policy=Policy(placement="every"))
    desk.add(one)
    both = node("node", id="here", seen=at(120)), node("other", seen=at(120))
    desk.know(*both)
    put(desk, 30)
    for seconds in (60, 120):
        desk.claim(seconds, one, peers=both, alone=False)
    assert said(desk) == [(60, 2, "skipped", WORDS)]
