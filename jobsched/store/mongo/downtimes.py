"""What a time without daemons cost."""

from __future__ import annotations

from datetime import datetime

from ...model.downtime import Downtime, DowntimeCost
from ...model.ids import least
from .. import absence
from . import jobs, nodes
from .documents import instant_to_number
from .transaction import Transaction


def before(transaction: Transaction, node_id: str) -> Downtime | None:
    """As `Downtimes.before`."""
    return absence.before(nodes.every(transaction), node_id)


def cost(transaction: Transaction, until: datetime) -> DowntimeCost:
    """As `Downtimes.cost`."""
    missed = {"state": "missed", "_id": {"$gte": least(until)}, "due": {"$lt": instant_to_number(until)}}
    found = transaction.find("runs", missed, fields={"job_id": 1, "count": 1})
    undecided = jobs.due_before(transaction, until, 1, None)
    return DowntimeCost(
        jobs=len({each["job_id"] for each in found}), dues=sum(each["count"] for each in found), whole=not undecided
    )
