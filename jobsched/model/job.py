"""A schedule: a task, a name, a trigger and policies."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

import attrs

from .policy import Policy
from .run import LastRun
from .trigger import Schedule
from .watch import Watch

JobState = Literal["scheduled", "paused", "ended"]


@attrs.frozen(kw_only=True)
class Job:
    """What a caller asked to be run, and when it is due next (None: never again)."""

    id: str
    name: str
    task: str
    schedule: Schedule
    timezone: str = "UTC"
    policy: Policy = attrs.field(factory=Policy)
    watch: Watch = attrs.field(factory=Watch)
    timeout: float | None = None  # seconds; None: the task's own, or JOB_LIVETIME
    parameters: dict[str, Any] = attrs.field(factory=dict, repr=False)  # some are secret
    max_runs: int | None = None
    paused: bool = False
    next_due: datetime | None
    starts: int = 0  # scheduled runs so far, counted against max_runs
    version: int = 1  # of the definition; a run does not change it
    created: datetime
    updated: datetime
    watched: datetime | None = None  # since when the job is checked for being overdue; None: it is not checked
    overdue: datetime | None = None  # since when the job is overdue
    overdue_reason: str | None = None
    forgotten: datetime | None = None  # dues up to here may have no record any more
    ahead: datetime | None = None  # dues were computed anew: up to here some may have an outcome by another clock
    ahead_from: datetime | None = None  # future dues before this have no such outcome; None: that is not known

    @property
    def state(self) -> JobState:
        """Whether it waits for its next due, is paused, or has no due left."""
        if self.paused:
            return "paused"
        return "ended" if self.next_due is None else "scheduled"

    def watched_anew(self, instant: datetime) -> Job:
        """The same job, not overdue; `max_late` and `must_succeed_every` are watched from `instant` on."""
        return attrs.evolve(self, watched=instant if self.watch.asked else None, overdue=None, overdue_reason=None)


@attrs.frozen(kw_only=True)
class JobView:
    """A job with the newest run it has."""

    job: Job
    last_run: LastRun | None


@attrs.frozen(kw_only=True)
class Due:
    """A job that is due soon: what a ticker must know, and what a node must be able to do."""

    id: str
    next_due: datetime
    every: timedelta | None
    task: str
    require: Mapping[str, str]


@attrs.frozen(kw_only=True)
class JobFilter:
    """Which jobs are asked for; what is None does not matter."""

    name: str | None = None
    task: str | None = None
    state: JobState | None = None
    overdue: bool | None = None
    tasks: tuple[str, ...] | None = None  # patterns of those that may be seen
