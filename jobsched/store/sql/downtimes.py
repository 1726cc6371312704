"""What the time cost in which no daemon ran. Every function runs inside a transaction."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select

from ...model.downtime import Downtime, DowntimeCost, without_nodes
from ...model.ids import least
from . import nodes as node_rows
from .jobs import AWAKE
from .tables import jobs, runs
from .transaction import Transaction


def before(transaction: Transaction, node_id: str) -> Downtime | None:
    """The time without any node that ended when that one began; None: some other lived, or there was none before."""
    known = node_rows.every(transaction)
    began = next((node.since for node in known if node.id == node_id), None)
    if began is None:
        return None
    return without_nodes(known, [node for node in known if node.id == node_id or node.since > began])


def cost(transaction: Transaction, until: datetime) -> DowntimeCost:
    """Of a time without daemons that ended at `until`."""
    missed = (runs.c.state == "missed") & (runs.c.id >= least(until)) & (runs.c.due < until)
    told = transaction.execute(
        select(func.count(runs.c.job_id.distinct()), func.coalesce(func.sum(runs.c.count), 0)).where(missed)
    ).one()
    undecided = select(jobs.c.id).where(jobs.c.next_due < until, AWAKE).limit(1)
    return DowntimeCost(jobs=told[0], dues=int(told[1]), whole=transaction.execute(undecided).first() is None)
