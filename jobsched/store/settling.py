"""Dues that pass without a decision of a claim: settled when their job is resumed, changed or deleted, or its pause has
ended by itself. The job is held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import attrs

from ..model.ids import MICROSECOND, Ids
from ..model.job import Job
from ..model.owed import Situation, Stretch, owed, passed
from ..model.run import Run
from ..model.trigger import Schedule
from .telling import Telling


class Records(Protocol):
    """What is asked of a transaction, and written in it; `telling` is what is told after the commit."""

    telling: Telling

    def settled(self, job: Job, instant: datetime) -> tuple[Job, Stretch | None]:
        """`job` moved behind those of its dues up to `instant` that had their outcome by another clock; and the dues
        before these that have no outcome and are too late to start."""

    def add(self, new: Sequence[Run], schedules: Mapping[str, Schedule], now: datetime) -> None:
        """Store new runs, by due, as `stretching.add`."""

    def put_job(self, job: Job) -> None:
        """Write a job over the stored job with the same id."""


def settle(records: Records, job: Job, ids: Ids, now: datetime, reason: str, last: datetime | None = None) -> Job:
    """Give every due up to `now`, or up to `last`, its outcome: one skipped stretch, for `reason` unless the job is
    paused. The job, behind those that had theirs by a clock that was wrong."""
    job, left = records.settled(job, now)
    facts = Situation(next_due=job.next_due, now=last or now, able_since=now, paused=True)
    why = job.why_paused if job.paused else reason
    dues = [attrs.evolve(stretch, reason=why) for stretch in owed(job.schedule, job.policy, facts).stretches]
    dues = dues if left is None else [attrs.evolve(left, fate="skipped", reason=why), *dues]
    settled = [passed(job, stretch, ids.make(now), now) for stretch in dues]
    records.add(settled, {job.id: job.schedule}, now)
    return job


def as_of(records: Records, job: Job, ids: Ids, now: datetime) -> Job:
    """The job, and what is stored of it, as they are at `now`: a pause that is over has ended by itself. Dues before
    its end are settled, those after it are left to the claims. Its definition is not changed: the version stays."""
    if not job.paused or job.pause is None or job.pause.until is None or not job.pause.is_over(now):
        return job
    until = job.pause.until
    job = settle(records, job, ids, now, "", last=until - MICROSECOND)
    following = job.next_due
    if following is not None and following < until:
        following = job.schedule.next_after(until - MICROSECOND)
    awake = attrs.evolve(job.watched_anew(until), paused=False, pause=None, next_due=following)
    records.put_job(awake)
    records.telling.have_done(awake, "resume")
    return awake
