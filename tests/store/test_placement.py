"""Claims among several nodes: what one of them can, what none of them can, and what waits for one of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jobsched.model.claim import IS_RUNNING, Claimed
from jobsched.model.job import Job, Policy
from jobsched.model.lease import FIXED
from jobsched.model.node import Node
from jobsched.model.run import Run
from tests.store.samples import IDS, Desk, asks, at, job, node, run

GPU = {"gpu": "yes"}
A, B = node("a", tags=GPU | {"room": "1"}), node("b", tags=GPU)
PLAIN, IDLE = node("plain"), node("idle", tags=GPU, tasks=("other",))
NOBODY = "no living node has task task and gpu=yes"

pytestmark = pytest.mark.usefixtures("told_time")


def with_gpu(every: float = 60, *, fields: dict[str, Any] | None = None, **policy: Any) -> Job:
    return job(every, policy=Policy(require=GPU, **policy), **(fields or {}))


def stored(desk: Desk, one: Job) -> Job:
    found: Job = desk.job(one.id)
    return found


def told(desk: Desk) -> list[tuple[float, int, str]]:
    """What the record says: due, count, state."""
    return [((each.due - at(0)).total_seconds(), each.count, each.state) for each in desk.runs()]


# A due that some can run


@pytest.mark.parametrize("unable", [PLAIN, IDLE])
def test_a_node_that_cannot_run_a_due_leaves_it_to_one_that_can(desk: Desk, unable: Node) -> None:
    one = with_gpu()
    desk.add(one)
    assert desk.claim(60, one, **asks(unable, A)).started == ()
    (started,) = desk.claim(60.4, one, **asks(A, unable)).started
    assert (started.due, started.node, started.node_id, started.require) == (at(60), "a", "id of a", GPU)
    assert desk.runs() == [started]


def test_a_due_without_a_free_slot_is_left_to_another_node(desk: Desk) -> None:
    one = with_gpu()
    desk.add(one)
    assert desk.claim(60, one, **asks(A, B, PLAIN, slots=0)).waiting
    assert desk.claim(60.1, **asks(PLAIN, A, B)).started == ()
    (started,) = desk.claim(60.2, **asks(B, A, PLAIN)).started
    assert (started.node, started.place, started.reason) == ("b", "", IS_RUNNING)


def test_a_due_is_not_started_beside_a_run_on_another_node(desk: Desk) -> None:
    one = with_gpu(overlap="queue")
    desk.add(one)
    (there,) = desk.claim(60, one, **asks(A, B)).started
    assert desk.claim(120, one, **asks(B, A)).waiting
    assert desk.claim(121, **asks(B, A)).started == ()
    desk.ended(there)
    assert [each.node for each in desk.claim(130, **asks(B, A)).started] == ["b"]


def test_one_taken_for_dead_claims_nothing_whatever_it_knows(desk: Desk) -> None:
    one = with_gpu()
    desk.add(one)
    desk.queue(waiting(1))
    desk.know(node("a", tags=A.tags, state="dead", seen=at(60)), node("b", tags=GPU, seen=at(60)))
    assert desk.claim(60, one, **asks(A, B)) == Claimed(now=at(60))
    assert len(desk.claim(60, one, **asks(B)).started) == 2


def test_one_that_may_be_taken_for_dead_now_claims_nothing(desk: Desk) -> None:
    one = with_gpu()
    desk.add(one)
    desk.know(node("a", tags=A.tags, seen=at(60) - FIXED))
    assert desk.claim(60.000001, one, **asks(A, B)) == Claimed(now=at(60.000001))
    assert len(desk.claim(60, one, **asks(A, B)).started) == 1


# A due that nobody can run


def test_what_nobody_can_run_is_missed_after_its_grace(desk: Desk) -> None:
    one = with_gpu(100)
    desk.add(one)
    for seconds in (100, 159.999999):
        claimed = desk.claim(seconds, one, **asks(PLAIN, IDLE))
        assert (claimed.started, claimed.won, claimed.waiting) == ((), 0, False)
        assert desk.runs() == []
        assert stored(desk, one) == one
    assert desk.claim(160.000001, one, **asks(PLAIN, IDLE)).dues == ((one.id, at(200)),)
    (missed,) = desk.runs()
    assert (missed.due, missed.state, missed.reason) == (at(100), "missed", NOBODY)
    assert (missed.ended, missed.node, missed.place) == (at(160.000001), None, "")
    assert stored(desk, one).starts == 0


def test_a_node_that_comes_in_time_runs_what_nobody_could(desk: Desk) -> None:
    one = with_gpu()
    desk.add(one)
    desk.claim(60, one, **asks(PLAIN, IDLE))
    (started,) = desk.claim(110, one, **asks(A, PLAIN, IDLE)).started
    assert (started.due, started.started) == (at(60), at(110))


def test_of_dues_nobody_can_run_the_late_ones_are_missed(desk: Desk) -> None:
    one = with_gpu(10, misfire_grace=timedelta(seconds=35), catch_up="all", overlap="allow")
    desk.add(one)
    desk.claim(101, one, **asks(PLAIN))
    assert {each.reason for each in desk.runs()} == {NOBODY}
    assert sum(each.count for each in desk.runs()) == 6
    assert stored(desk, one).next_due == at(70)
    assert len(desk.claim(102, one, **asks(A, PLAIN)).started) == 4
    assert sum(count for _, count, _ in told(desk)) == 10


def test_without_a_limit_of_lateness_it_is_left_for_good(desk: Desk) -> None:
    one = with_gpu(60, misfire_grace=None)
    desk.add(one)
    desk.claim(1e7, one, **asks(PLAIN))
    assert desk.runs() == []
    (started,) = desk.claim(1e7, one, **asks(A, PLAIN)).started
    assert started.due == at(1e7 // 60 * 60)


@pytest.mark.parametrize("alone", [False, True])
def test_what_nobody_could_run_does_not_count_against_max_runs(desk: Desk, alone: bool) -> None:
    one = with_gpu(fields={"max_runs": 1})
    desk.add(one)
    desk.claim(120.000001, one, **asks(PLAIN, alone=alone))
    assert set(desk.states()) == {"missed"}
    left = stored(desk, one)
    assert (left.starts, left.state) == (0, "scheduled")
    assert len(desk.claim(180, one, **asks(A)).started) == 1
    assert stored(desk, one).state == "ended"


# One that is alone


def test_alone_without_the_tags_it_is_missed_at_once(desk: Desk) -> None:
    one = with_gpu()
    desk.add(one)
    assert desk.claim(60, one, **asks(PLAIN, alone=True)).dues == ((one.id, at(120)),)
    (missed,) = desk.runs()
    assert (missed.state, missed.reason, missed.ended) == ("missed", NOBODY, at(60))


def test_alone_without_the_task_its_start_says_what_is_wrong(desk: Desk) -> None:
    one = with_gpu()
    desk.add(one)
    desk.queue(run(50, state="waiting", node=None, node_id=None, require=GPU))
    assert [each.due for each in desk.claim(60, one, **asks(IDLE, alone=True)).started] == [at(50), at(60)]


# Runs that wait


def waiting(due: float, **fields: Any) -> Run:
    given = {"job_id": f"job {due}", "state": "waiting", "node": None, "node_id": None}
    return run(due, **(given | fields))


def starts(desk: Desk, who: Node, *others: Node, **fields: Any) -> list[float]:
    """The dues of what it starts of that which waits; oldest first."""
    started = desk.claim(100, **asks(who, *others, **fields)).started
    assert {(each.node, each.node_id, each.state) for each in started} <= {(who.name, who.id, "running")}
    return [(each.due - at(0)).total_seconds() for each in started]


def test_a_waiting_run_is_started_by_the_named_node_alone(desk: Desk) -> None:
    desk.queue(waiting(1, place="b"), waiting(2, place="a"), waiting(3), waiting(4, place="A"), waiting(5, place="a "))
    assert starts(desk, A, B) == [2, 3]
    assert starts(desk, B, A) == [1]
    assert desk.states() == ["running", "running", "running", "waiting", "waiting"]


def test_a_waiting_run_is_started_by_a_node_with_all_its_tags(desk: Desk) -> None:
    both = {"room": "1", "gpu": "yes"}
    desk.queue(
        waiting(1, require=both),
        waiting(2, require=dict(reversed(both.items()))),
        waiting(3, require=GPU),
        waiting(4),
        waiting(5, require={"gpu": "no"}),
        waiting(6, require={"room": "ö 'quoted' %s"}),
    )
    assert starts(desk, PLAIN, A) == [4]
    assert starts(desk, B, A) == [3]
    assert starts(desk, A, B) == [1, 2]
    assert starts(desk, node("odd", tags={"room": "ö 'quoted' %s"}), A) == [6]
    assert desk.states()[4] == "waiting"


def test_a_waiting_run_is_started_by_a_node_with_its_task(desk: Desk) -> None:
    desk.queue(waiting(1, task="other"), waiting(2), waiting(3, task="unknown"))
    assert starts(desk, node("nothing", tasks=()), A) == []
    assert starts(desk, IDLE, A) == [1]
    assert starts(desk, A, IDLE) == [2]
    assert starts(desk, IDLE, alone=True) == [3], "and there it fails"


def test_slots_are_for_what_can_start_here_oldest_first(desk: Desk) -> None:
    others = [waiting(due, place="b") for due in (1, 2, 3)] + [waiting(4, task="unknown"), waiting(5, require=GPU)]
    mine = [waiting(due) for due in (12, 10, 13, 11)]
    desk.queue(*others, *mine)
    oldest = sorted(mine, key=lambda each: each.id)[:2]
    assert starts(desk, PLAIN, A, slots=0) == []
    assert starts(desk, PLAIN, A, slots=2) == [(each.due - at(0)).total_seconds() for each in oldest]
    assert len(starts(desk, PLAIN, A, slots=9)) == 2
    assert starts(desk, PLAIN, A, slots=9) == []


def test_a_due_stands_only_behind_what_waits_and_can_start_here(desk: Desk) -> None:
    early, late = job(60), job(70)
    desk.add(early, late)
    desk.queue(waiting(10, place="b"), waiting(20, require=GPU))
    assert [each.due for each in desk.claim(60, early, **asks(PLAIN, A, B, slots=1)).started] == [at(60)]
    desk.queue(waiting(30))
    claimed = desk.claim(70, late, **asks(PLAIN, A, B, slots=1))
    assert [each.due for each in claimed.started] == [at(30)]
    assert claimed.waiting


def test_one_that_is_no_node_to_itself_starts_nothing_waiting(desk: Desk) -> None:
    desk.queue(waiting(1))
    assert desk.claim(60, node="b", node_id="id of b", peers=(A,), alone=False).started == ()
    assert desk.states() == ["waiting"]


def test_what_a_node_is_executing_is_known_by_its_id(desk: Desk) -> None:
    mine = [run(1, node="a", node_id="id of a"), run(2, node="a", node_id="id of a", state="stopping")]
    ended, waits = run(3, node="a", node_id="id of a", state="lost"), waiting(4, place="a")
    desk.insert(*mine, ended, waits, run(5, node="a", node_id="a former id"), run(6, node="b", node_id="id of b"))
    assert desk.ask(desk.store.claims.started_by("id of a")) == sorted(mine, key=lambda each: each.id)
    assert desk.ask(desk.store.claims.started_by(IDS.make(at(0)))) == []
