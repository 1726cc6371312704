"""Whether every due of a job has one outcome: its schedule, asked again, against what is recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from .job import Job
from .run import ANYWHERE, Run
from .trigger import TICK, Schedule


class DueCoverage:
    """Takes a job's dues as they are recorded, oldest first, and says which are missing, extra, or there twice.

    Where the truth cannot be known, the record is not called wrong:

    - If the job was changed, paused or resumed, only dues after the last such change are computed again: the schedule
      before it is not known. (If the clock of a single host was set back before the change, dues later than the change
      may have been decided already: they are reported as wrong or missing.)
    - Old runs are pruned, unless `whole` says that no run was pruned yet. So the record begins at the oldest due that
      is kept. An active run is kept while later runs are pruned: dues after it may be missing if it outlived them.
      Runs that ran and records of dues that did not run are pruned separately: up to `job.forgotten`, either kind may
      be missing.
    - Dues that were decided by a wrong clock have an outcome before they come. While `job.ahead` says that there may be
      some, dues from the job's next due on are not looked at. Nor are dues before the job was made.
    - For a deleted job (None) no due is computed.
    """

    def __init__(self, job: Job | None, whole: bool) -> None:
        self._job = job
        self._whole = whole
        self._ends: dict[str, datetime] = {}  # place -> the last due there that was looked at
        self._last: datetime | None = None  # the latest of `_ends`
        self._end: datetime | None = None  # of the runs looked at, the first end; None: none has ended

    def take(self, due: datetime, rows: Sequence[Run]) -> Iterator[str]:
        """Check one due. `rows`: in each place, the first attempt at the due, or the stretch that begins with it."""
        if self._of_another_clock(due):
            return
        places = {run.place for run in rows}
        if len(places) > 1 and ANYWHERE in places:
            yield f"due {due.isoformat()} has an outcome for the whole job and one for a node"
        twice = min((end for place in places if (end := self._covered(place)) is not None and due <= end), default=None)
        job = self._job if self._job is not None and (self._job.version == 1 or due > self._job.updated) else None
        if twice is not None:
            yield f"due {due.isoformat()} has two outcomes: those up to {twice.isoformat()} had one"
        elif job is not None:
            if self._last is None or due > self._last:
                yield from self._follows(job, due)
            elif not is_due(job.schedule, due):
                yield f"{due.isoformat()} is no due of the job"
            for until, count in sorted({(run.until or due, run.count) for run in rows}):
                yield from _counted(job.schedule, due, until, count)
        for run in rows:
            self._ends[run.place] = max(run.until or due, self._ends.get(run.place, due))
        self._last = max(self._ends.values())
        self._end = min((end for end in (self._end, *(run.ended for run in rows)) if end is not None), default=None)

    def _of_another_clock(self, due: datetime) -> bool:
        job = self._job
        if job is None:
            return False
        return due < job.created or (job.ahead is not None and job.next_due is not None and due >= job.next_due)

    def _covered(self, place: str) -> datetime | None:
        """The last due with an outcome at `place`; an outcome for the whole job counts at every place."""
        if place == ANYWHERE:
            return self._last
        ends = [end for name in (place, ANYWHERE) if (end := self._ends.get(name)) is not None]
        return max(ends, default=None)

    def end(self) -> Iterator[str]:
        """Check that the job's next due is the one after the last due that is recorded."""
        job = self._job
        if job is None:
            return
        if job.next_due is not None:
            yield from self._ahead(job, job.next_due)
        elif job.max_runs is None or job.starts < job.max_runs:
            missing = self._expected(job)
            if missing and not self._pruned(missing[0]):
                yield f"due {missing[0].isoformat()} has no outcome, and the job has no next due"

    def _ahead(self, job: Job, next_due: datetime) -> Iterator[str]:
        if self._last is not None and next_due <= self._last:
            yield f"next due {next_due.isoformat()} has an outcome already"
        elif job.version == 1 or next_due > job.updated:
            yield from self._follows(job, next_due)

    def _follows(self, job: Job, due: datetime) -> Iterator[str]:
        """Check that `due` is the one after the last due that was looked at."""
        expected = self._expected(job)
        if due in expected:
            return
        if not is_due(job.schedule, due):
            yield f"{due.isoformat()} is no due of the job"
        elif expected and due > expected[0]:
            if self._pruned(expected[0]) or self._forgotten(job, expected[0], due):
                return
            yield f"due {expected[0].isoformat()} has no outcome, nor has any later one before {due.isoformat()}"
        elif not expected or due < expected[0]:
            yield f"due {due.isoformat()} comes before the first"

    def _expected(self, job: Job) -> list[datetime]:
        """The next due; several where it depends on something that is not known, none where no due is left."""
        if job.version == 1:
            following = job.schedule.first(job.created) if self._last is None else job.schedule.next_after(self._last)
            return [] if following is None else [following]
        since = job.updated if self._last is None else max(self._last, job.updated)
        possible = {job.schedule.next_after(since)}
        if since == job.updated:
            possible.add(job.schedule.first(since))  # right if the trigger was changed then; differs under jitter only
        return sorted(due for due in possible if due is not None)

    def _pruned(self, due: datetime) -> bool:
        """Whether the outcome of `due` may have been pruned while older runs, which are kept, were still active."""
        return not self._whole and (self._end is None or self._end >= due)

    def _forgotten(self, job: Job, first: datetime, due: datetime) -> bool:
        """Whether all dues from `first` to before `due` may have been pruned by number, and older dues were not."""
        if self._whole or job.forgotten is None or first > job.forgotten:
            return False
        return job.schedule.newest(first - TICK, due - TICK, 1)[-1:] <= [job.forgotten]


def is_due(schedule: Schedule, instant: datetime) -> bool:
    """Whether a job with this schedule can be due then."""
    return schedule.next_after(instant - TICK) == instant


def _counted(schedule: Schedule, due: datetime, until: datetime, count: int) -> Iterator[str]:
    """Check that a stretch counts as many dues as there are in it."""
    if until <= due:
        return
    found = schedule.count(due, until) + 1
    if not is_due(schedule, until):
        yield f"the stretch from {due.isoformat()} ends at {until.isoformat()}, which is no due of the job"
    elif found != count:
        yield f"from {due.isoformat()} to {until.isoformat()} there are {found} dues, and {count} have an outcome"
