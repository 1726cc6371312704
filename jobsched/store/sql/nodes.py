"""Nodes in the store: which nodes live, by the database's clock. Every function runs inside a transaction.

In the row of a node, `seen` is carried ahead by the difference between the node's lease and 10 s. So the rule "a node
whose `seen` is older than 10 s is dead" is true for every lease, even for a daemon of a release that knows no other
lease. `to_row` and `from_row` carry `seen` there and back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import attrs
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    delete,
    func,
    insert,
    select,
    true,
    type_coerce,
    update,
)

from ...model import lease as leases
from ...model.ids import EPOCH, MICROSECOND, Ids
from ...model.membership import Heartbeat, Joined, MembershipSnapshot
from ...model.node import ABSENT, FORGOTTEN, Node
from ...model.run import STARTED, Run
from .. import absence
from ..placement import LivingNodes
from . import outbox, start_counts
from . import runs as run_rows
from .tables import nodes, runs, settings
from .transaction import Query, TableRow, Transaction, database_now

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
        _declare_dead(transaction, nodes.c.id.in_(known), instant)
    return Joined(now=instant, lease=lease)


def beat(transaction: Transaction, heartbeat: Heartbeat, local: datetime) -> MembershipSnapshot:
    """Say that this node is alive, and read which other nodes are, and which runs this node is asked to end."""
    instant = database_now(transaction, local)
    values = attrs.asdict(heartbeat, recurse=False, filter=attrs.filters.exclude("id")) | {
        "tasks": list(heartbeat.tasks)
    }
    mine = (nodes.c.id == heartbeat.id) & (nodes.c.state == "alive")
    seen = _ahead(instant, heartbeat.lease)
    renewed = transaction.execute(update(nodes).where(mine).values(seen=seen, **values)).rowcount == 1
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


def _late(instant: datetime) -> ColumnElement[bool]:
    return nodes.c.seen < instant - leases.FIXED  # whatever its lease: see above


def _ahead_of(instant: datetime) -> ColumnElement[bool]:
    lease = func.coalesce(type_coerce(nodes.c.lease, BigInteger), leases.FIXED // MICROSECOND)
    latest = (instant - leases.FIXED - EPOCH) // MICROSECOND + 2 * lease
    return type_coerce(nodes.c.seen, BigInteger) > latest


def declared_dead(transaction: Transaction, node_id: str, instant: datetime) -> bool:
    """Whether that node was declared dead, or may be at any moment."""
    dead = select(nodes.c.id).where(nodes.c.id == node_id, (nodes.c.state != "alive") | _late(instant))
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
    stopped = transaction.execute(update(nodes).where(mine).values(state="stopped", seen=seen, running=0, slots=0))
    if stopped.rowcount:
        transaction.have_moved(node_id, "stopped")


def declare_dead(
    transaction: Transaction, known: Sequence[str], reason: str, ids: Ids, chance: Callable[[], float], local: datetime,
    *, silent: Sequence[str] | None = None, only: Sequence[str] | None = None,
) -> list[Run]:  # fmt: skip
    """Mark as dead the nodes in `known`, and the nodes that did not renew within the lease. If `silent` is given, only
    those late nodes that are in `silent` too, as the caller itself has found: the database's clock may have been set.

    Runs of nodes that are not alive become lost, and are tried again where their job asks for it. Runs that waited for
    a node that does not come back become missed. Returns both; if `only` is given, only these runs are changed. The
    function waits for nobody, because a heartbeat may wait for it: what another transaction holds is left to the next
    call.
    """
    instant = database_now(transaction, local)
    late = _late(instant)
    if silent is not None:  # or it died while the clock was ahead, which was set back since
        late = (late | _ahead_of(instant)) & nodes.c.id.in_(silent)
    _declare_dead(transaction, nodes.c.id.in_(known) | late, instant)
    some = true() if only is None else runs.c.id.in_(only)
    lost = [run.lost(reason, instant) for run in _taken(transaction, select(runs).where(_orphaned(), some))]
    if lost:
        run_rows.record(transaction, lost, ids, chance)
    return lost + _absent(transaction, instant, some)


def left_alone(transaction: Transaction, local: datetime) -> list[Run]:
    """The runs that `declare_dead` looks at: those of dead nodes, and those that have waited long for one node."""
    waits = _waits_long(database_now(transaction, local))
    return [run_rows.from_row(row) for row in transaction.execute(select(runs).where(_orphaned() | waits))]


def _declare_dead(transaction: Transaction, gone: ColumnElement[bool], instant: datetime) -> None:
    query = select(nodes).where(nodes.c.state == "alive", gone)
    declared_dead = [from_row(row) for row in transaction.execute(query.with_for_update(skip_locked=True))]
    for node in declared_dead:  # mostly one
        row = to_row(attrs.evolve(node, state="dead", seen=min(node.seen, instant), running=0, slots=0))
        values = {name: row[name] for name in ("state", "seen", "running", "slots")}
        transaction.execute(update(nodes).where(nodes.c.id == node.id).values(values))
        transaction.have_moved(node.id, "dead")


def _orphaned() -> ColumnElement[bool]:
    dead = select(nodes.c.id).where(nodes.c.state != "alive")  # a daemon of schema 0001 is no node, and lives
    return runs.c.state.in_(STARTED) & runs.c.node_id.in_(dead)


def _waits_long(instant: datetime) -> ColumnElement[bool]:
    return (runs.c.state == "waiting") & (runs.c.place != "") & (runs.c.due < instant - ABSENT)


def _absent(transaction: Transaction, instant: datetime, some: ColumnElement[bool]) -> list[Run]:
    """Record as missed the runs that wait for one node by its name, if no such node is there, or none can run them any
    more."""
    waiting = _taken(transaction, select(runs).where(_waits_long(instant), some), every=True)
    if not waiting:
        return []
    recent = (nodes.c.state == "alive") | (nodes.c.seen >= instant - ABSENT)
    found = [from_row(row) for row in transaction.execute(select(nodes).where(recent))]
    missed = absence.missed(waiting, found, instant)
    for run in missed:
        transaction.execute(
            update(runs).where(runs.c.id == run.id).values(state=run.state, reason=run.reason, ended=run.ended)
        )
    transaction.have_ended(missed)
    start_counts.give_back(transaction, missed, instant)
    outbox.tell_missed(transaction, missed)
    return missed


def _taken(transaction: Transaction, which: Query, *, every: bool = False) -> list[Run]:
    """The runs that can be held without waiting, with their jobs; they are held now. Lock order: the job's row, then
    its runs. Jobs are held that may have a receiver for notifications; with `every`, all jobs."""
    busy = outbox.busy(transaction, [run_rows.from_row(row) for row in transaction.execute(which)], every=every)
    if busy:
        which = which.where(runs.c.job_id.not_in(busy))
    return [run_rows.from_row(row) for row in transaction.execute(which.with_for_update(skip_locked=True, of=runs))]


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
