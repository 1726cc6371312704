"""One node among others: what it says, what it hears, and what it does when it can do neither."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from sqlalchemy import Connection, insert, select, update
from twisted.internet.defer import Deferred, succeed
from twisted.logger import LogEvent, capturedLogs, formatEvent

from jobsched.clock import SharedClock, now
from jobsched.cluster.lease_term import EVERY
from jobsched.cluster.life import Life
from jobsched.cluster.membership import GONE, OURS, Membership
from jobsched.events import Events
from jobsched.model.errors import Unavailable
from jobsched.model.ids import Ids
from jobsched.model.lease import FIXED as LEASE
from jobsched.model.lease import gives_up
from jobsched.model.membership import Heartbeat
from jobsched.model.node import Node
from jobsched.model.run import Run
from jobsched.store.sql import nodes as node_rows
from jobsched.store.sql import runs as run_rows
from jobsched.store.sql.store import Store
from jobsched.store.sql.tables import nodes, runs
from jobsched.store.sql.transaction import Transaction
from tests.fakes import InlinePool, StillReactor
from tests.unit.scheduler.world import done

T0 = datetime(2024, 1, 1, tzinfo=UTC)
FENCE = gives_up(LEASE)
NOWHERE = Unavailable("the store cannot be used now: it is gone")


@pytest.fixture(scope="module")
def empty(migrated: Path) -> bytes:
    return migrated.read_bytes()


@attrs.define
class Place:
    """One node in a world of simulated time, on a real store that can be put out of reach."""

    url: str
    reactor: StillReactor = attrs.field(factory=lambda: StillReactor(T0.timestamp()))
    pools: list[InlinePool] = attrs.field(factory=list)
    ended: list[tuple[str, str]] = attrs.field(factory=list)  # (run or "all", reason)
    changes: int = 0
    kept: list[str] = attrs.field(factory=list)
    regained: list[str] = attrs.field(factory=list)
    tasks: tuple[str, ...] = ("task",)
    previous: tuple[str, ...] = ("before",)
    elapsed_is: float = 0.0  # seconds ahead of the clock
    ends_late: bool = False
    asked: float | None = None  # its LEASE; None: 10 s, as in releases without the option
    member: Membership = attrs.field(init=False)
    storing: list[Deferred[None]] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        seconds = self.reactor.seconds
        clock = SharedClock(self.reactor, seconds, seconds)  # on SQLite all take the time from it
        store = Store(self.reactor, self.url, self._pool)  # type: ignore[arg-type]  # a fake
        asked = None if self.asked is None else timedelta(seconds=self.asked)
        me = Node(id="me-1", name="here", tasks=self.tasks, since=T0, seen=T0, lease_asked=asked)
        life = Life(
            heartbeat=lambda: Heartbeat(id="", tasks=self.tasks, running=3, slots=5, tried=7, won=6),
            end_all=lambda reason: self.ended.append(("all", reason)),
            regain=self._regain,
            stored=self._stored,
            end=lambda run_id, reason: self.ended.append((run_id, reason)),
            keep_id=self.kept.append,
        )
        events = Events()
        events.members_changed.subscribe(self._changed)
        self.member = Membership(self.reactor, clock, store, Ids(), me, life, events, self.previous, self.elapsed)

    def _pool(self, *_: Any) -> Any:
        self.pools.append(InlinePool())
        return self.pools[-1]

    def _regain(self, node_id: str) -> Deferred[None]:
        self.regained.append(node_id)
        return succeed(None)

    def _stored(self) -> Deferred[None]:
        stored: Deferred[None] = Deferred() if self.ends_late else succeed(None)
        self.storing.append(stored)
        return stored

    def _changed(self) -> None:
        self.changes += 1

    def reach(self, possible: bool) -> None:
        for pool in self.pools:
            pool.broken = None if possible else NOWHERE

    def elapsed(self) -> float:
        return self.reactor.seconds() + self.elapsed_is

    def walk(self, seconds: float) -> None:
        self.reactor.walk(seconds)

    @property
    def now(self) -> datetime:
        return now(self.reactor)

    def write(self, change: Any, *args: Any) -> Any:
        with Store(self.reactor, self.url, InlinePool)._writing.begin() as connection:  # type: ignore[arg-type]  # a fake
            return change(Transaction(connection), *args)

    def other(self, name: str = "there", **fields: Any) -> Node:
        """Another node that has just said that it lives."""
        common: dict[str, Any] = {
            "id": f"{name}-1",
            "name": name,
            "tasks": ("task",),
            "since": self.now,
            "seen": self.now,
        }
        node = Node(**common | fields)
        self.write(lambda connection: connection.execute(insert(nodes).values(node_rows.to_row(node))))
        return node

    def seen(self, node_id: str) -> None:
        self.write(lambda c: c.execute(update(nodes).where(nodes.c.id == node_id).values(seen=self.now)))

    def becomes(self, node_id: str, state: str) -> None:
        self.write(lambda c: c.execute(update(nodes).where(nodes.c.id == node_id).values(state=state)))

    def states(self) -> dict[str, str]:
        return {node.id: node.state for node in self.write(node_rows.every)}

    def run(self, run_id: str, node_id: str, **fields: Any) -> None:
        given: dict[str, Any] = {"id": run_id, "job_id": "job", "job_name": "job", "task": "task"}
        given |= {"due": self.now, "created": self.now}
        run = Run(**(given | {"state": "running", "node": "n", "node_id": node_id} | fields))
        self.write(run_rows.insert_all, [run])

    def found(self, run_id: str) -> Run:
        def question(connection: Connection) -> Run:
            return run_rows.from_row(connection.execute(select(runs).where(runs.c.id == run_id)).one())

        run: Run = self.write(question)
        return run


@pytest.fixture
def place(tmp_path: Path, empty: bytes) -> Iterator[Place]:
    (tmp_path / "store.sqlite").write_bytes(empty)
    place = Place(f"sqlite:///{tmp_path}/store.sqlite")
    place.member.startService()
    yield place
    place.reach(True)
    place.member.stopService()
    assert not place.reactor.getDelayedCalls(), "a node that stopped leaves no timer"


def said(logs: Sequence[LogEvent], words: str) -> list[str]:
    return [text for text in map(formatEvent, logs) if words in text]


def test_it_enters_and_says_what_it_has(place: Place) -> None:
    assert place.member.entered.called
    assert place.member.holds()
    (node,) = place.write(node_rows.every)
    assert (node.id, node.name, node.running, node.slots, node.tried, node.won) == ("me-1", "here", 3, 5, 7, 6)
    assert place.kept == ["me-1"]


def test_its_heartbeat_goes_on_and_tells_of_new_tasks(place: Place) -> None:
    place.tasks = ("task", "another")
    place.walk(20)
    (node,) = place.write(node_rows.every)
    assert (place.now - node.seen).total_seconds() <= EVERY
    assert node.tasks == ("task", "another")
    assert place.member.holds()


def test_it_hears_of_others_that_come_and_go(place: Place) -> None:
    place.other()
    place.walk(EVERY)
    assert {node.id for node in place.member.alive} == {"me-1", "there-1"}
    heard = place.changes
    place.walk(EVERY)
    assert place.changes == heard, "nothing is different"
    place.walk(LEASE.total_seconds())
    assert {node.id for node in place.member.alive} == {"me-1"}
    assert place.changes > heard


def test_a_node_that_got_another_task_is_news(place: Place) -> None:
    place.other()
    place.walk(EVERY)
    heard = place.changes
    change = update(nodes).where(nodes.c.id == "there-1").values(tasks=["task", "new"])
    place.write(lambda connection: connection.execute(change))
    place.walk(EVERY)
    assert place.changes > heard


def test_without_a_heartbeat_runs_end_before_others_may_start(place: Place) -> None:
    place.walk(4)
    assert FENCE - EVERY <= place.member.remaining <= FENCE
    place.reach(False)
    place.walk(FENCE - EVERY - 0.5)
    assert place.ended == []
    assert place.member.holds()
    assert 0 < place.member.remaining <= EVERY + 0.5
    place.walk(EVERY + 1)
    assert [run for run, _ in place.ended] == ["all"]
    assert not place.member.holds()
    assert place.member.remaining == 0
    assert place.states() == {"me-1": "alive"}, "it writes nothing"


def test_it_comes_back_by_itself_under_another_id(place: Place) -> None:
    place.run("kept", "me-1")
    place.reach(False)
    place.walk(30)
    place.reach(True)
    place.walk(EVERY)
    assert place.member.holds()
    assert place.member.node.id != "me-1"
    assert place.states() == {"me-1": "dead", place.member.node.id: "alive"}
    run = place.found("kept")
    assert (run.state, run.reason) == ("lost", OURS.format(7))
    assert place.kept == ["me-1", place.member.node.id]
    assert len(place.ended) == 1, "its runs are ended once"


def standing(place: Place) -> str:
    return place.member.standing


def test_it_is_fenced_until_the_store_is_back_and_runs_ended(place: Place) -> None:
    assert standing(place) == "inside"
    place.reach(False)
    place.walk(FENCE + 1)
    assert standing(place) == "fenced"
    place.walk(30)
    assert standing(place) == "fenced", "it could not ask"
    place.ends_late = True
    place.reach(True)
    place.walk(EVERY)
    assert standing(place) == "fenced", "its outcomes are being stored"
    place.storing[-1].callback(None)
    assert standing(place) == "inside"
    place.member.stopService()
    assert standing(place) == "outside"
    place.member.startService()


def test_it_does_not_hold_while_frozen_even_before_any_timer(place: Place) -> None:
    place.reactor.rightNow += 20  # SIGSTOP, SIGCONT: time has passed, nothing was called
    assert not place.member.holds()
    place.reactor.advance(0)
    assert place.ended[0][0] == "all"
    place.walk(EVERY)
    assert place.member.node.id != "me-1"
    assert place.member.holds()


def test_one_taken_for_dead_ends_its_runs_and_comes_back(place: Place) -> None:
    place.write(lambda connection: connection.execute(update(nodes).values(state="dead")))
    place.walk(EVERY)
    assert place.ended[0][0] == "all"
    place.walk(EVERY)
    assert place.member.holds()
    assert place.states() == {"me-1": "dead", place.member.node.id: "alive"}


def test_it_buries_a_node_that_is_silent(place: Place) -> None:
    place.other()
    place.run("orphan", "there-1")
    place.walk(LEASE.total_seconds() - 1)
    assert place.found("orphan").state == "running"
    place.walk(2 * EVERY + 2)
    assert place.states()["there-1"] == "dead"
    assert (place.found("orphan").state, place.found("orphan").reason) == ("lost", GONE.format(10))


def test_a_database_clock_set_forward_buries_nobody_who_lives(place: Place) -> None:
    place.other()
    place.run("theirs", "there-1")
    for _ in range(10):
        place.walk(EVERY)
        place.seen("there-1")
    place.reactor.step(60)  # it is the clock that all instants come from here
    place.elapsed_is -= 60
    place.walk(EVERY)
    place.seen("there-1")
    place.walk(EVERY)
    assert place.states()["there-1"] == "alive"
    assert place.found("theirs").state == "running"


def test_after_a_common_trouble_others_have_time_to_come_back(place: Place) -> None:
    place.other()
    place.run("theirs", "there-1")
    place.walk(4)
    place.reach(False)
    place.walk(60)
    place.reach(True)
    place.walk(4)
    assert place.member.holds()
    assert place.found("theirs").state == "running", "they may be back in a moment"
    place.seen("there-1")
    place.walk(LEASE.total_seconds() - 1)
    assert place.found("theirs").state == "running"
    place.walk(LEASE.total_seconds())
    assert place.found("theirs").state == "lost"


def test_runs_that_a_dead_node_claimed_at_last_are_found(place: Place) -> None:
    place.other(state="dead")
    place.run("stray", "there-1")
    place.run("older", "a daemon of the schema before, which is no node", due=place.now.replace(year=2023))
    place.walk(2 * LEASE.total_seconds())
    assert place.found("stray").state == "lost"
    assert place.found("older").state == "running"


def test_it_ends_what_another_node_was_asked_to_end(place: Place) -> None:
    place.run("run", "me-1", stop="cancelled by a caller")
    place.run("theirs", "there-1", stop="cancelled by a caller", due=place.now.replace(year=2023))
    place.member.look_for_orders()
    assert place.ended == [("run", "cancelled by a caller")]
    place.walk(EVERY)
    assert place.ended[-1] == ("run", "cancelled by a caller")


def test_two_of_one_name_are_told_once(place: Place) -> None:
    place.other("here", id="twin")
    with capturedLogs() as logs:
        for _ in range(3):
            place.walk(EVERY)
            place.seen("twin")
    told = [formatEvent(event) for event in logs if "called here too" in formatEvent(event)]
    assert len(told) == 1


def test_the_daemon_before_this_one_is_no_other_node(place: Place) -> None:
    place.other("here", id="before")
    with capturedLogs() as logs:
        place.walk(EVERY)
    assert not [event for event in logs if "called here too" in formatEvent(event)]


def test_another_catalog_counts_at_once(place: Place) -> None:
    heard = place.changes
    place.tasks = ("new",)
    place.member.look_at_tasks()
    assert place.member.node.tasks == ("new",)
    assert [node.tasks for node in place.member.alive] == [("new",)]
    assert place.changes > heard
    place.walk(EVERY)
    assert [node.tasks for node in place.write(node_rows.every)] == [("new",)]


def test_a_store_out_of_reach_is_told_once_for_each_reason(place: Place) -> None:
    place.reach(False)
    with capturedLogs() as logs:
        place.walk(25)
    why = "the store cannot be used now: it is gone"
    line = "no heartbeat of node here for 2 s; its runs (3) go on, nothing starts, gives up in 5 s"
    assert said(logs, "no heartbeat") == [f"{line}: {why}"]
    assert len(said(logs, "the store could not be reached for 7 s, so this node ended its own runs")) == 1
    assert len(said(logs, f"nothing runs or starts here, trying again: {why}")) <= 1
    assert len(logs) <= 3


def test_one_that_leaves_is_not_dead(place: Place) -> None:
    place.member.stopService()
    assert place.states() == {"me-1": "stopped"}
    place.member.startService()


@pytest.mark.parametrize("why", [NOWHERE, LookupError("a fault of ours")])
def test_one_that_cannot_say_that_it_leaves_closes_its_store(place: Place, why: Exception) -> None:
    for pool in place.pools:
        pool.broken = why
    with capturedLogs() as logs:
        done(place.member.stopService())
    assert [pool.stopped for pool in place.pools] == [True, True]
    (event,) = logs
    assert formatEvent(event).startswith("the others will take node here for dead: ")
    place.reach(True)
    place.member.startService()


def hand_over(place: Place, seconds: float = 300) -> None:
    done(Deferred.fromCoroutine(place.member.hand_over(seconds)))
    place.member.stopService()


def test_others_wait_for_the_daemon_after_one_whose_runs_go_on(place: Place) -> None:
    hand_over(place)
    kept = place.write(node_rows.get, "me-1")
    assert (kept.state, kept.lease, kept.slots) == ("alive", timedelta(seconds=300), 0)
    assert place.member.until == place.elapsed() + 210
    place.walk(299)
    assert not kept.late(place.now)
    place.walk(2)
    assert kept.late(place.now)


def test_where_that_cannot_be_told_the_lease_before_counts(place: Place) -> None:
    before = place.member.until
    place.reach(False)
    with capturedLogs() as logs:
        hand_over(place)
    assert place.member.until == before
    assert len(said(logs, "the others will take node here for dead")) == 1
    place.reach(True)
    assert place.states()["me-1"] == "alive", "its runs go on until then"


def test_one_that_is_dead_already_hands_nothing_over(place: Place) -> None:
    place.becomes("me-1", "dead")
    hand_over(place)
    assert place.member.until == place.elapsed()
    assert place.states()["me-1"] == "dead"


def test_while_it_comes_back_it_does_not_enter_twice(place: Place) -> None:
    place.reach(False)
    place.ends_late = True
    place.walk(10)
    place.reach(True)
    place.walk(3 * EVERY)
    assert not place.member.holds(), "outcomes are being stored"
    for stored in place.storing:
        stored.callback(None)
    place.walk(EVERY)
    assert place.member.holds()
    assert sorted(place.states().values()) == ["alive", "dead"]
    assert place.states()[place.member.node.id] == "alive"


def test_a_first_entry_without_answer_is_tried_under_a_new_id(place: Place) -> None:
    taken = Node(id="me-1", name="here", since=T0, seen=T0)
    again = Place(place.url, reactor=place.reactor)
    again.member.node = taken
    with capturedLogs():
        again.member.startService()  # that id is there already
    again.walk(EVERY)
    assert again.member.holds()
    assert again.member.node.id != "me-1"
    again.member.stopService()
    place.reactor.advance(0)


def test_one_that_cannot_enter_at_first_tries_on(tmp_path: Path, empty: bytes) -> None:
    (tmp_path / "store.sqlite").write_bytes(empty)
    place = Place(f"sqlite:///{tmp_path}/store.sqlite")
    place.reach(False)
    place.member.startService()
    assert not place.member.entered.called
    assert not place.member.holds()
    place.walk(10)
    assert place.ended == [], "nothing runs that could be ended"
    assert place.member.standing == "outside"
    place.reach(True)
    place.walk(EVERY)
    assert place.member.entered.called
    assert place.states() == {place.member.node.id: "alive"}
    place.member.stopService()


# The lease


def agreed(seconds: float) -> dict[str, Any]:
    """What another node goes by, and asks for."""
    return {"lease": timedelta(seconds=seconds), "lease_asked": timedelta(seconds=seconds)}


@pytest.fixture
def patient(tmp_path: Path, empty: bytes) -> Iterator[Place]:
    """A node whose LEASE is 30 s, the first of its store."""
    (tmp_path / "store.sqlite").write_bytes(empty)
    place = Place(f"sqlite:///{tmp_path}/store.sqlite", asked=30)
    place.member.startService()
    yield place
    place.reach(True)
    place.member.stopService()


def test_with_a_longer_lease_it_gives_up_later(patient: Place) -> None:
    patient.walk(4)
    assert 19 <= patient.member.remaining <= 21
    patient.reach(False)
    patient.walk(18)
    patient.reach(True)
    patient.walk(EVERY)
    assert patient.ended == []
    assert patient.member.node.id == "me-1"
    patient.reach(False)
    with capturedLogs() as logs:
        patient.walk(20.5)
        assert patient.ended == []
        patient.walk(1)
    assert [run for run, _ in patient.ended] == ["all"]
    assert said(logs, "could not be reached for 21 s, so this node ended its own runs")


def test_with_a_longer_lease_another_is_taken_for_dead_later(patient: Place) -> None:
    patient.other(**agreed(30))
    patient.run("orphan", "there-1")
    patient.walk(29)
    assert {node.name for node in patient.member.alive} == {"here", "there"}
    patient.walk(6)
    found = patient.found("orphan")
    assert (found.state, found.reason) == ("lost", GONE.format(30))


def test_after_a_common_trouble_it_waits_10_s_and_no_lease(patient: Place) -> None:
    patient.other(**agreed(30))
    patient.run("theirs", "there-1")
    patient.walk(4)
    patient.reach(False)
    patient.walk(18)
    patient.reach(True)
    patient.walk(7)
    assert patient.found("theirs").state == "running", "it is silent for 29 s"
    patient.walk(10)
    assert patient.found("theirs").state == "lost"


def test_beside_an_old_release_it_gives_up_as_that_expects(patient: Place) -> None:
    patient.walk(4)
    with capturedLogs() as logs:
        patient.other("old", id="old-1")
        patient.walk(2 * EVERY)
    assert said(logs, "node here goes by a lease of 10 s, for old may live and is of a release that knows no other")
    assert 5 <= patient.member.remaining <= 7
    patient.becomes("old-1", "dead")
    with capturedLogs() as logs:
        patient.walk(2 * EVERY)
    assert said(logs, "node here goes by a lease of 30 s")
    assert 19 <= patient.member.remaining <= 21


def test_a_shorter_lease_counts_from_the_asking_without_answer(patient: Place) -> None:
    patient.walk(4)
    patient.other("old", id="old-1")
    patient.walk(EVERY)  # it has heard, and will ask
    assert patient.member.remaining > 18
    patient.reach(False)
    patient.walk(EVERY)
    assert patient.member.remaining <= 7
    patient.walk(7)
    assert [run for run, _ in patient.ended] == ["all"]


def test_a_longer_lease_counts_only_when_the_answer_has_come(tmp_path: Path, empty: bytes) -> None:
    (tmp_path / "store.sqlite").write_bytes(empty)
    place = Place(f"sqlite:///{tmp_path}/store.sqlite", asked=30)
    place.other("old", id="old-1")
    place.member.startService()
    place.walk(4)
    assert place.member.remaining <= 7
    place.becomes("old-1", "stopped")
    place.walk(EVERY)  # it has heard that it may
    assert place.member.remaining <= 7
    place.reach(False)
    place.walk(8)
    assert [run for run, _ in place.ended] == ["all"]
    place.reach(True)
    place.walk(EVERY)
    assert 19 <= place.member.remaining <= 21
    place.member.stopService()


def test_one_whose_own_is_another_says_so_once_and_follows(patient: Place) -> None:
    other = Place(patient.url, reactor=patient.reactor, asked=60)
    other.member.node = attrs.evolve(other.member.node, id="other-1", name="other")
    with capturedLogs() as logs:
        other.member.startService()
        patient.walk(20)
    told = said(
        logs, "LEASE is 60 s here, but the nodes of this store have agreed on 30 s, and that counts; to change it"
    )
    assert len(told) == 1
    assert 19 <= other.member.remaining <= 21
    assert said(logs, "goes by a lease of") == ["node other goes by a lease of 30 s"]
    other.member.stopService()


def test_the_last_of_all_to_be_restarted_changes_it_for_all(patient: Place) -> None:
    other = Place(patient.url, reactor=patient.reactor, asked=60)
    other.member.node = attrs.evolve(other.member.node, id="other-1", name="other")
    other.member.startService()
    patient.member.stopService()
    again = Place(patient.url, reactor=patient.reactor, asked=60)
    again.member.node = attrs.evolve(again.member.node, id="again-1")
    again.member.startService()
    patient.walk(2 * EVERY)
    assert 40 <= other.member.remaining <= 42
    assert 40 <= again.member.remaining <= 42
    again.member.stopService()
    other.member.stopService()
    patient.member.startService()
