"""Jobs that run on every node: each due once on each that can, and an outcome for each that is known and down."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from jobsched.model.claim import IS_RUNNING, NO_SLOT
from jobsched.model.job import Job, Policy
from jobsched.model.order import DeleteJob, RunJob
from tests.store.samples import Desk, asks, at, job, node, run

A, B, C = node("a"), node("b"), node("c")
IDLE = node("idle", tasks=("other",))

pytestmark = pytest.mark.usefixtures("told_time")


def everywhere(every: float = 60, *, max_runs: int | None = None, **policy: Any) -> Job:
    return job(every, policy=Policy(placement="every", **policy), max_runs=max_runs)


def told(desk: Desk) -> list[tuple[float, str, str]]:
    """What the record says: due, place, state."""
    return sorted(((each.due - at(0)).total_seconds(), each.place, each.state) for each in desk.runs())


def stored(desk: Desk, one: Job) -> Job:
    found: Job = desk.job(one.id)
    return found


# Where it runs


def test_each_node_that_can_gets_and_starts_its_own_run(desk: Desk) -> None:
    one = everywhere()
    desk.add(one)
    claimed = desk.claim(60, one, **asks(A, B, IDLE, C))
    assert [(each.place, each.node, each.node_id) for each in claimed.started] == [("a", "a", "id of a")]
    assert (claimed.won, claimed.waiting, claimed.dues) == (1, True, ((one.id, at(120)),))
    assert told(desk) == [(60, "a", "running"), (60, "b", "waiting"), (60, "c", "waiting")]
    assert {each.reason for each in desk.runs()} == {
        IS_RUNNING, "waits for node b to start it", "waits for node c to start it"
    }  # fmt: skip
    assert desk.claim(60.1, one, **asks(IDLE, A, B, C)).started == ()
    assert [each.place for each in desk.claim(60.1, one, **asks(B, A, IDLE, C)).started] == ["b"]
    assert desk.claim(60.2, one, **asks(B, A, IDLE, C)).started == ()
    assert [each.place for each in desk.claim(60.2, one, **asks(C, A, B)).started] == ["c"]
    assert told(desk) == [(60, "a", "running"), (60, "b", "running"), (60, "c", "running")]


def test_only_nodes_with_the_tags_get_one(desk: Desk) -> None:
    one = everywhere(require={"gpu": "yes"})
    desk.add(one)
    desk.claim(60, one, **asks(node("a", tags={"gpu": "yes", "x": "y"}), B, node("c", tags={"gpu": "no"})))
    assert told(desk) == [(60, "a", "running")]


def test_two_living_nodes_of_one_name_get_one_run_together(desk: Desk) -> None:
    one, twin = everywhere(), node("a", id="the twin")
    desk.add(one)
    assert len(desk.claim(60, one, **asks(A, twin, B)).started) == 1
    assert desk.claim(60, one, **asks(twin, A, B)).started == ()
    assert told(desk) == [(60, "a", "running"), (60, "b", "waiting")]


def test_without_a_free_slot_its_own_waits_too(desk: Desk) -> None:
    one = everywhere()
    desk.add(one)
    assert desk.claim(60, one, **asks(A, B, slots=0)).started == ()
    assert {each.place: each.reason for each in desk.runs()} == {
        "a": NO_SLOT,
        "b": "waits for node b to start it",
    }
    assert [each.place for each in desk.claim(61, **asks(A, B)).started] == ["a"]


def test_what_waits_goes_before_it_and_it_is_started_still(desk: Desk) -> None:
    one = everywhere()
    desk.add(one)
    desk.queue(run(10, state="waiting", node=None, node_id=None))
    assert [each.due for each in desk.claim(60, one, **asks(A, B)).started] == [at(10), at(60)]
    assert told(desk) == [(10, "", "running"), (60, "a", "running"), (60, "b", "waiting")]


# Nodes that are down


def test_a_known_node_that_is_down_gets_a_missed_run(desk: Desk) -> None:
    one = everywhere(require={"gpu": "yes"})
    desk.add(one)
    known: dict[str, Any] = {"tags": {"gpu": "yes"}, "seen": at(33.5)}
    here = node("here", tags={"gpu": "yes"}, seen=at(59))
    desk.know(
        here,
        node("stopped", state="stopped", **known),
        node("dead", state="dead", **known),
        node("untagged", state="dead"),
        node("idle", state="dead", tasks=(), **known),
    )
    desk.claim(60, one, **asks(here))
    missed = [each for each in desk.runs() if each.state == "missed"]
    assert {each.place: each.reason for each in missed} == {
        "stopped": "node stopped was stopped, last seen 2024-01-01T00:00:33Z",
        "dead": "node dead was down, last seen 2024-01-01T00:00:33Z",
    }
    assert {(each.due, each.ended, each.node_id) for each in missed} == {(at(60), at(60), None)}
    assert told(desk) == [(60, "dead", "missed"), (60, "here", "running"), (60, "stopped", "missed")]


def test_a_node_is_as_it_was_when_it_began_last(desk: Desk) -> None:
    one = everywhere()
    desk.add(one)
    gone: dict[str, Any] = {"state": "dead"}
    desk.know(attrs.evolve(A, seen=at(59)), node("a", id="1", since=at(-9), **gone))  # restarted: it lives
    desk.know(node("b", id="2", since=at(-9), tasks=(), **gone), node("b", id="3", since=at(-5), **gone))
    desk.know(node("c", id="4", since=at(-9), **gone), node("c", id="5", since=at(-5), tasks=(), **gone))
    desk.claim(60, one, **asks(A))
    assert told(desk) == [(60, "a", "running"), (60, "b", "missed")]


def test_a_node_that_joined_since_the_heartbeat_gets_its_run(desk: Desk) -> None:
    one = everywhere()
    desk.add(one)
    here = attrs.evolve(A, seen=at(58))
    desk.know(here, attrs.evolve(B, since=at(59), seen=at(59)))
    desk.know(node("c", id="before", state="dead"), node("c", id="back", since=at(59.5), seen=at(59.5)))
    desk.claim(60, one, **asks(here))
    assert told(desk) == [(60, "a", "running"), (60, "b", "waiting"), (60, "c", "waiting")]
    ran = desk.order(RunJob(job_id=one.id, peers=(here,)), 61, node_id=here.id)
    assert [each.place for each in desk.runs() if each.due == ran.run.due] == ["a", "b", "c"]


def test_a_node_that_left_since_the_heartbeat_is_said_to_have(desk: Desk) -> None:
    one = everywhere()
    desk.add(one)
    desk.know(attrs.evolve(A, seen=at(58)), node("b", state="stopped", seen=at(59)), node("late", seen=at(49.9)))
    desk.claim(60, one, **asks(A, B, node("late")))
    assert told(desk) == [(60, "a", "running"), (60, "b", "missed"), (60, "late", "missed")]


def test_a_node_knows_of_itself_what_nobody_heard_yet(desk: Desk) -> None:
    one = everywhere()
    desk.add(one)
    desk.know(node("a", tasks=(), seen=at(59)), node("b", seen=at(59)))
    desk.claim(60, one, **asks(A, B))
    assert told(desk) == [(60, "a", "running"), (60, "b", "waiting")], "its catalog was read again"


def test_when_all_that_can_are_down_each_misses_it(desk: Desk) -> None:
    one = everywhere()
    desk.add(one)
    desk.know(node("a", state="dead"), node("b", state="stopped"))
    assert desk.claim(60, one, **asks(IDLE)).dues == ((one.id, at(120)),)
    assert told(desk) == [(60, "a", "missed"), (60, "b", "missed")]


def test_what_no_node_ever_could_is_missed_once_after_its_grace(desk: Desk) -> None:
    one = everywhere(90, misfire_grace=timedelta(seconds=10))
    desk.add(one)
    desk.claim(99.9, one, **asks(IDLE))
    assert desk.runs() == []
    desk.claim(100.1, one, **asks(IDLE))
    (missed,) = desk.runs()
    assert (missed.state, missed.place, missed.reason) == ("missed", "", "no living node has task task")


def test_alone_without_the_task_its_start_says_what_is_wrong(desk: Desk) -> None:
    one, other = everywhere(), job()
    desk.add(one, other)
    started = desk.claim(60, one, other, **asks(IDLE, alone=True)).started
    assert sorted(each.job_id for each in started) == sorted([one.id, other.id])


def test_alone_it_runs_here(desk: Desk) -> None:
    one = everywhere()
    desk.add(one)
    (started,) = desk.claim(60, one, **asks(A, alone=True)).started
    assert (started.place, started.node_id) == ("a", "id of a")


# Overlap


@pytest.mark.parametrize(
    ("overlap", "busy"), [("skip", "skipped"), ("queue", "waiting"), ("replace", "waiting"), ("allow", "running")]
)
def test_overlap_is_with_the_run_on_the_same_node(desk: Desk, overlap: Any, busy: str) -> None:
    one = everywhere(overlap=overlap)
    desk.add(one)
    (on_a,) = desk.claim(60, one, **asks(A, B)).started
    (on_b,) = desk.claim(60, one, **asks(B, A)).started
    desk.ended(on_b)
    claimed = desk.claim(120, one, **asks(A, B))
    assert [each.id for each in claimed.replaced] == ([on_a.id] if overlap == "replace" else [])
    assert [each for each in told(desk) if each[0] == 120] == [(120, "a", busy), (120, "b", "waiting")]
    assert [each.due for each in desk.claim(121, one, **asks(B, A)).started] == [at(120)]
    desk.ended(on_a)
    assert len(desk.claim(122, **asks(A, B)).started) == (busy == "waiting")


def test_a_queue_is_one_for_each_node(desk: Desk) -> None:
    one = everywhere(overlap="queue")
    desk.add(one)
    desk.claim(60, one, **asks(A, B))
    desk.claim(120, one, **asks(A, B))
    desk.claim(180, one, **asks(A, B))
    assert [each for each in told(desk) if each[1] == "a"] == [
        (60, "a", "running"), (120, "a", "waiting"), (180, "a", "skipped")
    ]  # fmt: skip
    assert [each.due for each in desk.claim(181, **asks(B, A)).started] == [at(60)]


def test_a_run_that_was_for_any_node_is_in_the_way_on_all(desk: Desk) -> None:
    one = everywhere()
    desk.add(one)
    desk.insert(run(30, job_id=one.id, node_id="id of a"))
    desk.claim(60, one, **asks(A, B))
    assert told(desk) == [(30, "", "running"), (60, "a", "skipped"), (60, "b", "skipped")]


def test_a_run_of_a_place_is_in_the_way_of_one_for_any_node(desk: Desk) -> None:
    desk.queue(
        run(30, place="b", node_id="id of b"),
        run(40, state="waiting", node=None, node_id=None),
        run(50, state="waiting", node=None, node_id=None, place="a"),
    )
    assert desk.claim(60, **asks(A, B)).started == (), "it waits for that of b, and what is behind it for it"
    desk.ended(desk.runs()[0])
    assert [each.due for each in desk.claim(61, **asks(A, B)).started] == [at(40)]


# Counting


def test_max_runs_counts_dues_and_not_runs(desk: Desk) -> None:
    one = everywhere(overlap="allow", max_runs=2)
    desk.add(one)
    desk.know(node("down", state="dead"))
    desk.claim(60, one, **asks(A, B))
    assert (stored(desk, one).starts, stored(desk, one).next_due) == (1, at(120))
    desk.claim(120, one, **asks(B, A))
    assert (stored(desk, one).starts, stored(desk, one).next_due) == (2, None)
    assert len(desk.runs()) == 6


def test_a_due_that_none_could_run_does_not_count(desk: Desk) -> None:
    one = everywhere(max_runs=1)
    desk.add(one)
    desk.know(node("a", state="dead"))
    desk.claim(60, one, **asks(IDLE))
    assert (stored(desk, one).starts, stored(desk, one).next_due) == (0, at(120))
    assert len(desk.claim(120, one, **asks(node("a", id="fresh"))).started) == 1


def test_after_max_runs_there_is_no_next_due_with_one_node_busy(desk: Desk) -> None:
    one = everywhere(max_runs=1)
    desk.add(one)
    desk.insert(run(30, job_id=one.id, place="a", node_id="id of a"))
    desk.claim(60, one, **asks(B, A))
    assert told(desk) == [(30, "a", "running"), (60, "a", "skipped"), (60, "b", "running")]
    assert (stored(desk, one).starts, stored(desk, one).next_due) == (1, None)


def test_dues_that_were_late_are_missed_on_each(desk: Desk) -> None:
    one = everywhere(10)
    desk.add(one)
    desk.claim(35, one, **asks(A, B))
    assert [(each.place, each.count, each.state) for each in sorted(desk.runs(), key=lambda each: each.place)] == [
        ("a", 2, "missed"), ("a", 1, "running"), ("b", 2, "missed"), ("b", 1, "waiting")
    ]  # fmt: skip
    assert stored(desk, one).starts == 1


# Retries and changes


def test_what_failed_on_a_node_is_tried_again_there(desk: Desk) -> None:
    one = everywhere(retries=1, retry_delay=timedelta(seconds=5))
    desk.add(one)
    desk.claim(60, one, **asks(A, B))
    (on_b,) = desk.claim(60, one, **asks(B, A)).started
    assert desk.ended(on_b, state="failed", seconds=61)
    assert desk.claim(70, **asks(A, B)).started == ()
    (retry,) = desk.claim(70, **asks(B, A)).started
    assert (retry.place, retry.attempt, retry.due, retry.node_id) == ("b", 2, at(60), "id of b")


def test_runs_that_wait_on_other_nodes_go_with_their_job(desk: Desk) -> None:
    one = everywhere()
    desk.add(one)
    desk.claim(60, one, **asks(A, B, C))
    (running,) = desk.order(DeleteJob(job_id=one.id, cancel="why"), 61, node_id="id of b")
    assert running.place == "a"
    assert told(desk) == [(60, "a", "running"), (60, "b", "cancelled"), (60, "c", "cancelled")]
    assert desk.ask(desk.store.runs.stops("id of a")) == ((running.id, "why"),)
