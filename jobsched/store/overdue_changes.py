"""What becomes of a job that is overdue, or fails: decided from how it stands, and written once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import attrs

from ..model.delivery import News
from ..model.job import Job
from ..model.overdue import SKEW, Facts, Late, Overdue, OverdueChange, Success, overdue
from ..model.run import Run
from .telling import Telling


@attrs.frozen(kw_only=True)
class Standing:
    """A job, and what the record says of it. Runs in the future do not count: they are from a wrong clock."""

    job: Job
    failing: datetime | None  # since when somebody was told that it fails
    forgotten: datetime | None  # its last success among the runs that are not kept
    success: Run | None  # the run that succeeded last
    mender: Run | None  # the one that succeeded last, of those that were started since it fails
    starter: Run | None  # the newest that was started since it is overdue
    waiting: Late | None  # the oldest due that waits
    missed: Late | None  # the oldest missed due after which nothing was started


class Records(Protocol):
    """What is written in a transaction; `telling` is what is told after the commit."""

    telling: Telling

    def become(self, job: Job, verdict: Overdue) -> bool:
        """Write that a job is overdue, if it is at this version, and not overdue; whether it was written."""

    def recover(self, standing: Standing, *, over: bool, mends: bool) -> bool:
        """Write that a job is not overdue any more, or does not fail, if it still stands so; whether it was written."""

    def tell_all(self, news: Sequence[News]) -> None:
        """As `news.tell_all`."""


def settle(records: Records, standings: Sequence[Standing], instant: datetime) -> list[OverdueChange]:
    """Decide for each job whether it is overdue and whether it still fails. A difference to what is stored is written,
    with its notification.

    A change is made only where the job is still as it was read: if several nodes do this, one of them makes the change.
    """
    made = [_change(records, each, instant) for each in standings]
    changes = [change for change in made if change is not None]
    for change in changes:
        records.telling.have_done(change.job, change.event)
    records.tell_all([News(**attrs.asdict(change, recurse=False), instant=instant) for change in changes])
    return changes


def facts(standing: Standing, instant: datetime) -> Facts:
    """What `model.overdue` goes by."""
    return Facts(
        now=instant, waiting=standing.waiting, missed=standing.missed, success=_success(standing, instant)
    )  # fmt: skip


def _change(records: Records, standing: Standing, instant: datetime) -> OverdueChange | None:
    """Write what becomes of a job. None: nothing that anybody is to know."""
    job = standing.job
    verdict = overdue(job, facts(standing, instant))
    if verdict is not None and job.overdue is None:
        return _became(records, job, verdict)
    over, mends = job.overdue is not None and verdict is None, standing.mender is not None
    if not (over or mends) or not records.recover(standing, over=over, mends=mends):
        return None
    cause, reason = _cause(standing)
    if not mends and (job.paused or (cause is None and job.next_due is None)):
        return None  # the job is not overdue any more, but nobody would say that it has recovered
    if over:
        job = attrs.evolve(job, overdue=None, overdue_reason=None)
    return OverdueChange(event="recovered", job=job, reason=reason, run=cause)


def _became(records: Records, job: Job, verdict: Overdue) -> OverdueChange | None:
    if not records.become(job, verdict):
        return None
    job = attrs.evolve(job, overdue=verdict.since, overdue_reason=verdict.reason)
    return OverdueChange(event="overdue", job=job, reason=verdict.reason)


def _success(standing: Standing, instant: datetime) -> Success | None:
    """The last success: among the runs that are kept, or among the runs that were forgotten."""
    run, forgotten = standing.success, standing.forgotten
    if forgotten is not None and forgotten > instant + SKEW:
        forgotten = None
    if run is not None and run.ended is not None and (forgotten is None or forgotten <= run.ended):
        return Success(ended=run.ended, run_id=run.id)
    return None if forgotten is None else Success(ended=forgotten)


def _cause(standing: Standing) -> tuple[Run | None, str]:
    """The run by which a job has recovered, if there is one; and the reason in words."""
    success, since = standing.success, standing.job.overdue
    lately = success is not None and since is not None and success.ended and success.ended >= since
    run = standing.mender or (success if lately else None)
    if run is not None:
        return run, f"run {run.id} has succeeded"
    run = standing.starter
    return run, "none of its dues is late any more" if run is None else f"run {run.id} was started"
