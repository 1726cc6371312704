"""Nodes in the store: who is alive, by the database's clock. Runs inside its connection's transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs
from sqlalchemy import Connection, Row, Select, delete, insert, select, update

from ..model.ids import Ids
from ..model.node import LEASE, Node
from ..model.run import STARTED, Run
from . import outbox, outcomes
from . import runs as run_rows
from .instant import now as database_now
from .tables import nodes, runs

ABSENT = timedelta(seconds=30)  # a run that only one node may start waits so long for it to come back
FORGOTTEN = timedelta(days=7)  # a node that was not seen for so long is not known any more


@attrs.frozen(kw_only=True)
class Pulse:
    """What a node says of itself at each heartbeat."""

    id: str
    tasks: Sequence[str]
    running: int
    slots: int
    tried: int
    won: int


@attrs.frozen(kw_only=True)
class Roll:
    """What a heartbeat brings back, all by the database's clock."""

    now: datetime
    renewed: bool  # false: this node was taken for dead, and its runs with it
    alive: tuple[Node, ...]  # that renewed within the lease
    late: tuple[Node, ...]  # that did not, or not by this clock, and are not buried yet
    stops: tuple[tuple[str, str], ...]  # (run, reason): what this node is asked to end


def join(
    connection: Connection, node: Node, known: Sequence[str], reason: str, ids: Ids, chance: Callable[[], float]
) -> datetime:
    """Be a node from now on, which is returned; those `known` to be dead are buried with it."""
    instant = database_now(connection, node.since)
    row = attrs.asdict(attrs.evolve(node, since=instant, seen=instant), recurse=False)
    connection.execute(insert(nodes).values(row | {"tasks": list(node.tasks)}))
    if known:
        bury(connection, known, reason, ids, chance, node.since, silent=[])
    return instant


def beat(connection: Connection, pulse: Pulse, local: datetime) -> Roll:
    """Say that this node is alive; hear who else is, and what it is asked to end."""
    instant = database_now(connection, local)
    values = attrs.asdict(pulse, recurse=False, filter=attrs.filters.exclude("id")) | {"tasks": list(pulse.tasks)}
    mine = (nodes.c.id == pulse.id) & (nodes.c.state == "alive")
    renewed = connection.execute(update(nodes).where(mine).values(seen=instant, **values)).rowcount == 1
    living = [from_row(row) for row in connection.execute(select(nodes).where(nodes.c.state == "alive"))]
    alive = [node for node in living if node.seen >= instant - LEASE]
    return Roll(
        now=instant,
        renewed=renewed,
        alive=tuple(sorted(alive, key=lambda node: node.id)),
        late=tuple(node for node in living if not instant - LEASE <= node.seen <= instant + LEASE),
        stops=stops(connection, pulse.id),
    )


def buried(connection: Connection, node_id: str, instant: datetime) -> bool:
    """Whether somebody has declared that node dead, or may at any moment."""
    late = nodes.c.seen < instant - LEASE
    dead = select(nodes.c.id).where(nodes.c.id == node_id, (nodes.c.state != "alive") | late)
    return connection.execute(dead).first() is not None


def stops(connection: Connection, node_id: str) -> tuple[tuple[str, str], ...]:
    """The runs that a node is asked to end, and why."""
    asked = select(runs.c.id, runs.c.stop).where(
        runs.c.state.in_(STARTED), runs.c.node_id == node_id, runs.c.stop.is_not(None)
    )
    return tuple((row.id, row.stop) for row in connection.execute(asked))


def leave(connection: Connection, node_id: str, local: datetime) -> None:
    """Be no node any more; nothing of it runs."""
    instant = database_now(connection, local)
    mine = (nodes.c.id == node_id) & (nodes.c.state == "alive")
    connection.execute(update(nodes).where(mine).values(state="stopped", seen=instant, running=0, slots=0))


