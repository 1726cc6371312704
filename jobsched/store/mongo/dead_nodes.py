"""Nodes that others declare dead, and what becomes of their runs. Every function runs inside a transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from ...model.ids import Ids
from ...model.node import ABSENT, Node
from ...model.run import STARTED, Run
from .. import absence, outcomes, start_counts
from . import nodes
from .documents import Document, from_document, instant_to_number
from .ordering import Records
from .outcomes import Records as Outcomes
from .outcomes import tell_missed
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
    lost = [run.lost(reason, instant) for run in _runs(transaction, _orphaned(transaction), only)]
    if lost:
        outcomes.record(Outcomes(transaction), lost, ids, chance)
    return lost + _absent(transaction, instant, only)


def left_alone(transaction: Transaction, local: datetime) -> list[Run]:
    """As `Nodes.left_alone`."""
    waits = _waits_long(transaction.now(local))
    return _runs(transaction, _orphaned(transaction), None) + _runs(transaction, waits, None)


def _absent(transaction: Transaction, instant: datetime, only: Sequence[str] | None) -> list[Run]:
    waiting = _runs(transaction, _waits_long(instant), only)
    missed = absence.missed(waiting, nodes.every(transaction, 0), instant) if waiting else []
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
