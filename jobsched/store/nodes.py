"""Nodes in the store: who is alive, by the database's clock. Runs inside its connection's transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs
from sqlalchemy import Connection, Row, delete, insert, select, update

from ..model.ids import Ids
from ..model.node import LEASE, Node
from ..model.run import STARTED, Run
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
    silent: bool  # some node is to be buried
    stops: tuple[tuple[str, str], ...]  # (run, reason): what this node is asked to end


def join(
    connection: Connection, node: Node, known: Sequence[str], reason: str, ids: Ids, chance: Callable[[], float]
) -> datetime:
    """Be a node from now on, which is returned; those `known` to be dead are buried with it."""
    instant = database_now(connection, node.since)
    row = attrs.asdict(attrs.evolve(node, since=instant, seen=instant), recurse=False)
    connection.execute(insert(nodes).values(row | {"tasks": list(node.tasks)}))
    if known:
        bury(connection, known, reason, ids, chance, node.since, only=True)
    return instant


def beat(connection: Connection, pulse: Pulse, local: datetime) -> Roll:
    """Say that this node is alive; hear who else is, and what it is asked to end."""
    instant = database_now(connection, local)
    values = attrs.asdict(pulse, recurse=False, filter=attrs.filters.exclude("id")) | {"tasks": list(pulse.tasks)}
    mine = (nodes.c.id == pulse.id) & (nodes.c.state == "alive")
    renewed = connection.execute(update(nodes).where(mine).values(seen=instant, **values)).rowcount == 1
    living = [from_row(row) for row in connection.execute(select(nodes).where(nodes.c.state == "alive"))]
    alive = tuple(node for node in living if node.seen >= instant - LEASE)
    return Roll(
        now=instant,
        renewed=renewed,
        alive=tuple(sorted(alive, key=lambda node: node.id)),
        silent=len(alive) < len(living),
        stops=stops(connection, pulse.id),
    )


def buried(connection: Connection, node_id: str) -> bool:
    """Whether somebody has declared that node dead."""
    dead = select(nodes.c.id).where(nodes.c.id == node_id, nodes.c.state != "alive")
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
    *, only: bool = False,
) -> list[Run]:  # fmt: skip
    """Declare nodes dead that did not renew within the lease (not if `only`), and those of which it is `known`.

    Runs of nodes that are no more become lost, and are tried again where their job asks for it; those that waited
    for a node that does not come back become missed. Returns both. Two that bury at the same time do not wait for
    each other.
    """
    instant = database_now(connection, local)
    gone = nodes.c.id.in_(known)
    query = select(nodes.c.id).where(
        nodes.c.state == "alive", gone if only else gone | (nodes.c.seen < instant - LEASE)
    )
    buried = list(connection.execute(query.with_for_update(skip_locked=True)).scalars())
    if buried:
        connection.execute(update(nodes).where(nodes.c.id.in_(buried)).values(state="dead", running=0, slots=0))
    dead = select(nodes.c.id).where(nodes.c.state != "alive")  # a daemon of schema 0001 is no node, and lives
    whose = runs.c.node_id.in_(known) if only else runs.c.node_id.in_(dead)
    orphans = select(runs).where(runs.c.state.in_(STARTED), whose)
    lost = [
        attrs.evolve(run_rows.from_row(row), state="lost", reason=reason, ended=instant)
        for row in connection.execute(orphans.with_for_update(skip_locked=True, of=runs))
    ]
    if lost:
        run_rows.record(connection, lost, ids, chance)
    return lost + _absent(connection, instant)


def _absent(connection: Connection, instant: datetime) -> list[Run]:
    """Runs that wait for one node by its name, and it is not there."""
    names = select(nodes.c.name).where((nodes.c.state == "alive") | (nodes.c.seen >= instant - ABSENT))
    waits = (runs.c.state == "waiting") & (runs.c.place != "") & (runs.c.due < instant - ABSENT)
    query = select(runs).where(waits, runs.c.place.not_in(names)).with_for_update(skip_locked=True, of=runs)
    missed = [
        attrs.evolve(
            run_rows.from_row(row),
            state="missed",
            reason=f"node {row.place} was gone before it could start",
            ended=instant,
        )
        for row in connection.execute(query)
    ]
    for run in missed:
        connection.execute(
            update(runs).where(runs.c.id == run.id).values(state=run.state, reason=run.reason, ended=run.ended)
        )
    return missed


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
