"""Jobs whose next due lies too far ahead: it was computed by a wrong clock, which has been set back since.

Such a job would be silent for as long as that clock was ahead. Which of the two clocks was right cannot be known; the
present one is followed, as everywhere else. A clock that was set back by less than three hours changes nothing: the job
goes on when the clock reaches its next due.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import attrs

from .ids import BACK
from .job import Job
from .trigger import Interval, Schedule

# Reasons that a store writes of runs that such a clock made: those that waited, and those that had missed their due.
SET_BACK: Final = "the clock was set back before it could start"
RAN_AHEAD: Final = "the clock ran hours ahead when it was due, and was set back since"


def anew(job: Job, now: datetime) -> Job | None:
    """`job` with its dues computed anew, as of `now`; None: its next due is not too far ahead, or no due is left."""
    schedule = _on_its_grid(job.schedule, now)
    following = schedule.next_after(now)
    first = schedule.first(now)  # under jitter, the due of a beat before `now` may come earlier
    used_up = job.max_runs is not None and job.starts >= job.max_runs
    if following is None or first is None or used_up:
        return None
    if job.next_due is not None and job.next_due <= max(first, now + BACK):
        return None
    return attrs.evolve(job, schedule=schedule, next_due=following)


def _on_its_grid(schedule: Schedule, now: datetime) -> Schedule:
    """An interval without `start` counts from when its job was made or changed; by a wrong clock that may lie ahead.
    Its start is then moved back by whole intervals to before `now`, so that the grid stays the same."""
    trigger = schedule.trigger
    if not isinstance(trigger, Interval) or schedule.start is not None or trigger.start <= now + BACK:
        return schedule
    beats = (trigger.start - now) // trigger.every + 1
    return attrs.evolve(schedule, trigger=attrs.evolve(trigger, start=trigger.start - beats * trigger.every))


@attrs.frozen(kw_only=True)
class Evidence:
    """That a clock was hours ahead of `now`: runs that it made, the last due of them, jobs or nodes that it touched."""

    now: datetime
    runs: int
    latest: datetime | None
    touched: bool

    @property
    def found(self) -> bool:
        """Whether there is any."""
        return self.runs > 0 or self.touched
