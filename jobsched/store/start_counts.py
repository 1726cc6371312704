"""Counting starts against max_runs, whichever the database. A due counts once a run of it is made, and stops counting
once none of its runs can start any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

import attrs

from ..model.claim import SPENT
from ..model.ids import Ids
from ..model.job import Job
from ..model.owed import Situation, owed, passed
from ..model.run import Run


class Records(Protocol):
    """What is asked of a transaction."""

    def begun(self, dues: Collection[tuple[str, datetime]], besides: Sequence[Run]) -> set[tuple[str, datetime]]:
        """Those (job, due) that have a run, of the schedule and of the first attempt, that waits or was started; the
        runs `besides` do not count. The answer may hold other dues of these jobs too."""


class Giving(Records, Protocol):
    """And to give starts back."""

    def get_job(self, job_id: str) -> Job | None:
        """A job."""

    def count(self, job: Job, starts: int, next_due: datetime | None) -> None:
        """Write how many starts of a job count, and when it is due next."""

    def last_due(self, job_id: str) -> datetime | None:
        """The last due of the job that has a record, made by the schedule."""

    def insert_runs(self, new: Sequence[Run]) -> None:
        """Store new runs."""


def not_started(records: Records, ended: Sequence[Run]) -> Counter[str]:
    """For each job, how many of its dues have no run that was started or waits. The runs in `ended` do not count: they
    waited, and have come to nothing, or are about to."""
    dues = {(run.job_id, run.due) for run in ended if run.cause == "schedule" and run.attempt == 1}
    if dues:
        dues -= records.begun(dues, ended)
    return Counter(job_id for job_id, _ in dues)


def give_back(records: Giving, ended: Sequence[Run], now: datetime) -> None:
    """These runs waited, and have come to nothing. If their job had reached max_runs because of them, the job goes on
    with its next due; dues that passed meanwhile become one skipped stretch. The jobs must be held."""
    for job_id, count in not_started(records, ended).items():
        job = records.get_job(job_id)
        if job is not None:
            _give_back(records, job, count, now)


def _give_back(records: Giving, job: Job, count: int, now: datetime) -> None:
    starts = max(job.starts - count, 0)
    spent = job.max_runs is not None and job.next_due is None and starts < job.max_runs <= job.starts
    records.count(job, starts, _go_on(records, job, now) if spent else job.next_due)


def _go_on(records: Giving, job: Job, now: datetime) -> datetime | None:
    """The next due of a job that had none left. The dues that passed are given their outcome first."""
    following = job.schedule.next_after(records.last_due(job.id) or now)
    if following is None or following > now or job.paused:
        return following
    answer = owed(job.schedule, job.policy, Situation(next_due=following, now=now, able_since=now, paused=True))
    skipped = (attrs.evolve(stretch, reason=SPENT) for stretch in answer.stretches)
    records.insert_runs([passed(job, stretch, Ids().make(now), now) for stretch in skipped])
    return answer.next_due
