"""Orders given to one node that concern others: runs to be started there, and runs that are to be ended there."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from jobsched.model.claim import NO_SLOT
from jobsched.model.errors import Conflict
from jobsched.model.job import Job, Policy
from jobsched.model.node import Node
from jobsched.model.order import REPLACED, CancelRun, DeleteJob, IdempotencyKey, Ran, RunJob
from tests.store.samples import Desk, asks, at, job, node, run

A, B, C = node("a"), node("b"), node("c")
IDLE = node("idle", tasks=("other",))
BY_CALLER = "cancelled by a caller"

pytestmark = pytest.mark.usefixtures("told_time")


def a_job(desk: Desk, **policy: Any) -> Job:
    one = job(policy=Policy(**policy))
    desk.add(one)
    return one


def run_now(desk: Desk, one: Job, seconds: float, *peers: Node, key: IdempotencyKey | None = None) -> Ran:
    """Asked of the first of the nodes."""
    asker = peers[0].id if peers else ""
    ran: Ran = desk.order(RunJob(job_id=one.id, key=key, peers=peers), seconds, node_id=asker)
    return ran


def stops(desk: Desk, name: str) -> dict[str, str]:
    """The runs that a node is asked to end, and why."""
    asked = desk.ask(desk.store.runs.stops(f"id of {name}"))
    return dict(asked)


def told(desk: Desk) -> list[tuple[float, str, str]]:
    return sorted(((each.due - at(0)).total_seconds(), each.place, each.state) for each in desk.runs())


# Run now


def test_on_every_node_each_that_can_gets_a_run(desk: Desk) -> None:
    one = a_job(desk, placement="every")
    desk.know(node("down", state="dead"))
    ran = run_now(desk, one, 7, B, IDLE, A)
    assert (ran.run.place, ran.run.cause, ran.run.state, ran.replaced) == ("a", "manual", "waiting", ())
    assert told(desk) == [(7, "a", "waiting"), (7, "b", "waiting")]
    assert {each.reason for each in desk.runs()} == {"waits to be started"}
    (started,) = desk.claim(8, **asks(A, B, IDLE)).started
    assert started.id == ran.run.id
    assert [each.place for each in desk.claim(8, **asks(B, A, IDLE)).started] == ["b"]


def test_a_run_that_finds_no_free_slot_says_so(desk: Desk) -> None:
    full_a, full_b = (attrs.evolve(each, slots=0) for each in (A, B))
    one, every = a_job(desk), a_job(desk, placement="every")
    assert (
        run_now(desk, one, 7, full_a, full_b, IDLE).run.reason == NO_SLOT
    )  # whoever lacks the task has slots for others
    assert run_now(desk, one, 8, full_a, B).run.reason != NO_SLOT
    run_now(desk, every, 9, full_a, B)
    found = {each.place: each.reason for each in desk.runs() if each.job_id == every.id}
    assert found["a"] == NO_SLOT != found["b"]
    assert all(each.waited_for for each in desk.claim(10, **asks(A, B)).started)
    waited = {each.place: each.waited_for for each in desk.runs() if each.job_id == every.id}
    assert waited["a"] == NO_SLOT


def test_on_any_node_there_is_one_run_wherever_it_was_asked_for(desk: Desk) -> None:
    one = a_job(desk)
    ran = run_now(desk, one, 7, IDLE, A, B)
    assert told(desk) == [(7, "", "waiting")]
    assert desk.claim(8, **asks(IDLE, A, B)).started == ()
    assert [(each.id, each.node) for each in desk.claim(8, **asks(B, A, IDLE)).started] == [(ran.run.id, "b")]


@pytest.mark.parametrize("placement", ["any", "every"])
def test_a_run_that_nobody_can_start_says_so_and_waits(desk: Desk, placement: Any) -> None:
    one = a_job(desk, placement=placement, require={"gpu": "yes"})
    ran = run_now(desk, one, 7, A, B)
    assert (ran.run.state, ran.run.reason) == ("waiting", "no living node has task task and gpu=yes")
    assert desk.claim(8, **asks(A, B)).started == ()
    assert len(desk.claim(9, **asks(node("new", tags={"gpu": "yes"}), A, B)).started) == 1


def test_a_run_that_only_downed_nodes_could_start_says_so(desk: Desk) -> None:
    one = a_job(desk, placement="every")
    desk.know(node("a", state="dead"))
    ran = run_now(desk, one, 7, IDLE)
    assert (ran.run.state, ran.run.reason) == ("waiting", "no living node has task task")


def test_the_overlap_of_each_is_with_the_run_on_its_own_node(desk: Desk) -> None:
    one = a_job(desk, placement="every")
    desk.insert(run(5, job_id=one.id, place="b", node_id="id of b"))
    ran = run_now(desk, one, 7, A, B, C)
    assert ran.run.place == "a"
    assert told(desk) == [(5, "b", "running"), (7, "a", "waiting"), (7, "b", "skipped"), (7, "c", "waiting")]


def test_one_key_makes_the_runs_of_all_nodes_once(desk: Desk) -> None:
    one = a_job(desk, placement="every", overlap="allow")
    key = IdempotencyKey(scope="/run", key="key", digest="same")
    first = run_now(desk, one, 7, A, B, key=key)
    assert run_now(desk, one, 8, B, C, A, key=key).run == first.run
    assert told(desk) == [(7, "a", "waiting"), (7, "b", "waiting")]


# Ending


def test_a_run_that_another_node_executes_is_ended_by_that_node(desk: Desk) -> None:
    one = run(1, node="a", node_id="id of a")
    desk.insert(one)
    asked = desk.order(CancelRun(run_id=one.id, reason=BY_CALLER), 2, node_id="id of b")
    assert asked == attrs.evolve(one, stop=BY_CALLER), "its node has to end it"
    assert stops(desk, "a") == {one.id: BY_CALLER}
    assert stops(desk, "b") == {}
    assert desk.states() == ["running"]


def test_a_run_here_is_to_be_ended_even_if_this_node_dies(desk: Desk) -> None:
    one = run(1, node="a", node_id="id of a")
    desk.insert(one)
    assert desk.order(CancelRun(run_id=one.id, reason=BY_CALLER), 2, node_id="id of a") == attrs.evolve(
        one, stop=BY_CALLER
    )
    assert stops(desk, "a") == {one.id: BY_CALLER}


def test_the_first_reason_to_end_stands(desk: Desk) -> None:
    one = run(1, node="a", node_id="id of a", state="stopping")
    desk.insert(one)
    for reason in ("first", "second"):
        assert desk.order(CancelRun(run_id=one.id, reason=reason), 2, node_id="id of b").stop == "first"
    assert stops(desk, "a") == {one.id: "first"}


def test_a_run_that_has_ended_is_ended_no_more(desk: Desk) -> None:
    one = run(1, node="a", node_id="id of a")
    desk.insert(one)
    desk.order(CancelRun(run_id=one.id, reason=BY_CALLER), 2, node_id="id of b")
    desk.ended(one, state="cancelled")
    assert stops(desk, "a") == {}
    with pytest.raises(Conflict):
        desk.order(CancelRun(run_id=one.id, reason=BY_CALLER), 3, node_id="id of b")


def test_a_run_that_waits_for_another_node_is_cancelled_at_once(desk: Desk) -> None:
    one = run(1, state="waiting", place="a", node=None, node_id=None)
    desk.insert(one)
    assert desk.order(CancelRun(run_id=one.id, reason=BY_CALLER), 2, node_id="id of b").state == "cancelled"
    (cancelled,) = desk.runs()
    assert (cancelled.state, cancelled.reason, cancelled.ended, cancelled.stop) == ("cancelled", BY_CALLER, at(2), None)
    assert desk.claim(3, **asks(A)).started == ()


@pytest.mark.parametrize("reason", ["", "cancelled: its job was deleted"])
def test_a_run_on_another_node_goes_with_its_job_where_asked(desk: Desk, reason: str) -> None:
    one = a_job(desk, placement="every")
    there, here = (
        run(1, job_id=one.id, place="a", node_id="id of a"),
        run(1, job_id=one.id, place="b", node_id="id of b"),
    )
    desk.insert(there, here)
    running = desk.order(DeleteJob(job_id=one.id, cancel=reason), 2, node_id="id of b")
    assert sorted(each.id for each in running) == sorted([there.id, here.id])
    assert stops(desk, "a") == ({there.id: reason} if reason else {})
    assert stops(desk, "b") == ({here.id: reason} if reason else {})
    assert desk.states() == ["running", "running"]


def test_a_due_that_replaces_asks_the_node_of_the_run_before_it(desk: Desk) -> None:
    one = a_job(desk, overlap="replace")
    (there,) = desk.claim(60, one, **asks(A, B)).started
    claimed = desk.claim(120, one, **asks(B, A))
    assert [each.id for each in claimed.replaced] == [there.id]
    assert stops(desk, "a") == {there.id: REPLACED}
    assert desk.claim(121, **asks(B, A)).started == ()
    desk.ended(there, state="cancelled")
    assert [each.node for each in desk.claim(122, **asks(A, B)).started] == ["a"]


def test_a_run_now_that_replaces_asks_each_node_for_its_own(desk: Desk) -> None:
    one = a_job(desk, placement="every", overlap="replace")
    (on_a,) = desk.claim(60, one, **asks(A, B, C)).started
    (on_b,) = desk.claim(60, one, **asks(B, A, C)).started
    ran = run_now(desk, one, 70, A, B, C)
    assert sorted(each.id for each in ran.replaced) == sorted([on_a.id, on_b.id])
    assert (stops(desk, "a"), stops(desk, "b")) == ({on_a.id: REPLACED}, {on_b.id: REPLACED})
    assert told(desk)[:3] == [(60, "a", "running"), (60, "b", "running"), (60, "c", "skipped")]
    assert [each.due for each in desk.claim(71, **asks(C, A, B)).started] == [at(70)]
    assert desk.claim(71, **asks(B, A, C)).started == ()


def test_what_is_in_the_way_on_all_nodes_is_replaced_for_all(desk: Desk) -> None:
    one = a_job(desk, placement="every", overlap="replace")
    anywhere = run(30, job_id=one.id, node_id="id of c")
    desk.insert(anywhere)
    assert {each.id for each in run_now(desk, one, 50, A, B).replaced} == {anywhere.id}
    assert {each.id for each in desk.claim(60, one, **asks(A, B)).replaced} == {anywhere.id}
    assert stops(desk, "c") == {anywhere.id: REPLACED}
    assert [each[2] for each in told(desk)] == ["running", "skipped", "skipped", "waiting", "waiting"]
