"""How jobs stand that may be overdue or have recovered: see `store.overdue_changes`. Each job that is watched is looked
at by itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ...model.delivery import News
from ...model.job import Job
from ...model.overdue import SKEW, Late, Overdue, OverdueChange, overdue
from ...model.run import ENDED, NEVER_RAN, STARTED, Run
from .. import news as store_news
from .. import overdue_changes
from ..overdue_changes import Standing
from . import jobs
from .documents import Document, from_document, instant_of, instant_to_number, plain, up_to
from .outbox import Records as Outbox
from .transaction import Transaction

WERE_STARTED: Final = [state for state in (*STARTED, *sorted(ENDED)) if state not in NEVER_RAN]


def watched(transaction: Transaction, most: int, local: datetime) -> list[str]:
    """As `Overdue.watched`."""
    instant = transaction.now(local)
    became: list[str] = []
    ended: list[str] = []
    asked = {"$or": [{"watched": {"$ne": None}}, {"overdue": {"$ne": None}}]}
    for document in transaction.find("jobs", asked, [("_id", 1)]):
        standing = _standing(transaction, document, instant)
        is_over = overdue(standing.job, overdue_changes.facts(standing, instant)) is not None
        if is_over != (standing.job.overdue is not None):
            (became if is_over else ended).append(standing.job.id)
    return became[:most] + ended[:most]


def recovered(transaction: Transaction, most: int, local: datetime) -> list[str]:
    """As `Overdue.recovered`."""
    instant = transaction.now(local)
    failing = transaction.find("jobs", {"failing": {"$ne": None}}, [("failing", 1), ("_id", 1)])
    return [each["_id"] for each in failing if _mender(transaction, each, instant) is not None][:most]


def settle(transaction: Transaction, job_ids: Sequence[str], local: datetime) -> list[OverdueChange]:
    """As `overdue_changes.settle`."""
    instant = transaction.now(local)
    found = transaction.find("jobs", {"_id": {"$in": list(job_ids)}}, [("_id", 1)])
    standings = [_standing(transaction, each, instant) for each in found]
    return overdue_changes.settle(_Records(transaction), standings, instant)


def was_started_since(transaction: Transaction, job_id: str, since: datetime, instant: datetime) -> bool:
    """Whether a run of the job was started since then."""
    began = {"$gte": instant_to_number(since), **up_to(instant + SKEW)}
    its = {"job_id": job_id, "state": {"$in": WERE_STARTED}, "started": began}
    return transaction.first("runs", its) is not None


class _Records(overdue_changes.Records):
    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction
        self.telling = transaction

    def become(self, job: Job, verdict: Overdue) -> bool:
        same = {"_id": job.id, "version": job.version, "overdue": None}
        values = {"overdue": plain(verdict.since), "overdue_reason": verdict.reason}
        return self._in.update("jobs", same, values) == 1

    def recover(self, standing: Standing, *, over: bool, mends: bool) -> bool:
        job = standing.job
        same = {"_id": job.id, "overdue": plain(job.overdue), "failing": plain(standing.failing)}
        values = ({"overdue": None, "overdue_reason": None} if over else {}) | ({"failing": None} if mends else {})
        return self._in.update("jobs", same, values) == 1

    def tell_all(self, news: Sequence[News]) -> None:
        store_news.tell_all(Outbox(self._in), news)


def _standing(transaction: Transaction, document: Document, instant: datetime) -> Standing:
    job, failing, forgotten = jobs.from_document(document), document.get("failing"), document.get("succeeded")
    return Standing(
        job=job,
        failing=None if failing is None else instant_of(failing),
        forgotten=None if forgotten is None else instant_of(forgotten),
        success=_succeeded(transaction, job.id, instant),
        mender=_mender(transaction, document, instant),
        starter=_starter(transaction, job, instant),
        waiting=_waiting(transaction, job),
        missed=_missed(transaction, job, instant),
    )


def _succeeded(transaction: Transaction, job_id: str, instant: datetime, since: int | None = None) -> Run | None:
    """The run that succeeded last; `since`: of those that were started since then."""
    its: Document = {"job_id": job_id, "state": "succeeded", "ended": up_to(instant + SKEW)}
    if since is not None:
        its["started"] = {"$gte": since}
        its["ended"]["$gte"] = since
    found = transaction.first("runs", its, [("ended", -1)])
    return None if found is None else from_document(Run, found)


def _mender(transaction: Transaction, document: Document, instant: datetime) -> Run | None:
    failing = document.get("failing")
    return None if failing is None else _succeeded(transaction, document["_id"], instant, failing)


def _starter(transaction: Transaction, job: Job, instant: datetime) -> Run | None:
    if job.overdue is None:
        return None
    began = {"$gte": instant_to_number(job.overdue), **up_to(instant + SKEW)}
    found = transaction.first("runs", {"job_id": job.id, "started": began}, [("_id", -1)])
    return None if found is None else from_document(Run, found)


def _waiting(transaction: Transaction, job: Job) -> Late | None:
    its = {"job_id": job.id, "state": "waiting", "cause": "schedule"}
    found = transaction.first("runs", its, [("due", 1)])
    return None if found is None else Late(due=instant_of(found["due"]), why=found["reason"])


def _missed(transaction: Transaction, job: Job, instant: datetime) -> Late | None:
    if job.watched is None:
        return None
    its = {"job_id": job.id, "state": "missed", "ended": {"$gte": instant_to_number(job.watched)}}
    for each in transaction.find("runs", its, [("due", 1)], fields={"parameters": 0}):
        run = from_document(Run, each)
        if not was_started_since(transaction, job.id, run.until or run.due, instant):
            return Late(due=run.due, why=run.reason)
    return None
