"""The lease: nodes of one store agree on it, and none is taken for dead before the time that it counts on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest
import pytest_twisted
from twisted.internet.defer import gatherResults

from jobsched.model.claim import Claimed
from jobsched.model.delivery import Delivery
from jobsched.model.lease import FIXED
from jobsched.model.membership import Heartbeat, Joined, MembershipSnapshot
from jobsched.model.node import Node
from jobsched.store.contract.store import Store
from tests.store.bench import Engine
from tests.store.samples import IDS, T0, Desk, asks, at, job, node, run

pytestmark = pytest.mark.usefixtures("told_time")


@attrs.frozen
class Nodes:
    """The nodes of one store; the time is what each call says, in seconds after T0."""

    desk: Desk

    def start(self, name: str, asked: float | None = 30, when: float = 0, gone: tuple[str, ...] = ()) -> float:
        """A node starts with that LEASE; the lease that it goes by."""
        return self._join(name, asked, when, [], tuple(f"id of {each}" for each in gone))

    def back(self, name: str, asked: float | None = 30, when: float = 0, new: str = "") -> float:
        """One that had given up comes back under another id."""
        return self._join(name, asked, when, [f"id of {name}"], None, new or f"new id of {name}")

    def _join(self, name: str, asked: float | None, when: float, known: list[str], gone: Any, new: str = "") -> float:
        one = node(name, since=at(when), lease_asked=None if asked is None else timedelta(seconds=asked))
        one = attrs.evolve(one, id=new or one.id)
        entry: Joined = self.desk.ask(self.desk.store.nodes.join(one, known, gone))
        return entry.lease.total_seconds()

    def stranger(self, name: str, when: float = 0, state: str = "alive") -> None:
        """A node of the release before, which has no such option."""
        self.desk.know(node(name, since=at(when), seen=at(when), state=state, slots=1, version="0.1.0"))

    def beat(self, name: str, lease: float, when: float) -> MembershipSnapshot:
        """A heartbeat that counts on that lease."""
        heartbeat = Heartbeat(
            id=f"id of {name}", tasks=("task",), running=0, slots=1, tried=0, won=0, lease=timedelta(seconds=lease)
        )
        snapshot: MembershipSnapshot = self.desk.ask(self.desk.store.nodes.beat(heartbeat, at(when)))
        return snapshot

    def told(self, name: str, lease: float, when: float) -> float:
        """What a heartbeat is told to go by from the next one on."""
        return self.beat(name, lease, when).lease.total_seconds()

    def stop(self, name: str, when: float = 0) -> None:
        self.desk.ask(self.desk.store.nodes.leave(f"id of {name}", at(when)))

    def dead(self, when: float) -> set[str]:
        """Those that the next look then finds, or one before it."""
        self.desk.declare_dead(seconds=when)
        return {each.name for each in self.desk.bench.nodes() if each.state == "dead"}

    def get(self, name: str) -> Node:
        found: Node | None = self.desk.ask(self.desk.store.nodes.get(f"id of {name}"))
        assert found is not None
        return found

    @property
    def kept(self) -> float | None:
        found = self.desk.bench.lease()
        return None if found is None else float(found.total_seconds())


@pytest.fixture
def group(desk: Desk) -> Nodes:
    return Nodes(desk)


# What they agree on.


def test_the_first_that_starts_says_it_and_later_ones_follow(group: Nodes) -> None:
    assert group.kept is None
    assert group.start("a", 30) == 30
    assert group.start("b", 60) == 30
    assert group.kept == 30
    assert group.told("b", 30, 1) == 30
    assert group.beat("b", 30, 1).kept == timedelta(seconds=30), "so that it can say that its own is another"


def test_after_all_were_stopped_the_next_start_sets_another(group: Nodes) -> None:
    group.start("a", 30)
    group.start("b", 30)
    group.stop("a", 1)
    assert group.start("c", 60, 2) == 30
    for name in "bc":
        group.stop(name, 3)
    assert group.start("a2", 60, 4) == 60
    assert group.kept == 60


def test_after_all_were_killed_and_are_silent_it_does_too(group: Nodes) -> None:
    group.start("a", 30)
    assert group.start("b", 60, 29) == 30
    group.stop("b", 29)
    assert group.start("c", 60, 31) == 60


def test_one_in_the_place_of_a_killed_one_is_not_kept_by_it(group: Nodes) -> None:
    group.start("a", 30)
    assert group.start("a2", 60, 1, gone=("a",)) == 60


def test_restarted_one_by_one_the_last_sets_what_all_ask_for(group: Nodes) -> None:
    for name in "abc":
        group.start(name, 30)
    for name in "ab":
        group.stop(name, 1)
        assert group.start(f"new {name}", 60, 1) == 30
    group.stop("c", 1)
    assert group.start("new c", 60, 1) == 60
    assert group.told("new a", 30, 2) == 60


def test_who_was_away_and_comes_back_changes_nothing(group: Nodes) -> None:
    """All have given up in a long outage; the one whose LEASE is another is back first."""
    group.start("a", 30)
    group.start("b", 60)
    assert group.back("b", 60, 100) == 30
    assert group.kept == 30


def test_what_a_backup_lost_is_said_again(group: Nodes) -> None:
    group.start("a", 30)
    group.desk.bench.set_lease(None)
    assert group.told("a", 30, 1) == 30
    assert group.back("a", 30, 2) == 30
    assert group.kept == 30


@pytest.mark.parametrize(("value", "lease"), [(1, 10), (1e9, 3600)])
def test_a_value_beyond_the_limits_is_taken_as_the_limit(group: Nodes, value: float, lease: float) -> None:
    group.start("a", 30)
    group.desk.bench.set_lease(timedelta(seconds=value))
    assert group.told("a", 30, 1) == lease


@pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)
@pytest_twisted.ensureDeferred
async def test_of_two_that_start_at_once_one_says_it(
    open_store: Callable[[], Store], store_url: str, engine: Engine
) -> None:
    stores = [open_store() for _ in range(4)]
    for round_ in range(5):
        asked = [30 + 10 * number for number in range(4)]
        joins = [
            store.nodes.join(starting(f"{round_}.{each}", each), [], ())
            for store, each in zip(stores, asked, strict=True)
        ]
        leases = {entry.lease for entry in await gatherResults(joins)}
        assert len(leases) == 1
        engine.clear(store_url)


def starting(name: str, asked: float) -> Node:
    return node(name, lease_asked=timedelta(seconds=asked))


# How long each is taken for alive.


def test_each_lives_for_the_lease_of_its_last_heartbeat(group: Nodes) -> None:
    group.start("long", 60)
    group.start("short", 60)
    group.beat("long", 60, 0)
    group.beat("short", 20, 0)
    group.start("watcher", 60, 19)
    assert group.dead(20) == set()
    assert group.dead(20.1) == {"short"}
    assert [each.name for each in group.beat("watcher", 60, 60).alive] == ["long", "watcher"]
    assert group.dead(60) == {"short"}
    assert [each.name for each in group.beat("watcher", 60, 60.1).late] == ["long"]
    assert group.dead(60.1) == {"short", "long"}


def test_when_it_was_seen_is_told_as_it_was(group: Nodes) -> None:
    group.start("a", 60)
    assert (group.get("a").since, group.get("a").seen, group.get("a").lease) == (T0, T0, timedelta(seconds=60))
    group.beat("a", 60, 5)
    assert group.get("a").seen == at(5)
    group.stop("a", 7)
    assert group.get("a").seen == at(7)


def test_a_claim_that_comes_within_the_lease_counts(group: Nodes) -> None:
    group.start("a", 60)
    group.desk.add(one := job())
    who = asks(group.get("a"))
    assert group.desk.claim(60.1, one, **who) == Claimed(now=at(60.1))
    assert len(group.desk.claim(60, one, **who).started) == 1


def test_the_wait_for_a_node_is_as_long_as_it_says(group: Nodes) -> None:
    """A stopped node with a long lease is not there for longer than another."""
    group.start("a", 600)
    group.start("b", 600)
    group.stop("b", 0)
    waiting = {"state": "waiting", "node": None, "node_id": None, "place": "b"}
    group.desk.insert(run(0, **waiting))
    assert group.dead(30) == set()
    assert group.desk.states() == ["waiting"]
    group.dead(31)
    assert group.desk.states() == ["missed"]


# Beside a release that knows of 10 s alone.


def test_while_one_lives_that_knows_no_other_it_is_10_s_for_all(group: Nodes) -> None:
    group.stranger("old")
    assert group.start("a", 30) == 10
    assert group.start("b", 60) == 10
    assert group.kept == 30, "which counts later"
    assert group.told("a", 10, 1) == 10
    group.stop("old", 2)
    assert [group.told(name, 10, 3) for name in "ab"] == [30, 30]


def test_one_that_is_late_lives_until_it_was_found_dead(group: Nodes) -> None:
    group.stranger("old")
    group.start("a", 30)
    assert group.told("a", 10, 15) == 10
    assert group.dead(15) == {"old"}
    assert group.told("a", 10, 16) == 30


def test_one_that_knows_no_other_lease_has_ten_seconds(group: Nodes) -> None:
    group.start("a", 60)
    group.stranger("old", 1)
    assert (group.get("old").lease, group.get("old").lease_asked) == (FIXED, None)
    assert group.dead(11) == set()
    assert group.dead(11.1) == {"old"}


def test_one_that_a_daemon_has_the_place_of_holds_nobody_up(group: Nodes) -> None:
    """It was upgraded by a kill and a start."""
    group.stranger("old")
    assert group.start("new", 30, 1, gone=("old",)) == 30


# What else is waited for.


def test_a_delivery_is_waited_for_while_the_store_may_be_away(group: Nodes) -> None:
    def hold() -> timedelta:
        one = Delivery(
            id=IDS.make(T0), job_id="job", run_id=None, task="task", event="overdue", url=None, place="", body={},
            created=T0, not_before=T0,
        )  # fmt: skip
        group.desk.bench.add_deliveries([one])
        assert [each.id for each in group.desk.ask(group.desk.store.deliveries.take(T0, 9, 9, {}, None))] == [one.id]
        (taken,) = (each for each in group.desk.bench.deliveries() if each.id == one.id)
        return taken.not_before - T0

    assert hold() == timedelta(seconds=60)
    group.start("a", 30)
    assert hold() == timedelta(seconds=60)
    group.stop("a")
    group.start("b", 150)
    assert hold() == timedelta(seconds=180)
