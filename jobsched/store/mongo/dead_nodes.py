"""Nodes that others declare dead, what becomes of their runs, and what a time without living nodes cost. Every
function runs inside a transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from ...model import downtime
from ...model.downtime import Downtime, DowntimeCost
from ...model.ids import Ids, least
from ...model.node import ABSENT, Node
from ...model.run import STARTED, Run
from .. import outcomes, start_counts
from ..placement import lost_with_its_node, missed_for_absence
from . import jobs, nodes
from .documents import Document, from_document, instant_to_number
from .ordering import Records
from .outcomes import Records as Outcomes
from .outcomes import tell_missed
from .runs import GOES_ON
from .transaction import Transaction


def declare_dead(
    transaction: Transaction, known: Sequence[str], silent: Sequence[str] | None, reason: str, ids: Ids,
    chance: Callable[[], float], local: datetime, only: Sequence[str] | None,
) -> list[Run]:  # fmt: skip
    """As `Nodes.declare_dead`. Who holds a job or a run meanwhile undoes this, and it is made again."""
    instant = transaction.now(local)

    def gone(node: Node) -> bool:
        if node.id in known:
            return True
        late = node.late(instant) if silent is None else node.late(instant) or node.ahead(instant)
        return late and (silent is None or node.id in silent)

    nodes.declare_dead(transaction, [node for node in nodes.living(transaction) if gone(node)], instant)
    left = _runs(transaction, _orphaned(transaction), only)
    left += _runs(transaction, {**GOES_ON, "node_id": {"$in": list(known)}}, only) if known else []
    lost = [lost_with_its_node(run, known, reason, instant) for run in left]
    if lost:
        outcomes.record(Outcomes(transaction), lost, ids, chance)
    return lost + _absent(transaction, instant, only)


def left_alone(transaction: Transaction, local: datetime) -> list[Run]:
    """As `Nodes.left_alone`."""
    waits = _waits_long(transaction.now(local))
    return _runs(transaction, _orphaned(transaction), None) + _runs(transaction, waits, None)


def downtime_before(transaction: Transaction, node_id: str) -> Downtime | None:
    """As `Downtimes.before`."""
    return downtime.downtime_before(nodes.every(transaction), node_id)


def downtime_cost(transaction: Transaction, until: datetime) -> DowntimeCost:
    """As `Downtimes.cost`."""
    missed = {"state": "missed", "_id": {"$gte": least(until)}, "due": {"$lt": instant_to_number(until)}}
    found = transaction.find("runs", missed, fields={"job_id": 1, "count": 1})
    undecided = jobs.due_before(transaction, until, 1, None)
    return DowntimeCost(
        jobs=len({each["job_id"] for each in found}), dues=sum(each["count"] for each in found), whole=not undecided
    )


def _absent(transaction: Transaction, instant: datetime, only: Sequence[str] | None) -> list[Run]:
    waiting = _runs(transaction, _waits_long(instant), only)
    missed = missed_for_absence(waiting, nodes.every(transaction, 0), instant) if waiting else []
    if missed:
        transaction.hold_all("jobs", sorted({run.job_id for run in missed}))
        said = [(run.id, {"state": run.state, "reason": run.reason}) for run in missed]
        ended = {"ended": instant_to_number(instant)}
        transaction.update_each("runs", (({"_id": run_id}, each | ended) for run_id, each in said))
        transaction.have_ended(missed)
        start_counts.give_back(Records(transaction), missed, instant)
        tell_missed(transaction, missed)
    return missed


def _orphaned(transaction: Transaction) -> Document:
    dead = [each["_id"] for each in transaction.find("nodes", {"state": {"$ne": "alive"}}, fields={"_id": 1})]
    return {"state": {"$in": list(STARTED)}, "node_id": {"$in": dead}}


def _waits_long(instant: datetime) -> Document:
    return {"state": "waiting", "place": {"$ne": ""}, "due": {"$lt": instant_to_number(instant - ABSENT)}}


def _runs(transaction: Transaction, which: Document, only: Sequence[str] | None) -> list[Run]:
    some = which if only is None else which | {"_id": {"$in": list(only)}}
    return [from_document(Run, each) for each in transaction.find("runs", some, [("_id", 1)])]
