"""Jobs: each is one document, with its fields side by side; and how much there is of what, for health and metrics.
Every function runs inside a transaction."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Final

from ...model.health import DELIVERY_STATES, JOB_STATES, Counts, JobInfo
from ...model.job import Due, Job
from .. import job_columns
from . import holds
from .documents import Convert, Document, from_fields, instant_of, instant_to_number, plain, span_of, up_to
from .transaction import Filter, Transaction

_INSTANTS: Final = ("anchor", "at", "start", "end", "next_due", "created", "updated", "watched", "succeeded", "overdue",
                    "failing", "forgotten", "ahead", "ahead_from", "paused_at", "paused_until")  # fmt: skip
_SPANS: Final = ("every", "jitter", "misfire_grace", "retry_delay", "max_late", "must_succeed_every")
_TEXTS: Final = ("parameters", "require", "notify", "labels")
_READING: Final[dict[str, Convert]] = {
    **dict.fromkeys(_INSTANTS, instant_of), **dict.fromkeys(_SPANS, span_of), **dict.fromkeys(_TEXTS, json.loads)
}  # fmt: skip

_DUE: Final = {"next_due": 1, "every": 1, "task": 1, "require": 1}
_BY_DUE: Final = [("next_due", 1), ("_id", 1)]


def to_document(job: Job) -> Document:
    """The document of a job. What else its document holds is written by others: its last success, since when it
    fails."""
    fields = fields_of(job)
    return {"_id": fields.pop("id"), **fields}


def fields_of(job: Job) -> Document:
    """The fields of a job, as they are stored."""
    return {name: plain(value) for name, value in job_columns.of(job).items()}


def some_fields(document: Document) -> Document:
    """Those fields that were asked for, as a job has them."""
    return from_fields(document, _READING)


def from_document(document: Document) -> Job:
    """The job of a document."""
    fields = from_fields(document, _READING)
    return job_columns.from_row(SimpleNamespace(id=fields["_id"], **fields))


def add(transaction: Transaction, new: Iterable[Job]) -> None:
    """Store new jobs."""
    transaction.insert("jobs", map(to_document, new))


def put(transaction: Transaction, job: Job) -> None:
    """Write a job over the stored job with the same id."""
    transaction.update("jobs", {"_id": job.id}, to_document(job))


def get(transaction: Transaction, job_id: str) -> Job | None:
    """The job of that id."""
    found = transaction.first("jobs", {"_id": job_id})
    return None if found is None else from_document(found)


def every(transaction: Transaction) -> list[Job]:
    """All jobs."""
    return [from_document(each) for each in transaction.find("jobs", {})]


def some(transaction: Transaction, job_ids: Iterable[str], **which: object) -> dict[str, Job]:
    """Those of these jobs that are there, and that `which` fits."""
    found = transaction.find("jobs", {"_id": {"$in": list(job_ids)}, **which})
    return {each["_id"]: from_document(each) for each in found}


def due_before(
    transaction: Transaction, instant: datetime, most: int, after: Due | None, now: datetime | None = None
) -> list[Due]:
    """As `Jobs.due_before`."""
    hold = holds.last(transaction)
    left_alone = hold is not None and hold.missed == "catch_up" and not hold.is_over(transaction.now(now or instant))
    which: dict[str, object] = {"paused": False, "next_due": {"$lt": instant_to_number(instant)}}
    if after is not None:
        number = instant_to_number(after.next_due)
        which["$or"] = [{"next_due": {"$gt": number}}, {"next_due": number, "_id": {"$gt": after.id}}]
    if hold is None or not left_alone:
        return _dues(transaction, which, most)
    found = [from_document(each) for each in transaction.find("jobs", which, _BY_DUE)]
    return dues_of(transaction, [job.id for job in found if not hold.stops(job)][:most])


def dues_of(transaction: Transaction, job_ids: Iterable[str]) -> list[Due]:
    """As `Jobs.dues_of`."""
    return _dues(transaction, {"_id": {"$in": list(job_ids)}, "paused": False, "next_due": {"$ne": None}}, 0)


def _dues(transaction: Transaction, which: Filter, most: int) -> list[Due]:
    found = (from_fields(each, _READING) for each in transaction.find("jobs", which, _BY_DUE, most, _DUE))
    return [Due(id=each.pop("_id"), **each) for each in found]


def hold_due(transaction: Transaction, job_ids: Sequence[str], now: datetime) -> list[Job]:
    """The jobs among these that are due at `now`, soonest first, held until the transaction ends."""
    due = transaction.find("jobs", {"_id": {"$in": list(job_ids)}, "paused": False, "next_due": up_to(now)}, _BY_DUE)
    transaction.hold_all("jobs", [each["_id"] for each in due])
    return [from_document(each) for each in due]


def move_on(transaction: Transaction, moved: Iterable[tuple[Job, datetime | None, int]]) -> None:
    """For each (job, next_due, starts): store the next due, and add the starts."""
    transaction.update_each(
        "jobs",
        (({"_id": job.id}, {"next_due": plain(due), "starts": job.starts + starts}) for job, due, starts in moved),
    )


def answers(transaction: Transaction) -> None:
    """As `Store.answers`."""
    transaction.first("jobs", {})


def counts(transaction: Transaction) -> Counts:
    """As `Store.counts`."""
    states = Counter(job.state for job in every(transaction))
    told = Counter(each["state"] for each in transaction.find("deliveries", {}, fields={"state": 1}))
    return Counts(
        jobs={state: states[state] for state in JOB_STATES},
        overdue=len(transaction.find("jobs", {"overdue": {"$ne": None}}, fields={"_id": 1})),
        waiting=len(transaction.find("runs", {"state": "waiting"}, fields={"_id": 1})),
        deliveries={state: told[state] for state in DELIVERY_STATES},
    )


def job_infos(transaction: Transaction, names: Sequence[str], most: int) -> list[JobInfo]:
    """As `Store.job_infos`."""
    found = sorted(every(transaction), key=lambda job: job.id)
    each = ((job, {name: job.about.labels[name] for name in names if name in job.about.labels}) for job in found)
    return [JobInfo(id=job.id, task=job.task, labels=labels) for job, labels in each if labels][:most]
