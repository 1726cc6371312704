"""One outcome that the database refuses: it keeps no other from being stored, and its run does not stay `running`."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent

from jobsched.cluster.declare_dead import DeclareDead
from jobsched.model.job import Notify, Policy, Watch
from jobsched.model.redaction import USUAL
from jobsched.model.run import Run, State
from jobsched.runner.records import Records
from tests.fakes import StillReactor
from tests.store.samples import IDS, T0, Desk, at, job, node, run
from tests.unit.scheduler.world import done

pytestmark = pytest.mark.usefixtures("told_time")

RETRIED = Policy(retries=3)
REASON = "its outcome (failed) was refused by the store: "


@attrs.define
class Node:
    """What a runner does with outcomes; `told` is what was said to be stored."""

    desk: Desk
    clock: StillReactor = attrs.field(factory=lambda: StillReactor(T0.timestamp()))
    told: list[str] = attrs.field(factory=list)
    records: Records = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.records = Records(
            self.clock, self.desk.store, IDS, lambda _: None, USUAL, lambda ended, again: self.told.extend(ended)
        )

    def ends(self, *ended: Run, state: State = "succeeded") -> None:
        for each in ended:
            self.records.add(attrs.evolve(each, state=state, reason=state, ended=at(90)))

    def state(self, one: Run) -> tuple[str, str]:
        found: Run = self.desk.run(one.id)
        return found.state, found.reason


def refused(desk: Desk, **fields: Any) -> Run:
    """A run whose failure cannot be stored: the next attempt at its due, which it would add, is there already."""
    watch = Watch(notify=Notify(url="https://receiver.example/"))
    one = job(policy=RETRIED, watch=watch, next_due=None)
    bad = run(50, job_id=one.id, **fields)
    desk.add(one)
    desk.insert(bad, run(50, job_id=one.id, attempt=2, cause="retry", state="waiting", node=None, node_id=None))
    return bad


def test_all_others_are_stored_and_its_run_fails_with_a_reason(desk: Desk) -> None:
    bad = refused(desk)
    others = [run(60 + number, job_id=f"job {number}") for number in range(20)]
    desk.insert(*others)
    node = Node(desk)
    node.ends(*others[:13])
    node.ends(bad, state="failed")
    node.ends(*others[13:])
    with capturedLogs() as logs:
        node.clock.walk(0)
        assert [node.state(each) for each in others] == [("succeeded", "succeeded")] * 20
        assert node.state(bad)[0] == "running", "once more: the fault may be the store's"
        assert node.records.unstored == {bad.id}
        node.clock.walk(1)
    state, reason = node.state(bad)
    assert state == "failed"
    assert reason.startswith(REASON)
    assert len(reason) > len(REASON) + 5
    assert "\n" not in reason
    assert sorted(node.told) == sorted(each.id for each in [bad, *others])
    assert node.records.unstored == set()
    done(node.records.settled())
    said = [formatEvent(event) for event in logs]
    assert f"run {bad.id} of job: failed, {reason}" in said
    assert desk.ask(desk.store.deliveries.soonest([], None)) is not None, "who wants to know is told that it failed"
    assert [each.attempt for each in desk.runs() if each.job_id == bad.job_id] == [1, 2], "it is not tried again"


def test_what_others_recorded_as_lost_meanwhile_stays_so(desk: Desk) -> None:
    bad = refused(desk)
    node = Node(desk)
    node.ends(bad, state="failed")
    with capturedLogs():
        node.clock.walk(0)
        assert desk.ask(
            desk.store.runs.give_up(attrs.evolve(bad, state="lost", reason="its node is gone", ended=at(95)))
        )
        node.clock.walk(5)
    assert node.state(bad) == ("lost", "its node is gone")
    assert node.records.unstored == set()


# Burials


def test_a_refused_run_of_a_dead_node_keeps_no_other(desk: Desk) -> None:
    dead: dict[str, Any] = {"node": "a", "node_id": "id of a"}
    desk.know(node("a"), node("b"))
    bad = refused(desk, **dead)
    others = [run(60 + number, job_id=f"job {number}", **dead) for number in range(5)]
    absent = run(10, job_id="absent", place="gone", state="waiting", node=None, node_id=None)
    theirs = run(80, job_id="theirs", node="b", node_id="id of b")
    desk.insert(*others, absent, theirs)
    with capturedLogs() as logs:
        ended = declared_dead(desk, "id of a")
    found = {each.id: (each.state, each.reason) for each in desk.runs()}
    assert [found[each.id] for each in others] == [("lost", "it is gone")] * 5
    assert found[absent.id][0] == "missed"
    assert found[theirs.id][0] == "running"
    assert found[bad.id][0] == "lost"
    assert found[bad.id][1].startswith("it is gone; more was refused by the store: ")
    assert sorted(each.id for each in ended) == sorted(each.id for each in [bad, *others, absent])
    assert len([event for event in logs if event.get("log_failure")]) == 1
    with capturedLogs() as logs:
        assert declared_dead(desk, "id of a") == []
    assert logs == []


def declared_dead(desk: Desk, *known: str) -> list[Run]:
    ended: list[Run] = done(
        Deferred.fromCoroutine(DeclareDead(desk.store, IDS).declare_dead(known, [], "it is gone", at(100)))
    )
    return ended
