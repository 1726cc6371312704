"""Nodes in the store: which nodes live, by the database's clock, and what they have in common. Every function runs
inside a transaction.

In the row of a node, `seen` is carried ahead by the difference between the node's lease and 10 s. So the rule "a node
whose `seen` is older than 10 s is dead" is true for every lease, even for a daemon of a release that knows no other
lease. `to_row` and `from_row` carry `seen` there and back.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import attrs
from sqlalchemy import BigInteger, ColumnElement, delete, func, insert, select, type_coerce, update
from twisted.internet.defer import Deferred

from ...model import lease as leases
from ...model.ids import EPOCH, MICROSECOND
from ...model.membership import Heartbeat, Joined, MembershipSnapshot
from ...model.node import FORGOTTEN, Node
from ...model.run import STARTED
from ..contract import nodes as contract
from ..placement import LivingNodes
from .tables import nodes, runs, settings
from .transaction import Noun, TableRow, Transaction, database_now

_LEASE = settings.c.name == "lease"
_ASK_LEASE = select(settings.c.value).where(_LEASE)


def join(transaction: Transaction, node: Node, known: Sequence[str] = (), gone: Sequence[str] | None = None) -> Joined:
    """Be a node from now on. The nodes in `known`, which are known to be dead, are declared dead.

    A node that starts gives the nodes whose place it takes (`gone`, which may be empty). Such a node may have the store
    keep the lease that it asks for.
    """
    instant = database_now(transaction, node.since)
    kept = agreed_lease(transaction, hold=True)
    there = [each for each in living(transaction) if each.id not in (*known, *(gone or ()))]
    asked = node.lease_asked or leases.FIXED
    if kept is None or gone is not None:
        agreed = leases.agreed(kept, asked, [each.lease_asked for each in there if not each.late(instant)])
        _keep_lease(transaction, agreed, instead_of=kept)
        kept = agreed
    lease = leases.in_force(kept, [each.lease_asked for each in there])
    transaction.execute(insert(nodes).values(to_row(attrs.evolve(node, since=instant, seen=instant, lease=lease))))
    transaction.have_moved(node.id, "alive")
    if known:
        mark_dead(transaction, nodes.c.id.in_(known), instant)
    return Joined(now=instant, lease=lease)


def beat(transaction: Transaction, heartbeat: Heartbeat, local: datetime) -> MembershipSnapshot:
    """Say that this node is alive, and read which other nodes are, and which runs this node is asked to end."""
    instant = database_now(transaction, local)
    values = attrs.asdict(heartbeat, recurse=False, filter=attrs.filters.exclude("id")) | {
        "tasks": list(heartbeat.tasks)
    }
    mine = (nodes.c.id == heartbeat.id) & (nodes.c.state == "alive")
    seen = _ahead(instant, heartbeat.lease)
    had = transaction.execute(select(nodes.c.problem).where(mine)).scalar() is not None
    renewed = transaction.execute(update(nodes).where(mine).values(seen=seen, **values)).rowcount == 1
    if renewed and had != (heartbeat.problem is not None):
        transaction.have_moved(heartbeat.id, "alive")
    there = living(transaction)
    kept = agreed_lease(transaction) or heartbeat.lease
    return MembershipSnapshot.heard(
        heartbeat.id, there, now=instant, renewed=renewed, stops=stops(transaction, heartbeat.id), kept=kept
    )


def agreed_lease(transaction: Transaction, *, hold: bool = False) -> timedelta | None:
    """The lease that the nodes have agreed on; None: no node has asked for one yet. With `hold`, no other transaction
    sets it until this one ends."""
    found = transaction.execute(_ASK_LEASE.with_for_update() if hold else _ASK_LEASE).scalar_one_or_none()
    return None if found is None else leases.within_limits(timedelta(seconds=found))


def _keep_lease(transaction: Transaction, lease: timedelta, instead_of: timedelta | None) -> None:
    """Agree on a lease. If two nodes are the first at the same moment, both store it, and one of them has to look
    again."""
    if lease == instead_of:
        return
    value = lease.total_seconds()
    if instead_of is None:
        transaction.execute(insert(settings).values(name="lease", value=value))
    else:
        transaction.execute(update(settings).where(_LEASE).values(value=value))


def living(transaction: Transaction) -> list[Node]:
    """The nodes that no node has declared dead, including late ones."""
    return [from_row(row) for row in transaction.execute(select(nodes).where(nodes.c.state == "alive"))]


def late(instant: datetime) -> ColumnElement[bool]:
    """Those that did not renew within their lease."""
    return nodes.c.seen < instant - leases.FIXED  # whatever its lease: see above


def ahead_of(instant: datetime) -> ColumnElement[bool]:
    """Those that were seen last by a clock that was ahead."""
    lease = func.coalesce(type_coerce(nodes.c.lease, BigInteger), leases.FIXED // MICROSECOND)
    latest = (instant - leases.FIXED - EPOCH) // MICROSECOND + 2 * lease
    return type_coerce(nodes.c.seen, BigInteger) > latest


def declared_dead(transaction: Transaction, node_id: str, instant: datetime) -> bool:
    """Whether that node was declared dead, or may be at any moment."""
    dead = select(nodes.c.id).where(nodes.c.id == node_id, (nodes.c.state != "alive") | late(instant))
    return transaction.execute(dead).first() is not None


def stops(transaction: Transaction, node_id: str) -> tuple[tuple[str, str], ...]:
    """(run, reason) for each run that the node is asked to end."""
    asked = select(runs.c.id, runs.c.stop).where(
        runs.c.state.in_(STARTED), runs.c.node_id == node_id, runs.c.stop.is_not(None)
    )
    return tuple((row.id, row.stop) for row in transaction.execute(asked))


def leave(transaction: Transaction, node_id: str, local: datetime) -> None:
    """Be no node any more. No run of the node is active."""
    instant = database_now(transaction, local)
    mine = (nodes.c.id == node_id) & (nodes.c.state == "alive")
    seen = _ahead(instant, node.lease) if (node := get(transaction, node_id)) else instant
    stopped = transaction.execute(
        update(nodes).where(mine).values(state="stopped", seen=seen, running=0, slots=0, problem=None)
    )
    if stopped.rowcount:
        transaction.have_moved(node_id, "stopped")


def mark_dead(transaction: Transaction, gone: ColumnElement[bool], instant: datetime) -> None:
    """Those of these nodes that are alive are dead from now on; passes over rows that somebody else holds."""
    query = select(nodes).where(nodes.c.state == "alive", gone)
    declared_dead = [from_row(row) for row in transaction.execute(query.with_for_update(skip_locked=True))]
    for node in declared_dead:  # mostly one
        row = to_row(attrs.evolve(node, state="dead", seen=min(node.seen, instant), running=0, slots=0))
        values = {name: row[name] for name in ("state", "seen", "running", "slots")}
        transaction.execute(update(nodes).where(nodes.c.id == node.id).values(values))
        transaction.have_moved(node.id, "dead")


def forget(transaction: Transaction, local: datetime) -> None:
    """Drop nodes that were not seen for a week."""
    instant = database_now(transaction, local)
    transaction.execute(delete(nodes).where(nodes.c.state != "alive", nodes.c.seen < instant - FORGOTTEN))


def every(transaction: Transaction, most: int = 1000) -> list[Node]:
    """The nodes that are known. Those that began last come first."""
    query = select(nodes).order_by(nodes.c.since.desc(), nodes.c.id).limit(most)
    return [from_row(row) for row in transaction.execute(query)]


def living_nodes(transaction: Transaction, last_heard: Sequence[Node], own: str, local: datetime) -> LivingNodes:
    """The nodes that live, as node `own` heard last and as they are stored."""
    return LivingNodes(lambda: every(transaction), lambda: database_now(transaction, local), last_heard, own)


def get(transaction: Transaction, node_id: str) -> Node | None:
    """The node of that id."""
    row = transaction.execute(select(nodes).where(nodes.c.id == node_id)).one_or_none()
    return None if row is None else from_row(row)


def of_older_release(transaction: Transaction) -> list[str]:
    """The names of the living nodes whose release knows schema 0004 at most."""
    older = select(nodes.c.name).where(nodes.c.state == "alive", nodes.c.schema.is_(None)).order_by(nodes.c.name)
    return list(transaction.execute(older).scalars())


def to_row(node: Node) -> dict[str, object]:
    """The columns of `nodes`."""
    seen = _ahead(node.seen, node.lease)
    return attrs.asdict(node, recurse=False) | {"tasks": list(node.tasks), "seen": seen}


def from_row(row: TableRow) -> Node:
    """The record of a row that holds every column of `nodes`."""
    values = dict(row._mapping)
    lease = values["lease"] or leases.FIXED
    seen = values["seen"] - (lease - leases.FIXED)
    return Node(**{**values, "tasks": tuple(values["tasks"]), "lease": lease, "seen": seen})


def _ahead(instant: datetime, lease: timedelta) -> datetime:
    """The value of the column `seen` for a node that was seen at `instant`."""
    return instant + (lease - leases.FIXED)


class Settings(Noun, contract.Settings):
    """The noun of the contract."""

    def agreed(self, name: str, proposed: str) -> Deferred[str]:
        return self._in.write(agreed_setting, name, proposed)


def agreed_setting(transaction: Transaction, name: str, proposed: str) -> str:
    """If two nodes are the first at the same moment, both store it, and one of them has to look again."""
    found: str | None = transaction.execute(select(settings.c.value).where(settings.c.name == name)).scalar()
    if found is None:
        transaction.execute(insert(settings).values(name=name, value=proposed))
    return found or proposed
