"""Forgetting old runs, in small batches, never one that is active; and whose turn it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from ...model.ids import BACK, least
from ...model.job import Job
from ...model.run import ENDED, NEVER_RAN, Run
from .. import retention_turns
from ..contract.retention import RetentionPass
from . import jobs
from .documents import Document, from_document, instant_to_number
from .transaction import Filter, Transaction

KEY_LIFE: Final = timedelta(hours=24)
SHARE: Final = 500  # deleted jobs that are forgotten at once
LOOKED_AT: Final = 5000  # deleted jobs, each time that some are forgotten
_TURN: Final = "retention"
_NOTHING_RAN: Final[Document] = {"$or": [{"state": {"$in": list(NEVER_RAN)}}, {"state": "cancelled", "started": None}]}
_RAN: Final[Document] = {
    "state": {"$nin": list(NEVER_RAN)},
    "$or": [{"state": {"$ne": "cancelled"}}, {"started": {"$ne": None}}],
}


def take_turn(transaction: Transaction, local: datetime, keep: int, every: timedelta) -> RetentionPass | None:
    """As `Retention.take_turn`."""
    value: Any = transaction.hold("settings", _TURN).get("value")  # a StoredTurn, or None
    taken = retention_turns.take(value, transaction.now(local), keep, every)
    if taken is None:
        return None
    transaction.update("settings", {"_id": _TURN}, {"value": dict(taken[0])})
    return taken[1]


def end_turn(transaction: Transaction, this_pass: RetentionPass, keep: int) -> None:
    """As `Retention.end_turn`."""
    transaction.update("settings", {"_id": _TURN}, {"value": dict(retention_turns.end(this_pass, keep))})


def new_runs(transaction: Transaction, since: datetime) -> dict[str, int]:
    """As `Retention.new_runs`."""
    return _by_job(transaction, {"_id": {"$gte": least(since)}})


def counts(transaction: Transaction, job_ids: Sequence[str]) -> dict[str, int]:
    """As `Retention.counts`."""
    return _by_job(transaction, {"job_id": {"$in": list(job_ids)}})


def larger(transaction: Transaction, job_ids: Sequence[str]) -> dict[str, int]:
    """As `Retention.larger`."""
    its = {"job_id": {"$in": list(job_ids)}}
    every, nothing = _by_job(transaction, its), _by_job(transaction, its | _NOTHING_RAN)
    return {job_id: max(nothing.get(job_id, 0), every[job_id] - nothing.get(job_id, 0)) for job_id in every}


def crowded(transaction: Transaction, most: int) -> list[str]:
    """As `Retention.crowded`."""
    found = [job_id for job_id, count in _by_job(transaction, {}).items() if count > most]
    return [job_id for job_id, count in larger(transaction, found).items() if count > most]


def _by_job(transaction: Transaction, which: Filter) -> dict[str, int]:
    return dict(Counter(each["job_id"] for each in transaction.find("runs", which, fields={"job_id": 1})))


def forget_before(transaction: Transaction, before: datetime, most: int) -> list[str]:
    """As `Retention.forget_runs_before`."""
    return [run.id for run in _forget(transaction, {"_id": {"$lt": least(before)}}, most)]


def forget_beyond(
    transaction: Transaction, job_id: str, keep: int, most: int, ran: bool, now: datetime
) -> list[str]:  # fmt: skip
    """As `Retention.forget_runs_beyond`."""
    which = {"job_id": job_id, "_id": {"$lt": least(now + BACK)}} | (_RAN if ran else _NOTHING_RAN)
    newest = transaction.find("runs", which, [("_id", -1)], keep + 1, {"_id": 1})
    if len(newest) <= keep:
        return []
    gone = _forget(transaction, which | {"_id": {"$lte": newest[-1]["_id"]}}, most)
    if gone:
        edge = instant_to_number(max(run.until or run.due for run in gone))
        earlier = [{"forgotten": None}, {"forgotten": {"$lt": edge}}]
        transaction.update("jobs", {"_id": job_id, "$or": earlier}, {"forgotten": edge})
    return [run.id for run in gone]


def _forget(transaction: Transaction, which: Filter, most: int) -> list[Run]:
    """Runs that have ended, oldest first, with what is kept of each."""
    ended = {**which, "$and": [{"state": {"$in": sorted(ENDED)}}]}
    gone = [from_document(Run, each) for each in transaction.find("runs", ended, [("_id", 1)], most, {"parameters": 0})]
    ids = {"$in": [run.id for run in gone]}
    if gone:
        transaction.delete("tails", {"_id": ids})
        transaction.delete("deliveries", {"run_id": ids, "state": {"$ne": "waiting"}})
        _remember(transaction, gone)
        transaction.delete("runs", {"_id": ids})
    return gone


def _remember(transaction: Transaction, gone: Sequence[Run]) -> None:
    """For jobs with `must_succeed_every`, keep the instant of the last success among these runs."""
    latest: dict[str, datetime] = {}
    for run in gone:
        if run.state == "succeeded" and run.ended is not None:
            latest[run.job_id] = max(run.ended, latest.get(run.job_id, run.ended))
    asking: dict[str, Job] = jobs.some(transaction, latest, must_succeed_every={"$ne": None}) if latest else {}
    for job_id in sorted(asking):
        number = instant_to_number(latest[job_id])
        older = [{"succeeded": None}, {"succeeded": {"$lt": number}}]
        transaction.update("jobs", {"_id": job_id, "$or": older}, {"succeeded": number})


def forget_keys(transaction: Transaction, now: datetime) -> None:
    """As `Retention.forget_keys`."""
    before = instant_to_number(now - KEY_LIFE)
    transaction.delete("keys", {"created": {"$lt": before}})
    old = transaction.find("former_jobs", {"deleted": {"$lt": before}}, [("deleted", 1)], LOOKED_AT, {"_id": 1})
    free = (each["_id"] for each in old if transaction.first("runs", {"job_id": each["_id"]}) is None)
    gone = [job_id for job_id, _ in zip(free, range(SHARE), strict=False)]
    transaction.delete("former_jobs", {"_id": {"$in": gone}, "deleted": {"$lt": before}})


def unknown(transaction: Transaction, run_ids: Sequence[str]) -> list[str]:
    """As `Retention.unknown`."""
    found = transaction.find("runs", {"_id": {"$in": list(run_ids)}}, fields={"_id": 1})
    known = {each["_id"] for each in found}
    return [run_id for run_id in run_ids if run_id not in known]
