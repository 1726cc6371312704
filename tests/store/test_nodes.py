"""Nodes in the store: who lives is said by the database's clock, and what dead ones left gets an outcome once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs
import pytest

from jobsched.model.lease import FIXED
from jobsched.model.membership import Heartbeat, Joined, MembershipSnapshot
from jobsched.model.node import FORGOTTEN, Node
from jobsched.model.run import Run
from tests.present import present
from tests.store.samples import IDS, T0, Desk, at, node, run

WHY = "its node is gone"


@attrs.frozen
class Register:
    """The nodes of one store. What a node's own clock says is long past, and matters on SQLite alone."""

    desk: Desk

    def now(self) -> datetime:
        told: datetime = self.desk.bench.now(T0)
        return told

    def join(self, *new: Node, known: Sequence[str] = ()) -> datetime:
        """They join one after the other; when the last did."""
        told = [self.enter(each, known=known).now for each in new]
        return max(told)

    def enter(self, new: Node, *, known: Sequence[str] = (), gone: Sequence[str] | None = ()) -> Joined:
        """It starts; or, with `gone` None, comes back."""
        entry: Joined = self.desk.ask(self.desk.store.nodes.join(new, known, gone))
        return entry

    def silent(self, name: str, seconds: float) -> None:
        """Let it be so long ago that this node was heard."""
        self.change(name, seen=self.now() - timedelta(seconds=seconds))

    def change(self, name: str, **values: Any) -> None:
        for each in self.desk.bench.nodes():
            if each.name == name:
                self.desk.bench.replace_node(attrs.evolve(each, **values))

    def beat(self, name: str, local: datetime = T0) -> MembershipSnapshot:
        snapshot: MembershipSnapshot = self.desk.ask(self.desk.store.nodes.beat(heartbeat(name), local))
        return snapshot

    def leave(self, name: str) -> None:
        self.desk.ask(self.desk.store.nodes.leave(f"id of {name}", T0))

    def declare_dead(self, *known: str, silent: Sequence[str] | None = None, local: datetime = T0) -> list[Run]:
        gone = [f"id of {name}" for name in known]
        late = None if silent is None else [f"id of {name}" for name in silent]
        return self.desk.ask(self.desk.store.nodes.declare_dead(gone, late, WHY, IDS, lambda: 0.0, local, None))

    def get(self, name: str) -> Node | None:
        found: Node | None = self.desk.ask(self.desk.store.nodes.get(f"id of {name}"))
        return found

    def states(self) -> dict[str, str]:
        return {each.name: each.state for each in self.desk.ask(self.desk.store.nodes.every())}

    def runs(self) -> dict[str, str]:
        """The state of each run by its id."""
        return {each.id: each.state for each in self.desk.runs()}


def heartbeat(name: str, **fields: Any) -> Heartbeat:
    given: dict[str, Any] = {"tasks": ("task",), "running": 0, "slots": 10, "tried": 0, "won": 0}
    return Heartbeat(id=f"id of {name}", **(given | fields))


def on(name: str, due: float = 60, **fields: Any) -> Run:
    """A run that a node executes; its id is the node's name unless said otherwise."""
    return run(due, **({"id": name, "job_id": f"job on {name}", "node": name, "node_id": f"id of {name}"} | fields))


@pytest.fixture
def register(desk: Desk) -> Register:
    return Register(desk)


# Joining and leaving


def test_one_that_joins_lives_from_now_on_as_it_said_of_itself(register: Register) -> None:
    new = node("a", url="http://a:1", tags={"gpu": "yes", "a": "ä"}, tasks=("task", "ö"), version="1.2", slots=7)
    before = register.now()
    told = register.join(new)
    assert before <= told <= register.now()
    assert register.get("a") == attrs.evolve(new, since=told, seen=told)
    assert register.beat("a").renewed


def test_one_that_leaves_is_stopped_from_now_on(register: Register) -> None:
    told = register.join(node("a", running=2, slots=3), node("b"))
    register.silent("a", 5)
    register.leave("a")
    left = register.get("a")
    assert left is not None
    assert (left.state, left.running, left.slots) == ("stopped", 0, 0)
    assert told <= left.seen <= register.now()
    assert [each.name for each in register.beat("b").alive] == ["b"]
    assert register.beat("b").late == (), "it need not be declared dead"


def test_one_that_was_taken_for_dead_cannot_leave_any_more(register: Register) -> None:
    register.join(node("a"))
    register.declare_dead("a")
    before = register.get("a")
    register.leave("a")
    assert register.get("a") == before


# Heartbeats