def bury(
    connection: Connection, known: Sequence[str], reason: str, ids: Ids, chance: Callable[[], float], local: datetime,
    *, silent: Sequence[str] | None = None,
) -> list[Run]:  # fmt: skip
    """Declare nodes dead of which it is `known`, and those that did not renew within the lease; of these, only the
    ones that the caller has found `silent` itself, if given: the database's clock may have been set.

    Runs of nodes that are no more become lost, and are tried again where their job asks for it; those that waited
    for a node that does not come back become missed. Returns both. Waits for nobody, for a heartbeat may wait for it:
    what another transaction has in hand is left to the next burial.
    """
    instant = database_now(connection, local)
    late = nodes.c.seen < instant - LEASE
    if silent is not None:  # or it died while the clock was ahead, which was set back since
        late = (late | (nodes.c.seen > instant + LEASE)) & nodes.c.id.in_(silent)
    gone = nodes.c.id.in_(known) | late
    query = select(nodes.c.id).where(nodes.c.state == "alive", gone)
    buried = list(connection.execute(query.with_for_update(skip_locked=True)).scalars())
    if buried:
        over = nodes.c.id.in_(buried)
        connection.execute(update(nodes).where(over).values(state="dead", running=0, slots=0))
        connection.execute(update(nodes).where(over, nodes.c.seen > instant).values(seen=instant))
    dead = select(nodes.c.id).where(nodes.c.state != "alive")  # a daemon of schema 0001 is no node, and lives
    orphans = select(runs).where(runs.c.state.in_(STARTED), runs.c.node_id.in_(dead))
    lost = [run.lost(reason, instant) for run in _taken(connection, orphans)]
    if lost:
        run_rows.record(connection, lost, ids, chance)
    return lost + _absent(connection, instant)


def _absent(connection: Connection, instant: datetime) -> list[Run]:
    """Runs that wait for one node by its name, and it is not there, or can run them no more."""
    waits = (runs.c.state == "waiting") & (runs.c.place != "") & (runs.c.due < instant - ABSENT)
    waiting = _taken(connection, select(runs).where(waits))
    if not waiting:
        return []
    recent = (nodes.c.state == "alive") | (nodes.c.seen >= instant - ABSENT)
    there = [from_row(row) for row in connection.execute(select(nodes).where(recent))]
    missed = [
        attrs.evolve(run, state="missed", reason=f"node {run.place} was gone before it could start", ended=instant)
        for run in waiting
        if not any(node.name == run.place and node.can(run.task, run.require) for node in there)
    ]
    for run in missed:
        connection.execute(
            update(runs).where(runs.c.id == run.id).values(state=run.state, reason=run.reason, ended=run.ended)
        )
    outcomes.tell(connection, missed)
    outbox.tell_missed(connection, missed)
    return missed


def _taken(connection: Connection, which: Select[Any]) -> list[Run]:
    """Those of the runs, and of their jobs, that nobody else has in hand, held: the jobs first, as everybody does."""
    busy = outbox.busy(connection, [run_rows.from_row(row) for row in connection.execute(which)])
    if busy:
        which = which.where(runs.c.job_id.not_in(busy))
    return [run_rows.from_row(row) for row in connection.execute(which.with_for_update(skip_locked=True, of=runs))]


def forget(connection: Connection, local: datetime) -> None:
    """Drop nodes that were not seen for a week."""
    instant = database_now(connection, local)
    connection.execute(delete(nodes).where(nodes.c.state != "alive", nodes.c.seen < instant - FORGOTTEN))


def every(connection: Connection, most: int = 1000) -> list[Node]:
    """The nodes that are known, those that began last first."""
    query = select(nodes).order_by(nodes.c.since.desc(), nodes.c.id).limit(most)
    return [from_row(row) for row in connection.execute(query)]


def get(connection: Connection, node_id: str) -> Node | None:
    """The node of that id."""
    row = connection.execute(select(nodes).where(nodes.c.id == node_id)).one_or_none()
    return None if row is None else from_row(row)


def from_row(row: Row[Any]) -> Node:
    """The record of a row that holds every column of `nodes`."""
    values = dict(row._mapping)
    return Node(**{**values, "tasks": tuple(values["tasks"])})
