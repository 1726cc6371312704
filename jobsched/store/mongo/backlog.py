"""What waits to be started, in MongoDB: runs that were added, queued, to be tried again, or found no free slot."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from ...model.claim import DELETED
from ...model.hold import Hold
from ...model.job import Job
from ...model.node import Node
from ...model.retry import OTHER_TASK
from ...model.run import ANYWHERE, Run
from ..placement import in_place
from . import jobs, outcomes, runs
from .documents import from_document, instant_to_number, up_to
from .transaction import Transaction

AT_ONCE: Final = 100  # runs that are looked at


def startable(
    transaction: Transaction, now: datetime, most: int, node: Node | None, *, any_task: bool, hold: Hold | None
) -> list[Run]:
    """As `claim_records.Records.startable`. The jobs are held: whoever else decides about one meanwhile is undone, or
    undoes this."""
    found: list[Run] = []
    if most <= 0:
        return found
    for run in _waiting(transaction, now, node):
        if node is not None and not (node.matches(run.require) and (any_task or run.task in node.tasks)):
            continue
        if not run.overlaps and _is_blocked(transaction, run, now):
            continue
        if _may_start(transaction, run, jobs.get(transaction, run.job_id), hold, now):
            transaction.hold_all("jobs", [run.job_id])
            found.append(run)
        if len(found) == most:
            break
    return found


def _waiting(transaction: Transaction, now: datetime, node: Node | None) -> Iterator[Run]:
    """The runs that wait and whose time has come, oldest first."""
    last = ""
    asked: dict[str, object] = {"state": "waiting", "$or": [{"not_before": None}, {"not_before": up_to(now)}]}
    if node is not None:
        asked["place"] = {"$in": [ANYWHERE, node.name]}
    while some := transaction.find("runs", {**asked, "_id": {"$gt": last}}, [("_id", 1)], AT_ONCE):
        last = some[-1]["_id"]
        yield from (from_document(Run, each) for each in some)


def _is_blocked(transaction: Transaction, run: Run, now: datetime) -> bool:
    """Whether another run of the job is active in that place, or waits there and was due before."""
    return any(
        other.id != run.id and (other.state != "waiting" or (other.due, other.id) < (run.due, run.id))
        for other in in_place(runs.ripe_of(transaction, [run.job_id], now), run.place)
    )


def _may_start(transaction: Transaction, run: Run, job: Job | None, hold: Hold | None, now: datetime) -> bool:
    """Whether its job lets it. A retry whose job is gone, or has another task by now, is cancelled."""
    if job is None:
        outcomes.end_waiting(transaction, [run], "cancelled", DELETED, now)
        return False
    if run.attempt > 1 and _is_strange(transaction, run, job):
        outcomes.end_waiting(transaction, [run], "cancelled", OTHER_TASK, now)
        return False
    return hold is None or bool(run.forced) or not hold.stops(job)


def _is_strange(transaction: Transaction, run: Run, job: Job) -> bool:
    """Whether its task is not that of its job, or not that of the attempt before."""
    its = {"job_id": job.id, "due": instant_to_number(run.due), "place": run.place, "attempt": run.attempt - 1}
    before = transaction.first("runs", its)
    return job.task != run.task or (before is not None and before["task"] != run.task)