def test_a_heartbeat_renews_and_tells_how_the_node_is(register: Register) -> None:
    since = register.join(node("a"))
    register.silent("a", 8)
    before = register.now()
    said = heartbeat("a", tasks=("other", "more"), running=4, slots=6, tried=2**40, won=2**39)
    snapshot: MembershipSnapshot = register.desk.ask(register.desk.store.nodes.beat(said, T0))
    assert before <= snapshot.now <= register.now()
    values = attrs.asdict(said)
    renewed = attrs.evolve(node("a"), **values, since=since, seen=snapshot.now)
    assert snapshot == MembershipSnapshot(
        now=snapshot.now, renewed=True, alive=(renewed,), late=(), stops=(), kept=FIXED, lease=FIXED
    )
    assert register.get("a") == renewed


def test_a_problem_is_known_until_it_is_over(register: Register) -> None:
    register.join(node("a"))
    for problem in (None, "no tasks", None, "no sweep"):
        register.desk.ask(register.desk.store.nodes.beat(heartbeat("a", problem=problem), T0))
        found = register.get("a")
        assert found is not None
        assert (found.problem, found.problems(doubled=False)) == (problem, [problem] if problem else [])
    register.leave("a")
    left = register.get("a")
    assert left is not None
    assert left.problem is None


@pytest.mark.parametrize("how", ["left", "declared dead", "never there"])
def test_one_that_is_no_node_does_not_become_one_by_a_heartbeat(register: Register, how: str) -> None:
    register.join(node("b"))
    if how != "never there":
        register.join(node("a"))
        register.leave("a") if how == "left" else register.declare_dead("a")
    before = register.get("a")
    snapshot = register.beat("a")
    assert not snapshot.renewed
    assert [each.name for each in snapshot.alive] == ["b"]
    assert register.get("a") == before


def test_alive_are_those_that_renewed_within_the_lease(register: Register) -> None:
    register.join(*(node(name) for name in "ecadb"))
    register.silent("c", 1)
    register.leave("d")
    register.silent("d", 100)
    assert [each.name for each in register.beat("a").alive] == ["a", "b", "c", "e"]
    assert register.beat("a").late == ()
    register.silent("e", 11)
    snapshot = register.beat("a")
    assert [each.name for each in snapshot.alive] == ["a", "b", "c"]
    assert snapshot.late == (register.get("e"),)
    register.declare_dead()
    assert register.beat("a").late == ()
    assert register.states() == {"a": "alive", "b": "alive", "c": "alive", "d": "stopped", "e": "dead"}


def test_one_that_comes_late_but_before_its_burial_lives_on(register: Register) -> None:
    register.join(node("a"))
    register.silent("a", 100)
    assert register.beat("a").renewed
    assert register.declare_dead() == []
    assert register.states() == {"a": "alive"}


@pytest.mark.usefixtures("told_time")
def test_a_node_is_alive_or_dead_to_the_microsecond(register: Register) -> None:
    register.join(node("a"), node("b"))
    end = T0 + FIXED
    assert [each.name for each in register.beat("b", end).alive] == ["a", "b"]
    register.declare_dead(local=end)
    assert register.states() == {"a": "alive", "b": "alive"}
    late = end + timedelta(microseconds=1)
    assert [each.name for each in register.beat("b", late).alive] == ["b"]
    register.declare_dead(local=late)
    assert register.states() == {"a": "dead", "b": "alive"}


def test_a_heartbeat_hears_which_runs_are_to_be_ended(register: Register) -> None:
    register.join(node("a"), node("b"))
    register.desk.insert(
        on("a", 1, id="run 1", stop="why 1"),
        on("a", 2, id="run 2", stop="ö" * 300, state="stopping"),
        on("a", 3, id="run 3"),
        on("a", 4, id="run 4", stop="why", state="cancelled"),
        on("b", 5, id="run 5", stop="why 5"),
        run(6, id="run 6", stop="why", state="waiting", node_id=None),
    )
    assert sorted(register.beat("a").stops) == [("run 1", "why 1"), ("run 2", "ö" * 300)]
    assert register.beat("b").stops == (("run 5", "why 5"),)
    assert register.desk.ask(register.desk.store.runs.stops("id of b")) == (("run 5", "why 5"),)
    assert register.desk.ask(register.desk.store.runs.stops("id of c")) == ()


# Burial


