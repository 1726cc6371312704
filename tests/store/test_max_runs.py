"""max_runs counts dues that start: one that waited and came to nothing is given back, and its job goes on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from jobsched import verify
from jobsched.model.audit import Signature
from jobsched.model.caller import ANYBODY
from jobsched.model.claim import SPENT
from jobsched.model.job import Job, Policy
from jobsched.model.order import CancelRun, Issued, PauseJob, ResumeJob, RunJob
from jobsched.model.run import Run
from tests.present import present
from tests.store.samples import IDS, Desk, asks, at, job, node

A, B = node("a", seen=at(10_000)), node("b", seen=at(10_000))

pytestmark = pytest.mark.usefixtures("told_time")


@pytest.fixture
def desk(desk: Desk, store_url: str) -> Any:
    """And the auditor finds nothing wrong with it in the end, but for nodes and instants that are made up."""
    yield desk
    assert [fault.words for fault in verify.verify(store_url, whole=True) if "starts" in fault.words] == []


def limited(desk: Desk, max_runs: int, overlap: Any = "replace", **fields: Any) -> Job:
    """Each minute."""
    given = {name: fields.pop(name) for name in ("placement", "catch_up", "misfire_grace") if name in fields}
    one = job(policy=Policy(overlap=overlap, **given), max_runs=max_runs, **fields)
    desk.add(one)
    return one


def stands(desk: Desk, one: Job) -> tuple[int, float | None]:
    """How many starts count, and when it is due next."""
    found = desk.job(one.id)
    return found.starts, None if found.next_due is None else (found.next_due - at(0)).total_seconds()


def told(desk: Desk) -> list[tuple[float, str]]:
    return [((each.due - at(0)).total_seconds(), each.state) for each in desk.runs()]


def waiting(desk: Desk) -> Run:
    (found,) = (each for each in desk.runs() if each.state == "waiting")
    return found


def test_a_due_that_is_replaced_while_it_waits_does_not_count(desk: Desk) -> None:
    one = limited(desk, 3)
    (first,) = desk.claim(60, one).started
    for beat in range(2, 6):  # the first run takes its time to die
        desk.claim(60 * beat, one)
        assert stands(desk, one) == (2, 60 * beat + 60)
    assert told(desk) == [(60, "running"), (120, "skipped"), (180, "skipped"), (240, "skipped"), (300, "waiting")]
    desk.ended(first, state="cancelled")
    (second,) = desk.claim(301).started
    desk.claim(360, one)
    assert stands(desk, one) == (3, None)
    desk.ended(second, state="cancelled")
    assert len(desk.claim(361).started) == 1
    assert [state for _, state in told(desk)].count("skipped") == 3


def test_of_dues_caught_up_on_as_many_start_as_are_given_back(desk: Desk) -> None:
    one = limited(desk, 3, catch_up="all", misfire_grace=None)
    desk.claim(60, one)
    desk.claim(120, one)
    desk.claim(305, one)  # 180 replaces 120, 240 waits behind it: that is the third start
    assert told(desk) == [(60, "running"), (120, "skipped"), (180, "waiting"), (240, "waiting")]
    assert stands(desk, one) == (3, None)


@pytest.mark.parametrize("way", ["cancel", "run now"])
def test_a_job_that_a_waiting_run_had_ended_goes_on_without_it(desk: Desk, way: str) -> None:
    one = limited(desk, 2, "queue" if way == "cancel" else "replace")
    desk.claim(60, one)
    desk.claim(120, one)
    assert stands(desk, one) == (2, None)
    if way == "cancel":
        desk.order(CancelRun(run_id=waiting(desk).id, reason="cancelled by a caller"), 270)
    else:
        desk.order(RunJob(job_id=one.id), 270)
    assert stands(desk, one) == (1, 300)
    skipped = next(each for each in desk.runs() if each.due == at(180))
    assert (skipped.state, skipped.until, skipped.count, skipped.reason) == ("skipped", at(240), 2, SPENT)
    desk.claim(300, one)
    assert stands(desk, one) == (2, None)


def test_a_cancel_before_the_next_due_leaves_no_other_record(desk: Desk) -> None:
    one = limited(desk, 2, "queue")
    desk.claim(60, one)
    desk.claim(120, one)
    desk.order(CancelRun(run_id=waiting(desk).id, reason="why"), 125)
    assert stands(desk, one) == (1, 180)
    assert told(desk) == [(60, "running"), (120, "cancelled")]


def test_a_job_with_starts_left_or_without_a_limit_only_counts(desk: Desk) -> None:
    one = limited(desk, 5, "queue")
    other = job(policy=Policy(overlap="queue"))
    desk.add(other)
    for each in (one, other):
        desk.claim(60, each)
        desk.claim(120, each)
        run = next(each for each in desk.runs() if each.state == "waiting")
        desk.order(CancelRun(run_id=run.id, reason="why"), 500)
        assert stands(desk, each) == (1, 180)


def test_a_paused_job_is_due_again_and_decided_when_resumed(desk: Desk) -> None:
    one = limited(desk, 2, "queue")
    desk.claim(60, one)
    desk.claim(120, one)
    desk.order(PauseJob(job_id=one.id), 130)
    desk.order(CancelRun(run_id=waiting(desk).id, reason="why"), 500)
    assert stands(desk, one) == (1, 180)
    assert len(desk.runs()) == 2
    desk.order(ResumeJob(job_id=one.id), 500)
    assert stands(desk, one) == (1, 540)


def test_a_job_whose_schedule_is_over_stays_at_its_end(desk: Desk) -> None:
    one = limited(desk, 2, "queue")
    desk.bench.replace_job(ended := attrs.evolve(one, schedule=attrs.evolve(one.schedule, end=at(150))))
    desk.claim(60, ended)
    desk.claim(120, ended)
    desk.order(CancelRun(run_id=waiting(desk).id, reason="why"), 125)
    assert stands(desk, ended) == (1, None)


def test_runs_that_callers_asked_for_and_retries_do_not_count(desk: Desk) -> None:
    one = limited(desk, 2, "queue")
    (first,) = desk.claim(60, one).started
    asked = desk.order(RunJob(job_id=one.id), 70).run
    desk.order(CancelRun(run_id=asked.id, reason="why"), 71)
    assert stands(desk, one) == (1, 120)
    retry = attrs.evolve(first, id="retry", attempt=2, cause="retry", state="waiting", node=None, node_id=None)
    desk.insert(attrs.evolve(retry, started=None, not_before=at(90)))
    desk.order(CancelRun(run_id="retry", reason="why"), 72)
    assert stands(desk, one) == (1, 120)


def test_the_cancelling_is_written_down_with_it(desk: Desk) -> None:
    one = limited(desk, 2, "queue")
    desk.claim(60, one)
    desk.claim(120, one)
    signature = Signature(id="an entry", at=at(125), who="alice", address="192.0.2.7", node="alpha")
    issued = Issued(signature=signature, caller=ANYBODY, node_id="", ids=IDS)
    entry = desk.ask(desk.store.orders.perform(CancelRun(run_id=waiting(desk).id, reason="why"), issued)).entry
    assert present(entry).action == "run.cancel"
    assert stands(desk, one) == (1, 180)


# On every node


def test_on_every_node_an_unstarted_due_is_given_back(desk: Desk) -> None:
    one = limited(desk, 3, placement="every")
    desk.know(A, B)
    desk.claim(60, one, **asks(A, B))
    desk.claim(60, **asks(B, A))
    desk.claim(120, one, **asks(A, B))
    assert stands(desk, one) == (2, 180)
    desk.claim(180, one, **asks(A, B))
    assert stands(desk, one) == (2, 240), "both runs of the second were replaced while they waited"
    on_b = next(each for each in desk.runs() if each.due == at(60) and each.place == "b")
    desk.ended(on_b, state="cancelled")
    assert [each.due for each in desk.claim(181, **asks(B, A)).started] == [at(180)]
    desk.claim(240, one, **asks(A, B))
    assert stands(desk, one) == (3, None), "one of the third has started"


def test_what_waited_for_a_node_that_stays_away_does_not_count(desk: Desk) -> None:
    one = limited(desk, 2, placement="every")
    desk.know(A, node("b", seen=at(10_000)))
    desk.claim(60, one, **asks(A, B))
    assert stands(desk, one) == (1, 120)
    desk.claim(120, one, **asks(A, B))
    assert stands(desk, one) == (2, None)
    first = next(each for each in desk.runs() if each.state == "running")
    desk.ended(first, state="cancelled")
    on_a = next(each for each in desk.runs() if each.place == "a" and each.state == "waiting")
    desk.order(CancelRun(run_id=on_a.id, reason="why"), 130)
    assert stands(desk, one) == (2, None), "that of b waits still"
    desk.ask(desk.store.nodes.leave("id of b", at(131)))
    desk.ask(desk.store.nodes.declare_dead([], None, "gone", IDS, lambda: 0.0, at(1000), None))
    assert stands(desk, one) == (1, 1020)
    assert [each.state for each in desk.runs() if each.due == at(120)] == ["cancelled", "missed"]


def test_a_misfire_is_none(desk: Desk) -> None:
    one = limited(desk, 2, "skip", misfire_grace=timedelta(seconds=5))
    desk.claim(70, one)
    assert stands(desk, one) == (0, 120)
