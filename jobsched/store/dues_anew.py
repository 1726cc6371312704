"""Dues that a wrong clock had decided, computed anew: the rule is `model/wrong_clock`.

Dues that are computed anew may already have an outcome by the other clock. A run that started, or is to start, keeps
its outcome and does not start again; a due that was missed or skipped before it came does not count: its record is
void. The job is held.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol

import attrs

from ..model.ids import BACK, MICROSECOND, least
from ..model.job import Job
from ..model.owed import Stretch
from ..model.run import Run
from ..model.trigger import Schedule
from ..model.wrong_clock import RAN_AHEAD, anew

LATE: Final = "dues after it had their outcome already, by a clock that was ahead"


class Records(Protocol):
    """What is asked of a transaction, and written in it. Dues are those of the schedule; the last due of a record that
    stands for several counts."""

    def last_due(self, job_id: str) -> datetime | None:
        """The last due of the job that has a record."""

    def last_sound_due(self, job_id: str, instant: datetime) -> datetime | None:
        """The last due up to `instant` of records that are not void then."""

    def void(self, job: Job, until: datetime, instant: datetime) -> Sequence[Run]:
        """The records that are void at `instant` and hold a due from the job's next due up to `until`; they are held.
        Void is what was missed or skipped and was made more than `BACK` after `instant`."""

    def newest_run(self, job_id: str) -> Run | None:
        """The newest run of the job."""

    def cut(self, run: Run) -> None:
        """Write up to which due a record goes, how many they are, when it ended, and why."""

    def drop(self, run: Run) -> None:
        """The record was never there."""

    def move(self, job: Job) -> None:
        """Write when a job is due next, the grid of its interval, and `ahead`, `ahead_from`."""


def put_right(records: Records, job: Job, instant: datetime) -> bool:
    """Compute the dues of the job anew where a wrong clock had decided them; whether it had."""
    fresh = anew(job, instant)
    if fresh is None or fresh.next_due is None or not _was_wrong(records, job, instant):
        return False
    edge = records.last_due(job.id)
    edges = [job.ahead, job.next_due, edge and edge + MICROSECOND]
    due, edge = fresh.next_due, max((each for each in edges if each is not None), default=None)
    records.move(_cut(records, attrs.evolve(fresh, ahead=edge), due, instant))
    return True


def settled(records: Records, job: Job, instant: datetime) -> tuple[Job, Stretch | None]:
    """`job` moved behind those of its dues up to `instant` that had their outcome by another clock. And the dues before
    these that have no outcome and are too late to start."""
    if job.ahead is None or job.next_due is None:
        return job, None
    moved, left = _cut(records, job, instant, instant), None
    latest = records.last_sound_due(job.id, instant)
    if latest is not None and latest >= job.next_due:
        if moved.ahead_from is not None and job.next_due < moved.ahead_from <= latest:
            left = _between(job.schedule, job.next_due, moved.ahead_from)
        moved = attrs.evolve(moved, next_due=job.schedule.next_after(latest))
    if moved.ahead is not None and (moved.next_due is None or moved.next_due >= moved.ahead):
        moved = attrs.evolve(moved, ahead=None, ahead_from=None)
    if moved != job:
        records.move(moved)
    return moved, left


def _was_wrong(records: Records, job: Job, instant: datetime) -> bool:
    """Whether something of the job was written hours later than it is now."""
    if max(job.created, job.updated) > instant + BACK:
        return True
    run = records.newest_run(job.id)
    return run is not None and (run.created > instant + BACK or run.id >= least(instant + BACK))


def _between(schedule: Schedule, first: datetime, edge: datetime) -> Stretch:
    """The dues from `first`, which is a due, to before `edge`."""
    last = (schedule.newest(first, edge - MICROSECOND, 1) or [first])[0]
    return Stretch(due=first, until=last, count=1 + schedule.count(first, last), fate="missed", reason=LATE)


def _cut(records: Records, job: Job, until: datetime, instant: datetime) -> Job:
    """Cut the void records, so that they do not reach the dues from the job's next due up to `until`. Returns `job`,
    which then knows from which due on there was an outcome all the same."""
    assert job.next_due is not None
    for run in records.void(job, until, instant):
        _shorten(records, job.schedule, run, job.next_due, instant)
        behind = (run.until or run.due) + MICROSECOND
        job = attrs.evolve(job, ahead_from=max(behind, job.ahead_from or behind))
    return job


def _shorten(records: Records, schedule: Schedule, run: Run, edge: datetime, instant: datetime) -> None:
    if run.due >= edge:
        records.drop(run)
        return
    kept = _between(schedule, run.due, edge)
    reason = RAN_AHEAD if run.state == "missed" else run.reason
    until = kept.until if kept.count > 1 else None
    records.cut(attrs.evolve(run, until=until, count=kept.count, ended=instant, reason=reason))
