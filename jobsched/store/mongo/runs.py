"""Runs, as they are read, and asked to end; `outcomes` writes what came of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import attrs

from ...model.errors import no_run
from ...model.run import ACTIVE, STARTED, Run, Tail
from .documents import Document, from_document, instant_of, instant_to_number, values
from .transaction import Filter, Order, Transaction

MOST_LEFT = 1000
_STARTED = {"$in": list(STARTED)}
GOES_ON: Document = {"state": "lost", "$expr": {"$eq": ["$isolated", "$ended"]}, "isolated": {"$ne": None}}  # as `Run`
_SHOWN = {"parameters": 0}


def get(transaction: Transaction, run_id: str) -> Run:
    """As `Runs.get`."""
    found = transaction.first("runs", {"_id": run_id})
    if found is None:
        raise no_run(run_id)
    return from_document(Run, found)


def some(transaction: Transaction, run_ids: Sequence[str]) -> list[Run]:
    """As `Runs.some`."""
    found = transaction.find("runs", {"_id": {"$in": list(run_ids)}}, fields=_SHOWN)
    return [from_document(Run, each) for each in found]


def left_behind(transaction: Transaction, node_id: str) -> list[Run]:
    """As `Runs.left_behind`."""
    return _all(transaction, {"node_id": {"$nin": [node_id, None]}, "state": _STARTED})


def adopt(transaction: Transaction, run_ids: Sequence[str], node_id: str, previous: Sequence[str] | None) -> list[Run]:
    """As `Runs.adopt`. The nodes are written, so that a burial of one of them, and this, cannot both be."""
    theirs: Filter = {"_id": {"$in": list(run_ids)}, "state": {"$in": [*STARTED, "lost"]}}
    if previous is not None:
        living = {"_id": {"$in": [*previous, node_id]}, "state": "alive"}
        alive = [each["_id"] for each in transaction.find("nodes", living, fields={"_id": 1})]
        if node_id not in alive:
            return []
        transaction.hold_all("nodes", alive)
        theirs = {**theirs, "node_id": {"$in": [*previous, node_id]}}
    found = [
        run
        for run in _all(transaction, theirs, [("_id", 1)])
        if run.goes_on
        or (run.state in STARTED and (previous is None or run.node_id in alive or run.on_isolation == "keep"))
    ]
    adopted = [run.heard_of_again(node_id) for run in found]
    for run in adopted:
        said = {name: values(run)[name] for name in ("node_id", "state", "reason", "ended")}
        transaction.update("runs", {"_id": run.id}, said)
    transaction.have_changed([after for before, after in zip(found, adopted, strict=True) if before.goes_on])
    return adopted


def left_here(transaction: Transaction, previous: Sequence[str], name: str) -> list[Run]:
    """As `Runs.left_here`."""
    newest = [("_id", -1)]
    if previous:
        own: Filter = {"node_id": {"$in": list(previous)}, "state": {"$in": [*STARTED, "lost"]}}
        return _all(transaction, own, newest, MOST_LEFT)
    known = [each["_id"] for each in transaction.find("nodes", {}, fields={"_id": 1})]
    return _all(transaction, {"node": name, "state": _STARTED, "node_id": {"$nin": [*known, None]}}, newest, MOST_LEFT)


def started_by(transaction: Transaction, node_id: str) -> list[Run]:
    """As `Claims.started_by`."""
    return _all(transaction, {"node_id": node_id, "state": _STARTED}, [("_id", 1)])


def waiting(transaction: Transaction, now: datetime) -> tuple[bool, datetime | None]:
    """As `Claims.waiting`."""
    later = {"state": "waiting", "not_before": {"$gt": instant_to_number(now)}}
    soonest = transaction.first("runs", later, [("not_before", 1)])
    if soonest is not None:
        return True, instant_of(soonest["not_before"])
    return transaction.first("runs", {"state": "waiting"}) is not None, None


def any_waiting(transaction: Transaction) -> bool:
    """Whether any run waits."""
    return transaction.first("runs", {"state": "waiting"}) is not None


def active_of(transaction: Transaction, job_ids: Sequence[str]) -> list[Run]:
    """The runs of these jobs that have no outcome yet."""
    return _all(transaction, {"job_id": {"$in": list(job_ids)}, "state": {"$in": list(ACTIVE)}}, [("_id", 1)])


def ripe_of(transaction: Transaction, job_ids: Sequence[str], now: datetime) -> list[Run]:
    """The active runs of these jobs, without retries whose time has not come."""
    active = active_of(transaction, job_ids)
    return [run for run in active if run.state != "waiting" or run.not_before is None or run.not_before <= now]


def ask_to_end(transaction: Transaction, wanted: Iterable[Run], reason: str, asker: str) -> list[Run]:
    """Tell the nodes that execute these runs to end them. `asker` is a node that knows of it already.

    The runs come back with the reason for which they end, `stop`: the reason that was given first stays.
    """
    asked = list(wanted)
    if not asked:
        return []
    these = {"_id": {"$in": [run.id for run in asked]}}
    transaction.update("runs", {**these, "state": _STARTED, "stop": None}, {"stop": reason})
    transaction.have_changed([attrs.evolve(run, state="stopping") for run in asked if run.stop is None])
    if any(run.node_id != asker for run in asked):
        transaction.wake(asker)
    stops = {each["_id"]: each["stop"] for each in transaction.find("runs", these, fields={"stop": 1})}
    return [attrs.evolve(run, stop=stops.get(run.id)) for run in asked]


def stops(transaction: Transaction, node_id: str) -> tuple[tuple[str, str], ...]:
    """As `Runs.stops`."""
    found = transaction.find(
        "runs", {"node_id": node_id, "state": _STARTED, "stop": {"$ne": None}}, [("_id", 1)], fields={"stop": 1}
    )
    return tuple((each["_id"], each["stop"]) for each in found)


def tail(transaction: Transaction, run_id: str) -> Tail | None:
    """As `Runs.tail`."""
    found = transaction.first("tails", {"_id": run_id})
    return None if found is None else Tail(run_id=run_id, start=found["start"], data=bytes(found["data"]))


def save_tails(transaction: Transaction, new: Iterable[Tail]) -> None:
    """Keep the tails of runs, in place of older ones. No tail is kept of a run that was forgotten: the run is held."""
    for each in new:
        if transaction.hold_known("runs", each.run_id):
            transaction.delete("tails", {"_id": each.run_id})
            transaction.insert("tails", [_tail(each)])


def _tail(tail: Tail) -> Document:
    return {"_id": tail.run_id, "start": tail.start, "data": tail.data}


def _all(transaction: Transaction, which: Filter, order: Order | None = None, most: int = 0) -> list[Run]:
    return [from_document(Run, each) for each in transaction.find("runs", which, order, most)]
