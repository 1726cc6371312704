"""Nodes that others declare dead, and what becomes of their runs. Every function runs inside a transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, select, true, update

from ...model.ids import Ids
from ...model.node import ABSENT
from ...model.run import STARTED, Run
from ..placement import lost_with_its_node, missed_for_absence
from . import nodes as node_rows
from . import outbox, start_counts
from . import runs as run_rows
from .tables import nodes, runs
from .transaction import Query, Transaction, database_now


def declare_dead(
    transaction: Transaction, known: Sequence[str], reason: str, ids: Ids, chance: Callable[[], float], local: datetime,
    *, silent: Sequence[str] | None = None, only: Sequence[str] | None = None,
) -> list[Run]:  # fmt: skip
    """Mark as dead the nodes in `known`, and the nodes that did not renew within the lease. If `silent` is given, only
    those late nodes that are in `silent` too, as the caller itself has found: the database's clock may have been set.

    Runs of nodes that are not alive become lost, and are tried again where their job asks for it; those that may go
    on there, as `lost_with_its_node` has it. Runs that waited for a node that does not come back become missed.
    Returns both; if `only` is given, only these runs are changed. The function waits for nobody, because a heartbeat
    may wait for it: what another transaction holds is left to the next call.
    """
    instant = database_now(transaction, local)
    late = node_rows.late(instant)
    if silent is not None:  # or it died while the clock was ahead, which was set back since
        late = (late | node_rows.ahead_of(instant)) & nodes.c.id.in_(silent)
    node_rows.mark_dead(transaction, nodes.c.id.in_(known) | late, instant)
    some = true() if only is None else runs.c.id.in_(only)
    left = _taken(transaction, select(runs).where(_orphaned(known), some))
    lost = [lost_with_its_node(run, known, reason, instant) for run in left]
    if lost:
        run_rows.record(transaction, lost, ids, chance)
    return lost + _absent(transaction, instant, some)


def left_alone(transaction: Transaction, local: datetime) -> list[Run]:
    """The runs that `declare_dead` looks at: those of dead nodes, and those that have waited long for one node."""
    waits = _waits_long(database_now(transaction, local))
    return [run_rows.from_row(row) for row in transaction.execute(select(runs).where(_orphaned() | waits))]


def _orphaned(known: Sequence[str] = ()) -> ColumnElement[bool]:
    dead = select(nodes.c.id).where(nodes.c.state != "alive")  # a daemon of schema 0001 is no node, and lives
    theirs = runs.c.state.in_(STARTED) & runs.c.node_id.in_(dead)
    return theirs | (run_rows.GOES_ON & runs.c.node_id.in_(known)) if known else theirs


def _waits_long(instant: datetime) -> ColumnElement[bool]:
    return (runs.c.state == "waiting") & (runs.c.place != "") & (runs.c.due < instant - ABSENT)


def _absent(transaction: Transaction, instant: datetime, some: ColumnElement[bool]) -> list[Run]:
    """Record as missed the runs that wait for one node by its name, if no such node is there, or none can run them any
    more."""
    waiting = _taken(transaction, select(runs).where(_waits_long(instant), some), every=True)
    if not waiting:
        return []
    recent = (nodes.c.state == "alive") | (nodes.c.seen >= instant - ABSENT)
    found = [node_rows.from_row(row) for row in transaction.execute(select(nodes).where(recent))]
    missed = missed_for_absence(waiting, found, instant)
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
