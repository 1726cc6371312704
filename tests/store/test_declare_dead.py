"""What a dead node leaves: runs to try again, runs that only it could start, and two that declare it dead at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import pytest_twisted
from twisted.internet.defer import gatherResults

from jobsched.model.job import Policy
from jobsched.model.node import ABSENT
from jobsched.model.run import KEPT, Run
from jobsched.store.contract.store import Store
from tests.store.samples import IDS, Desk, at, job, node, run

WHY = "its node is gone"
TICK = timedelta(microseconds=1)
GONE = "was gone before it could start"

pytestmark = pytest.mark.usefixtures("told_time")
servers_only = pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)


def declare_dead(desk: Desk, seconds: float, *known: str) -> list[Run]:
    return desk.declare_dead(*known, seconds=seconds, reason=WHY)


def waiting(due: float, place: str, **fields: object) -> Run:
    return run(due, state="waiting", node=None, node_id=None, place=place, **fields)


# Retries


def test_a_lost_run_is_tried_again_once_where_its_job_asks(desk: Desk) -> None:
    asking = job(policy=Policy(retries=2, retry_delay=timedelta(seconds=30)))
    content = job()
    desk.add(asking, content)
    desk.know(node("node", id="here", state="dead"))
    lost = run(60, job_id=asking.id, parameters={"a": "b"}, require={"gpu": "yes"})
    desk.insert(lost, run(60, job_id=content.id), run(60, job_id="deleted"))
    assert len(declare_dead(desk, 100)) == 3
    assert declare_dead(desk, 100) == []
    (retry,) = (each for each in desk.runs() if each.state != "lost")
    assert (retry.job_id, retry.due, retry.attempt, retry.cause) == (asking.id, at(60), 2, "retry")
    assert (retry.state, retry.not_before, retry.reason) == ("waiting", at(130), "attempt 1 lost")
    assert (retry.parameters, retry.require) == ({"a": "b"}, {"gpu": "yes"})
    assert (retry.node, retry.node_id, retry.stop) == (None, None, None)


def test_one_lost_at_its_last_attempt_is_not_tried_again(desk: Desk) -> None:
    one = job(policy=Policy(retries=2))
    desk.add(one)
    desk.know(node("node", id="here", state="dead"))
    desk.insert(run(60, job_id=one.id, attempt=3))
    declare_dead(desk, 100)
    assert desk.states() == ["lost"]


def test_one_that_was_to_end_anyway_is_cancelled_not_retried(desk: Desk) -> None:
    one = job(policy=Policy(retries=2))
    desk.add(one)
    desk.know(node("node", id="here", state="dead"))
    desk.insert(run(60, job_id=one.id, stop="cancelled by a caller", state="stopping"))
    assert len(declare_dead(desk, 100)) == 1
    (cancelled,) = desk.runs()
    assert (cancelled.state, cancelled.reason) == ("cancelled", f"cancelled by a caller; {WHY}")


# Runs that may go on where nobody hears of them

KEEPS = Policy(retries=2, retry_delay=timedelta(seconds=30), on_isolation="keep")


def kept(desk: Desk, **fields: object) -> Run:
    """A run that goes on where its node is cut off, and may be tried again; nothing was done about it yet."""
    one = job(policy=KEEPS)
    desk.add(one)
    its = run(60, job_id=one.id, on_isolation="keep", **fields)
    desk.insert(its)
    return its


def test_what_may_go_on_is_lost_and_not_tried_again(desk: Desk) -> None:
    desk.know(node("node", id="here", seen=at(60)))
    its = kept(desk)
    (lost,) = declare_dead(desk, 100)
    assert lost == desk.run(its.id)
    assert (lost.state, lost.ended, lost.isolated, lost.goes_on) == ("lost", at(100), at(100), True)
    assert lost.reason == f"{WHY}; {KEPT}"
    assert declare_dead(desk, 200) == []
    assert desk.states() == ["lost"], "no retry"


def test_of_a_node_known_to_be_dead_nothing_goes_on(desk: Desk) -> None:
    desk.know(node("node", id="here", state="dead"))
    its = kept(desk)
    assert [each.goes_on for each in declare_dead(desk, 100)] == [True]
    (lost,) = declare_dead(desk, 200, "here")
    assert (lost.id, lost.state, lost.reason, lost.ended, lost.goes_on) == (its.id, "lost", WHY, at(200), False)
    assert (desk.run(its.id), sorted(desk.states())) == (lost, ["lost", "waiting"])
    assert declare_dead(desk, 300, "here") == []


def test_what_goes_on_and_was_to_end_is_cancelled(desk: Desk) -> None:
    desk.know(node("node", id="here", state="dead"))
    kept(desk, stop="cancelled by a caller")
    assert [(each.state, each.isolated) for each in declare_dead(desk, 100)] == [("cancelled", None)]


def test_the_true_outcome_takes_the_place_of_what_was_believed(desk: Desk) -> None:
    desk.know(node("node", id="here", state="dead"))
    its, other = kept(desk), kept(desk)
    declare_dead(desk, 100)
    desk.record(its.become("succeeded", reason="finished", ended=at(150), isolated=at(70)))
    desk.record(other.become("failed", reason="exit code 1", ended=at(160)))
    assert desk.run(other.id).isolated == at(100)
    found = desk.run(its.id)
    assert (found.state, found.ended, found.isolated, found.goes_on) == ("succeeded", at(150), at(70), False)
    assert [(each.job_id, each.attempt) for each in desk.runs() if each.state == "waiting"] == [(other.job_id, 2)]
    desk.record(its.become("failed", reason="once is enough", ended=at(170)))
    assert desk.run(its.id) == found


def test_what_goes_on_runs_again_where_its_node_is_heard(desk: Desk) -> None:
    living = (node("node", id="fresh", seen=at(1000)), node("other", seen=at(1000)))
    desk.know(node("node", id="here", state="dead"), *living)
    its, gone = kept(desk), run(60, node_id="here")
    desk.insert(gone)
    declare_dead(desk, 100)
    wanted = [its.id, gone.id]
    assert desk.ask(desk.store.runs.adopt(wanted, "id of other", ["elsewhere"])) == []
    assert desk.ask(desk.store.runs.adopt(wanted, "here", ["here"])) == [], "it is dead itself"
    (found,) = adopted = desk.ask(desk.store.runs.adopt(wanted, "fresh", ["here"]))
    assert (found.id, found.node_id, found.state, found.ended, found.isolated) == (
        its.id, "fresh", "running", None, at(100),
    )  # fmt: skip
    assert (desk.run(its.id), desk.run(gone.id).state) == (found, "lost")
    assert desk.ask(desk.store.runs.adopt(wanted, "fresh", ["here"])) == adopted, "the answer may have been lost"
    assert declare_dead(desk, 200, "here") == []
    soon = kept(desk)  # its node is dead, and nobody has done anything about the run yet
    assert [each.state for each in desk.ask(desk.store.runs.adopt([soon.id], "fresh", ["here"]))] == ["running"]
    desk.record(found.become("succeeded", reason="finished", ended=at(150)))
    assert (desk.run(its.id).state, desk.run(its.id).isolated) == ("succeeded", at(100))


# Runs that only one node may start


def test_what_waits_for_an_absent_node_is_missed_after_a_while(desk: Desk) -> None:
    desk.know(node("here", seen=at(1000)), node("dead", state="dead"), node("left", state="stopped"))
    absent = [waiting(60, place, job_id=place) for place in ("dead", "left", "never seen")]
    others = [waiting(60, "here"), waiting(60, ""), run(61, place="here", node_id="id of here")]
    desk.insert(*absent, *others)
    end = 60 + ABSENT.total_seconds()
    assert declare_dead(desk, end) == []
    assert set(desk.states()) == {"waiting", "running"}
    missed = declare_dead(desk, end + 0.000001)
    assert {each.place: each.reason for each in missed} == {
        place: f"node {place} {GONE}" for place in ("dead", "left", "never seen")
    }
    assert {(each.state, each.ended) for each in missed} == {("missed", at(end) + TICK)}
    stored = {each.id: each for each in desk.runs()}
    assert stored == {each.id: each for each in (*missed, *others)}
    assert declare_dead(desk, end + 100) == [], "once"


def test_a_node_back_under_a_new_id_is_waited_for_no_more(desk: Desk) -> None:
    desk.know(node("a", state="dead"), node("a", id="fresh", seen=at(1000)))
    desk.insert(waiting(60, "a"))
    assert declare_dead(desk, 1000) == []
    assert desk.states() == ["waiting"]


def test_what_waits_for_a_node_that_no_longer_can_is_missed(desk: Desk) -> None:
    desk.know(node("a", seen=at(1000), tags={"gpu": "yes"}), node("b", seen=at(1000), tasks=("other",)))
    can = [waiting(60, "a", require={"gpu": "yes"}), waiting(60, "b", task="other")]
    cannot = [waiting(61, "a", require={"gpu": "no"}), waiting(61, "b")]
    desk.insert(*can, *cannot)
    assert sorted(each.id for each in declare_dead(desk, 1000)) == sorted(each.id for each in cannot)


@pytest.mark.parametrize("state", ["dead", "stopped"])
def test_even_an_old_run_waits_for_a_node_that_just_went(desk: Desk, state: str) -> None:
    """It may have been queued behind another, or be the retry of one that ran for long."""
    desk.know(node("a", state=state, seen=at(1000)))
    desk.insert(waiting(60, "a"))
    assert declare_dead(desk, 1000 + ABSENT.total_seconds()) == []
    assert len(declare_dead(desk, 1000.000001 + ABSENT.total_seconds())) == 1


def test_a_lost_run_of_one_node_is_retried_when_that_comes_back(desk: Desk) -> None:
    one = job(policy=Policy(retries=1, retry_delay=timedelta(seconds=10), placement="every"))
    desk.add(one)
    desk.know(node("a", seen=at(600)))
    desk.insert(run(60, job_id=one.id, place="a", node="a", node_id="id of a"))
    assert [each.state for each in declare_dead(desk, 611)] == ["lost"]
    assert [(each.state, each.place, each.attempt) for each in desk.runs()] == [("lost", "a", 1), ("waiting", "a", 2)]


# At the same time


@servers_only
@pytest_twisted.ensureDeferred
async def test_of_several_that_bury_at_once_one_loses_each_run(desk: Desk, open_store: Callable[[], Store]) -> None:
    stores = [open_store() for _ in range(3)]
    again = [job(policy=Policy(retries=1)) for _ in range(4)]
    desk.add(*again)
    for turn in range(10):
        names = [f"{turn} {number}" for number in range(5)]
        desk.know(*(node(name, seen=at(turn)) for name in names))
        left = [
            run(100 * turn + number, job_id=again[number % 4].id, node_id=f"id of {name}")
            for number, name in enumerate(names * 4)
        ]
        absent = [waiting(number, "nowhere", job_id=f"{turn}") for number in range(10)]
        desk.insert(*left, *absent)
        found = await gatherResults(
            [store.nodes.declare_dead([], None, WHY, IDS, lambda: 0.0, at(100 + turn), None) for store in stores]
        )
        found.append(await stores[0].nodes.declare_dead([], None, WHY, IDS, lambda: 0.0, at(100 + turn), None))
        done = [
            each.id for declared_dead in found for each in declared_dead
        ]  # MariaDB leaves out what another one looks at as well
        assert sorted(done) == sorted(each.id for each in (*left, *absent))
    stored = desk.runs()
    assert [each.state for each in stored].count("missed") == 100
    assert [each.state for each in stored].count("lost") == 200
    retries = [(each.job_id, each.due, each.attempt) for each in stored if each.cause == "retry"]
    assert len(retries) == len(set(retries)) == 200


@pytest.mark.parametrize("kind", ["postgresql", "mysql", "mongodb"], indirect=True)
@pytest_twisted.ensureDeferred
async def test_a_run_is_adopted_or_lost_and_never_both(desk: Desk, open_store: Callable[[], Store]) -> None:
    daemon, other = open_store(), open_store()
    again = job(policy=Policy(retries=1))
    desk.add(again)
    desk.know(node("here", id="here"))
    for turn in range(20):
        old = f"old {turn}"
        desk.know(node("here", id=old))
        left = [run(100 * turn + number, job_id=again.id, node_id=old) for number in range(5)]
        desk.insert(*left)
        ids = [each.id for each in left]
        adopted, lost = await gatherResults(
            [
                daemon.runs.adopt(ids, "here", [old]),
                other.nodes.declare_dead([old], None, WHY, IDS, lambda: 0.0, at(1), None),
            ]
        )
        lost += await other.nodes.declare_dead([old], None, WHY, IDS, lambda: 0.0, at(1), None)
        assert sorted(each.id for each in [*adopted, *lost]) == ids
        stored = [desk.run(each) for each in ids]
        assert [each.id for each in stored if each.state == "running" and each.node_id == "here"] == [
            each.id for each in adopted
        ]
