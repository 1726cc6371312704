"""The lease: nodes of one store agree on it, and none is taken for dead before the time that it counts on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import attrs
import pytest
import pytest_twisted
from sqlalchemy import delete, insert, select, update
from twisted.internet.defer import gatherResults

from jobsched.model.lease import FIXED
from jobsched.model.membership import Heartbeat, Joined, MembershipSnapshot
from jobsched.model.node import Node
from jobsched.store.sql import deliveries, settings
from jobsched.store.sql import nodes as node_rows
from jobsched.store.sql.store import Store
from jobsched.store.sql.tables import nodes
from jobsched.store.sql.tables import settings as rows
from tests.store.samples import IDS, T0, at, node, run
from tests.store.sql.desk import SqlDesk

pytestmark = pytest.mark.usefixtures("told_time")
WHY = "gone"


@attrs.frozen
class Nodes:
    """The nodes of one store; the time is what each call says, in seconds after T0."""

    desk: SqlDesk

    def start(self, name: str, asked: float | None = 30, when: float = 0, gone: tuple[str, ...] = ()) -> float:
        """A node starts with that LEASE; the lease that it goes by."""
        return self._join(name, asked, when, [], tuple(f"id of {each}" for each in gone))

    def back(self, name: str, asked: float | None = 30, when: float = 0, new: str = "") -> float:
        """One that had given up comes back under another id."""
        return self._join(name, asked, when, [f"id of {name}"], None, new or f"new id of {name}")

    def _join(self, name: str, asked: float | None, when: float, known: list[str], gone: Any, new: str = "") -> float:
        one = node(name, since=at(when), lease_asked=None if asked is None else timedelta(seconds=asked))
        one = attrs.evolve(one, id=new or one.id)
        entry: Joined = self.desk.write(node_rows.join, one, known, gone)
        return entry.lease.total_seconds()

    def stranger(self, name: str, when: float = 0, state: str = "alive") -> None:
        """A node of the release before, as it writes itself: it knows no such columns."""
        row = {
            "id": f"id of {name}", "name": name, "tasks": ["task"], "version": "0.1.0", "since": at(when),
            "seen": at(when), "state": state, "running": 0, "slots": 1, "tried": 0, "won": 0,
        }  # fmt: skip
        self.desk.write(lambda transaction: transaction.execute(insert(nodes).values(row)))

    def beat(self, name: str, lease: float, when: float) -> MembershipSnapshot:
        """A heartbeat that counts on that lease."""
        heartbeat = Heartbeat(
            id=f"id of {name}", tasks=("task",), running=0, slots=1, tried=0, won=0, lease=timedelta(seconds=lease)
        )
        snapshot: MembershipSnapshot = self.desk.write(node_rows.beat, heartbeat, at(when))
        return snapshot

    def told(self, name: str, lease: float, when: float) -> float:
        """What a heartbeat is told to go by from the next one on."""
        return self.beat(name, lease, when).lease.total_seconds()

    def stop(self, name: str, when: float = 0) -> None:
        self.desk.write(node_rows.leave, f"id of {name}", at(when))

    def dead(self, when: float) -> set[str]:
        """Those that the next look then finds, or one before it."""
        self.desk.write(node_rows.declare_dead, [], WHY, IDS, lambda: 0.0, at(when))
        return {each.name for each in self.desk.read(node_rows.every) if each.state == "dead"}

    def late_to_strangers(self, when: float) -> set[str]:
        """Those that a daemon of the release before would take for dead, but for itself: 10 s are all that it knows."""
        late = (nodes.c.state == "alive") & (nodes.c.seen < at(when) - timedelta(seconds=10)) & (nodes.c.name != "old")
        return set(self.desk.read(lambda transaction: transaction.execute(select(nodes.c.name).where(late)).scalars()))

    def get(self, name: str) -> Node:
        found: Node | None = self.desk.read(node_rows.get, f"id of {name}")
        assert found is not None
        return found

    @property
    def kept(self) -> float | None:
        found = self.desk.read(settings.lease)
        return None if found is None else float(found.total_seconds())


@pytest.fixture
def group(store_url: str) -> Iterator[Nodes]:
    desk = SqlDesk.at(store_url)
    yield Nodes(desk)
    desk.close()


# What they agree on.


def test_the_first_that_starts_says_it_and_later_ones_follow(group: Nodes) -> None:
    assert group.kept is None
    assert group.start("a", 30) == 30
    assert group.start("b", 60) == 30
    assert group.kept == 30
    assert group.told("b", 30, 1) == 30
    assert group.beat("b", 30, 1).kept == timedelta(seconds=30), "so that it can say that its own is another"


def test_when_all_were_stopped_the_next_that_starts_says_another(group: Nodes) -> None:
    group.start("a", 30)
    group.start("b", 30)
    group.stop("a", 1)
    assert group.start("c", 60, 2) == 30
    for name in "bc":
        group.stop(name, 3)
    assert group.start("a2", 60, 4) == 60
    assert group.kept == 60


def test_when_all_were_killed_and_are_long_silent_it_is_the_same(group: Nodes) -> None:
    group.start("a", 30)
    assert group.start("b", 60, 29) == 30
    group.stop("b", 29)
    assert group.start("c", 60, 31) == 60


def test_one_that_takes_the_place_of_a_killed_one_is_not_kept_by_it(group: Nodes) -> None:
    group.start("a", 30)
    assert group.start("a2", 60, 1, gone=("a",)) == 60


def test_restarted_one_after_the_other_the_last_one_sets_what_all_ask_for(group: Nodes) -> None:
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


def test_what_is_kept_can_be_lost_with_a_backup_and_is_said_again(group: Nodes) -> None:
    group.start("a", 30)
    group.desk.write(lambda transaction: transaction.execute(delete(rows)))
    assert group.told("a", 30, 1) == 30
    assert group.back("a", 30, 2) == 30
    assert group.kept == 30


@pytest.mark.parametrize(("value", "lease"), [(1, 10), (1e9, 3600)])
def test_a_value_beyond_the_limits_is_taken_as_the_limit(group: Nodes, value: float, lease: float) -> None:
    group.start("a", 30)
    group.desk.write(lambda transaction: transaction.execute(update(rows).values(value=value)))
    assert group.told("a", 30, 1) == lease


@pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)
@pytest_twisted.ensureDeferred
async def test_of_two_that_start_at_once_one_says_it(open_store: Callable[[], Store], store_url: str) -> None:
    stores = [open_store() for _ in range(4)]
    for round_ in range(5):
        asked = [30 + 10 * number for number in range(4)]
        joins = [
            store.write(node_rows.join, starting(f"{round_}.{each}", each), [], ())
            for store, each in zip(stores, asked, strict=True)
        ]
        leases = {entry.lease for entry in await gatherResults(joins)}
        assert len(leases) == 1
        for table in (nodes, rows):
            await stores[0].write(lambda transaction, table=table: transaction.execute(delete(table)))


def starting(name: str, asked: float) -> Node:
    return node(name, lease_asked=timedelta(seconds=asked))


# How long each is taken for alive.


def test_each_lives_for_the_lease_that_its_last_heartbeat_counted_on(group: Nodes) -> None:
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
    assert not group.desk.read(node_rows.declared_dead, "id of a", at(60))
    assert group.desk.read(node_rows.declared_dead, "id of a", at(60.1))


def test_who_waits_for_a_node_waits_as_long_as_it_says_and_not_longer(group: Nodes) -> None:
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


def test_one_that_comes_back_is_heard_of_at_the_next_heartbeat_and_cannot_bury_anybody_before(group: Nodes) -> None:
    """It was frozen, and taken for dead. Nobody can ask it to wait: what it looks at has to tell it."""
    group.start("a", 30)
    group.beat("a", 30, 100)
    group.stranger("old", when=100.1)  # at the very moment at which the others lose the database
    assert group.late_to_strangers(130) == set()
    assert group.late_to_strangers(130.1) == {"a"}
    assert group.told("a", 30, 102) == 10
    group.beat("a", 10, 104)  # from which it counts on 10 s, and gives up 7 s later
    assert group.late_to_strangers(114) == set()
    assert group.late_to_strangers(114.1) == {"a"}


def test_it_is_10_s_for_one_that_knows_no_other_whatever_the_lease(group: Nodes) -> None:
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


def test_an_attempt_to_tell_somebody_is_waited_for_while_the_database_may_be_away(group: Nodes) -> None:
    def hold() -> timedelta:
        return timedelta(seconds=group.desk.read(lambda transaction: deliveries.lease(transaction).total_seconds()))

    assert hold() == timedelta(seconds=60)
    group.start("a", 30)
    assert hold() == timedelta(seconds=60)
    group.stop("a")
    group.start("b", 150)
    assert hold() == timedelta(seconds=180)
