"""Jobs as they are shown: each with its newest run, and with what it does and has done lately."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from ...model.errors import no_job
from ...model.ids import BACK
from ...model.job import Job, JobView
from ...model.job_list import IDLE, LOOKED_AT, RECENT, USUAL, Activity, Outcome
from ...model.run import ACTIVE, LastRun, Run
from . import jobs
from .documents import from_document, up_to
from .transaction import Transaction

_NEWEST = [("_id", -1)]


def job(transaction: Transaction, job_id: str, now: datetime) -> JobView:
    """As `Jobs.get`."""
    found = jobs.get(transaction, job_id)
    if found is None:
        raise no_job(job_id)
    return view(transaction, found, now)


def some(transaction: Transaction, job_ids: Sequence[str], now: datetime) -> list[JobView]:
    """As `Jobs.some`."""
    return [view(transaction, each, now) for each in jobs.some(transaction, job_ids).values()]


def view(
    transaction: Transaction, job: Job, now: datetime, *, place: str = "", activity: bool = True
) -> JobView:  # fmt: skip
    """The job, which stands at `place` in a list, with its newest run and, if that is wanted, its `activity`."""
    newest = transaction.first("runs", {"job_id": job.id, "created": up_to(now + BACK)}, _NEWEST)
    last = None if newest is None else from_document(LastRun, newest)
    does = _activity(transaction, job.id) if activity else IDLE
    return JobView(job=job, last_run=last, activity=does, place=place)


def _activity(transaction: Transaction, job_id: str) -> Activity:
    active = transaction.find("runs", {"job_id": job_id, "state": {"$in": list(ACTIVE)}}, fields={"_id": 1})
    newest = transaction.find("runs", {"job_id": job_id}, _NEWEST, LOOKED_AT, {"parameters": 0})
    ended = [_outcome(run) for run in (from_document(Run, each) for each in newest) if not run.active]
    if not active and not ended:
        return IDLE
    ran = [(run.state, run.duration) for run in ended[:USUAL]]
    return Activity.of(ended[:RECENT], ran, len(active))


def _outcome(run: Run) -> Outcome:
    took = None if run.started is None or run.ended is None else max(run.ended - run.started, timedelta(0))
    return Outcome(run.id, run.task, run.due, run.state, None if took is None else took.total_seconds())
