"""The record that new dues of a job may share, in MongoDB: see `store.stretching`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from ...model.ids import BACK
from ...model.job import Job
from ...model.run import Run
from ...model.trigger import Schedule
from .. import stretching
from . import jobs, outcomes, overdue
from .documents import from_document, instant_to_number, values
from .transaction import Transaction


def add(transaction: Transaction, new: Sequence[Run], schedules: Mapping[str, Schedule], now: datetime) -> None:
    """As `stretching.add`."""
    stretching.add(_Records(transaction), new, schedules, now)


class _Records(stretching.Records):
    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def last(self, wanted: Sequence[Run], now: datetime) -> dict[tuple[str, str], Run]:
        found: dict[tuple[str, str], Run] = {}
        there = jobs.some(self._in, {run.job_id for run in wanted})
        for run in wanted:
            its = {"job_id": run.job_id, "place": run.place, "created": {"$lt": instant_to_number(now + BACK)}}
            newest = self._in.first("runs", its, [("_id", -1)])
            last = None if newest is None else from_document(Run, newest)
            job = there.get(run.job_id)
            if last is not None and job is not None and last.cause == "schedule" and self._is_open(job, last, now):
                found[run.job_id, run.place] = last
        return found

    def extend(self, grown: Sequence[Run]) -> None:
        said = [(run.id, values(run)) for run in grown]
        self._in.update_each(
            "runs", (({"_id": run_id}, {name: each[name] for name in stretching.GROWS}) for run_id, each in said)
        )

    def insert(self, new: Sequence[Run]) -> None:
        outcomes.insert(self._in, new)

    def tell(self, parts: Sequence[Run]) -> None:
        self._in.have_ended(parts)
        outcomes.tell_missed(self._in, parts)

    def _is_open(self, job: Job, last: Run, now: datetime) -> bool:
        if last.state == "skipped":
            return True
        if last.state != "missed" or last.ended is None or (job.watched is not None and last.created < job.watched):
            return False
        return not overdue.was_started_since(self._in, job.id, last.ended, now)
