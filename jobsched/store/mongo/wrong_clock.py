"""What a wrong clock has written ahead of the right one: found after the clock was set back, and put right."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ...model.ids import BACK, least
from ...model.job import Job
from ...model.overdue import SKEW
from ...model.owed import Stretch
from ...model.run import NEVER_RAN, Run
from ...model.trigger import Interval
from ...model.wrong_clock import SET_BACK, Evidence, anew
from .. import dues_anew
from . import jobs, outcomes
from .documents import Document, from_document, instant_of, instant_to_number, plain, up_to, values
from .transaction import Transaction

OF_A_DUE: Final[Document] = {"cause": "schedule", "attempt": 1}


def evidence(transaction: Transaction, local: datetime) -> Evidence:
    """As `WrongClock.evidence`."""
    instant = transaction.now(local)
    later = _later(instant)
    made = transaction.find("runs", {"_id": {"$gte": least(instant + BACK)}}, fields={"due": 1, "until": 1})
    touched = (
        transaction.first("jobs", {"$or": [{"updated": later}, {"created": later}]}),
        transaction.first("nodes", {"seen": later}),
    )
    return Evidence(
        now=instant,
        runs=len(made),
        latest=max((instant_of(each["until"] or each["due"]) for each in made), default=None),
        touched=any(each is not None for each in touched),
    )


def jobs_ahead(transaction: Transaction, local: datetime, after: str, most: int) -> tuple[list[str], str | None]:
    """As `WrongClock.jobs_ahead`."""
    instant = transaction.now(local)
    looked_at = transaction.find("jobs", {"_id": {"$gt": after}}, [("_id", 1)], most)
    found = [job.id for job in map(jobs.from_document, looked_at) if anew(job, instant) is not None]
    return found, looked_at[-1]["_id"] if len(looked_at) == most else None


def put_right(transaction: Transaction, job_ids: Sequence[str], local: datetime) -> int:
    """As `WrongClock.put_right`."""
    instant, records = transaction.now(local), _Records(transaction)
    transaction.hold_all("jobs", sorted(job_ids))
    there = jobs.some(transaction, job_ids)
    return sum(dues_anew.put_right(records, there[job_id], instant) for job_id in sorted(there))


def settled(transaction: Transaction, job: Job, instant: datetime) -> tuple[Job, Stretch | None]:
    """As `dues_anew.settled`."""
    return dues_anew.settled(_Records(transaction), job, instant)


def last_due(transaction: Transaction, which: Document) -> datetime | None:
    """The last due that these runs stand for."""
    ends = []
    for name in ("due", "until"):
        found = transaction.first("runs", {"$and": [which, {name: {"$ne": None}}]}, [(name, -1)])
        ends += [] if found is None else [instant_of(found[name])]
    return max(ends, default=None)


def rest(transaction: Transaction, local: datetime) -> None:
    """As `WrongClock.rest`."""
    instant = transaction.now(local)
    now, later = instant_to_number(instant), _later(instant)
    soon = {"$gt": instant_to_number(instant + SKEW)}
    for name, value in (("watched", now), ("failing", now), ("succeeded", None)):
        transaction.update("jobs", {name: soon}, {name: value})
    for each in transaction.find("runs", {"state": "waiting", "created": later, "not_before": later}):
        if each["not_before"] >= each["created"]:  # it waits for its pause from now on; only once
            until = now + each["not_before"] - each["created"]
            transaction.update("runs", {"_id": each["_id"]}, {"not_before": until})
    early = transaction.find("runs", OF_A_DUE | {"state": "waiting", "due": later, "created": later})
    outcomes.end_waiting(transaction, [from_document(Run, each) for each in early], "skipped", SET_BACK, instant)
    untold = {"state": "waiting", "not_before": later, "created": later}
    transaction.update("deliveries", untold, {"not_before": now, "created": now})
    transaction.update("keys", {"created": later}, {"created": now})
    transaction.update("nodes", {"since": later}, {"since": now})
    transaction.update("nodes", {"state": {"$ne": "alive"}, "seen": later}, {"seen": now})


def _later(instant: datetime) -> Document:
    return {"$gt": instant_to_number(instant + BACK)}


class _Records(dues_anew.Records):
    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def last_due(self, job_id: str) -> datetime | None:
        return last_due(self._in, OF_A_DUE | {"job_id": job_id})

    def last_sound_due(self, job_id: str, instant: datetime) -> datetime | None:
        sound = [{"state": {"$nin": list(NEVER_RAN)}}, {"created": up_to(instant + BACK)}]
        return last_due(self._in, OF_A_DUE | {"job_id": job_id, "due": up_to(instant), "$or": sound})

    def void(self, job: Job, until: datetime, instant: datetime) -> Sequence[Run]:
        which = {"job_id": job.id, "state": {"$in": list(NEVER_RAN)}, "created": _later(instant), "due": up_to(until)}
        found = [from_document(Run, each) for each in self._in.find("runs", OF_A_DUE | which)]
        return [run for run in found if job.next_due is not None and job.next_due <= (run.until or run.due)]

    def newest_run(self, job_id: str) -> Run | None:
        found = self._in.first("runs", {"job_id": job_id}, [("_id", -1)])
        return None if found is None else from_document(Run, found)

    def cut(self, run: Run) -> None:
        said = values(run)
        self._in.update("runs", {"_id": run.id}, {name: said[name] for name in ("until", "count", "ended", "reason")})

    def drop(self, run: Run) -> None:
        self._in.delete("runs", {"_id": run.id})

    def move(self, job: Job) -> None:
        said: Document = {name: plain(getattr(job, name)) for name in ("next_due", "ahead", "ahead_from")}
        trigger = job.schedule.trigger
        anchor = {"anchor": plain(trigger.start)} if isinstance(trigger, Interval) else {}
        self._in.update("jobs", {"_id": job.id}, said | anchor)
