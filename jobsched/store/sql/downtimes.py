"""The time in which no daemon ran: what it cost, and the signs of life that tell on SQLite when it began.

A store on SQLite has one daemon. Its signs of life are kept where those of several nodes are, in one row. Every
function runs inside a transaction.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, delete, func, insert, select, update

from ...model.downtime import Downtime, DowntimeCost, downtime_before
from ...model.ids import least
from ...model.node import Node
from . import holds
from . import nodes as node_rows
from .jobs import AWAKE
from .tables import jobs, nodes, runs
from .transaction import Transaction

_GIVE = (
    update(nodes)
    .where(nodes.c.id == bindparam("key"))
    .values(seen=bindparam("new_seen", type_=nodes.c.seen.type), state=bindparam("new_state"))
)


def before(transaction: Transaction, node_id: str) -> Downtime | None:
    """The downtime that ended when that node began. None: another node lived then, or there was no node before."""
    return downtime_before(node_rows.every(transaction), node_id)


def cost(transaction: Transaction, until: datetime) -> DowntimeCost:
    """The cost of a downtime that ended at `until`."""
    missed = (runs.c.state == "missed") & (runs.c.id >= least(until)) & (runs.c.due < until)
    told = transaction.execute(
        select(func.count(runs.c.job_id.distinct()), func.coalesce(func.sum(runs.c.count), 0)).where(missed)
    ).one()
    undecided = select(jobs.c.id).where(jobs.c.next_due < until, AWAKE).limit(1)
    if (left := holds.left_undecided(transaction, until)) is not None:
        undecided = undecided.where(~left)
    return DowntimeCost(jobs=told[0], dues=int(told[1]), whole=transaction.execute(undecided).first() is None)


def begin_signs(transaction: Transaction, node: Node) -> datetime | None:
    """The last sign of life of the nodes before this one; None: there was none. From now on, the signs are those of
    this node."""
    last = transaction.execute(select(func.max(nodes.c.seen, type_=nodes.c.seen.type))).scalar()
    transaction.execute(delete(nodes))
    transaction.execute(insert(nodes).values(node_rows.to_row(node)))
    return last


def give_sign(transaction: Transaction, node_id: str, instant: datetime, state: str = "alive") -> None:
    """The node lives at that instant, or ends at it."""
    transaction.execute(_GIVE, {"key": node_id, "new_seen": instant, "new_state": state})