def test_runs_of_nodes_that_are_no_more_are_lost_others_stay(register: Register) -> None:
    register.desk.know(node("dead", state="dead"))
    register.join(*(node(name, running=1, slots=1) for name in ("late", "living", "left")))
    register.silent("late", 11)
    register.leave("left")
    orphans = [on("dead", pid=7, pid_started=1.5, output_bytes=3), on("late"), on("left", state="stopping")]
    others = [on("living"), on("dead", 7, id="ended", state="failed"), on("a daemon of schema 0001")]
    others += [run(7, id="waiting", state="waiting", node=None, node_id=None)]
    register.desk.insert(*orphans, *others)
    before = register.now()
    lost = register.declare_dead()
    assert all(before <= present(each.ended) <= register.now() for each in lost)
    expected = [attrs.evolve(each, state="lost", reason=WHY, ended=lost[0].ended) for each in orphans]
    assert sorted(lost, key=lambda each: each.id) == expected
    stored = {each.id: each for each in register.desk.runs()}
    assert stored == {each.id: each for each in (*expected, *others)}
    assert register.states() == {"dead": "dead", "late": "dead", "living": "alive", "left": "stopped"}
    dead = register.get("late")
    assert dead is not None
    assert (dead.running, dead.slots) == (0, 0)
    assert register.declare_dead() == [], "once"


def test_those_known_to_be_dead_are_declared_dead_however_fresh(register: Register) -> None:
    register.join(node("known"), node("late"), node("living"))
    register.silent("late", 11)
    register.desk.insert(on("known"), on("late"), on("living"))
    lost = register.declare_dead("known", "nobody")
    assert sorted(each.id for each in lost) == ["known", "late"]
    assert register.states() == {"known": "dead", "late": "dead", "living": "alive"}


def test_of_late_ones_only_those_seen_silent_are_declared_dead(register: Register) -> None:
    register.join(*(node(name) for name in ("known", "late", "silent", "both")))
    register.silent("late", 11)
    register.silent("both", 11)
    register.desk.insert(on("known"), on("late"), on("silent"), on("both"))
    assert [each.id for each in register.declare_dead("known", silent=[])] == ["known"]
    assert [each.id for each in register.declare_dead(silent=["silent", "both"])] == ["both"]
    assert register.runs() == {"known": "lost", "late": "running", "silent": "running", "both": "lost"}
    assert register.states() == {"known": "dead", "late": "alive", "silent": "alive", "both": "dead"}


def test_one_that_comes_back_under_a_new_id_buries_what_it_was(register: Register) -> None:
    register.join(node("before"), node("late"))
    register.silent("late", 11)
    register.desk.insert(on("before"), on("late"))
    register.join(node("before", id="fresh"), known=["id of before"])
    assert [each.id for each in register.declare_dead(silent=[])] == ["before"]
    assert register.runs() == {"before": "lost", "late": "running"}
    assert [
        (each.id, each.state) for each in register.desk.ask(register.desk.store.nodes.every()) if each.name == "before"
    ] == [
        ("fresh", "alive"),
        ("id of before", "dead"),
    ]


# What is remembered


def test_nodes_are_listed_those_that_began_last_first(register: Register) -> None:
    register.desk.know(*(node(name, since=at(seconds)) for name, seconds in (("a", 5), ("b", 7), ("c", 6), ("d", 5))))
    register.leave("b")
    assert [each.name for each in register.desk.ask(register.desk.store.nodes.every())] == ["b", "c", "a", "d"]
    register.desk.know(*(node(f"older {number}", since=at(0)) for number in range(1000)))
    every = [each.name for each in register.desk.ask(register.desk.store.nodes.every())]
    assert (every[:4], len(every)) == (["b", "c", "a", "d"], 1000)
    assert register.get("c") == node("c", since=at(6))
    assert register.get("nobody") is None


@pytest.mark.usefixtures("told_time")
def test_who_was_not_seen_for_a_week_is_forgotten(register: Register) -> None:
    a_week_later = T0 + FORGOTTEN
    register.desk.know(node("alive"), node("stopped", state="stopped"), node("dead", state="dead"))
    register.desk.know(node("recent", state="dead", seen=at(0.000001)))
    register.desk.ask(register.desk.store.retention.forget_nodes(a_week_later))
    assert set(register.states()) == {"alive", "stopped", "dead", "recent"}
    register.desk.ask(register.desk.store.retention.forget_nodes(a_week_later + timedelta(microseconds=1)))
    assert set(register.states()) == {"alive", "recent"}


def test_a_week_is_by_the_databases_clock_too(register: Register) -> None:
    week = FORGOTTEN.total_seconds()
    register.join(node("old"), node("recent"))
    for name, seconds in (("old", week + 60), ("recent", week - 60)):
        register.leave(name)
        register.silent(name, seconds)
    register.desk.ask(register.desk.store.retention.forget_nodes(T0))
    assert set(register.states()) == {"recent"}
