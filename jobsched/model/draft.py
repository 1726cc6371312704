"""A job as a caller asks for it, before the job exists."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import attrs

from .cron import Cron
from .errors import BadTrigger, Invalid
from .job import Job, Policy, Watch
from .labels import About
from .trigger import At, Interval, Schedule, Trigger


@attrs.frozen(kw_only=True)
class Draft:
    """A job as asked for: exactly one of `every`, `cron`, `at`; the rest may be left to the defaults."""

    task: str
    name: str
    every: timedelta | None = None
    cron: str | None = None
    at: datetime | None = None
    timezone: str = "UTC"
    start: datetime | None = None
    end: datetime | None = None
    jitter: timedelta = timedelta(0)
    max_runs: int | None = None
    policy: Policy = attrs.field(factory=Policy)
    watch: Watch = attrs.field(factory=Watch)
    about: About = attrs.field(factory=About)
    timeout: float | None = None
    parameters: dict[str, Any] = attrs.field(factory=dict, repr=False)  # some are secret

    def job(self, job_id: str, now: datetime) -> Job:
        """The job that this draft asks for, made at `now`. Raises Invalid or BadTrigger when it could never run."""
        schedule = self.schedule(job_id, now)
        first = schedule.first(now)
        if first is None:
            raise _never(self)
        return self._job(job_id, schedule, first, now)

    def remade(self, job: Job, now: datetime) -> Job:
        """`job`, changed to what this draft asks for; dues start anew after `now` only where the schedule changed."""
        return self._changed(job, *self._dues(job, now), now)

    def put(self, job: Job, now: datetime) -> Job:
        """As `remade`; `job` itself where it equals that, as most jobs of a set do: to make it costs more."""
        schedule, next_due = self._dues(job, now)
        same = (self.name, self.task, self.timezone, self.timeout, self.max_runs) == (
            job.name, job.task, job.timezone, job.timeout, job.max_runs,
        ) and (self.policy, self.watch, self.about, self.parameters, schedule, next_due) == (
            job.policy, job.watch, job.about, job.parameters, job.schedule, job.next_due,
        )  # fmt: skip
        return job if same else self._changed(job, schedule, next_due, now)

    def _dues(self, job: Job, now: datetime) -> tuple[Schedule, datetime | None]:
        kept = self.same_rule(job.schedule.trigger) and self.start == job.schedule.start
        schedule = self.schedule(job.id, now, job.schedule.trigger if kept else None)
        next_due = job.next_due
        if schedule != job.schedule:
            next_due = schedule.first(now)
            if next_due is None:
                raise _never(self)
        if self.max_runs is not None and job.starts >= self.max_runs:
            next_due = None
        elif next_due is None:
            next_due = schedule.next_after(now)  # max_runs may have been raised
        return schedule, next_due

    def _changed(self, job: Job, schedule: Schedule, next_due: datetime | None, now: datetime) -> Job:
        asked = attrs.evolve(
            job, name=self.name, task=self.task, schedule=schedule, timezone=self.timezone, policy=self.policy,
            watch=self.watch, about=self.about, timeout=self.timeout, parameters=self.parameters,
            max_runs=self.max_runs, next_due=next_due,
        )  # fmt: skip
        return asked if self.watch.same_terms(job.watch) else asked.watched_anew(now)

    def _job(self, job_id: str, schedule: Schedule, next_due: datetime | None, created: datetime) -> Job:
        return Job(
            id=job_id,
            name=self.name,
            task=self.task,
            schedule=schedule,
            timezone=self.timezone,
            policy=self.policy,
            watch=self.watch,
            about=self.about,
            watched=created if self.watch.asked else None,
            timeout=self.timeout,
            parameters=self.parameters,
            max_runs=self.max_runs,
            next_due=next_due,
            created=created,
            updated=created,
        )

    def schedule(self, salt: str, anchor: datetime, trigger: Trigger | None = None) -> Schedule:
        """The trigger in its bounds; an interval without `start` counts from `anchor`. `trigger`: the one to go on
        with, if it is there already."""
        if self.start is not None and self.end is not None and self.end < self.start:
            raise Invalid("end lies before start", "/end")
        made = self._trigger(anchor)  # refuses what cannot be one
        kept = trigger or made
        return Schedule(trigger=kept, start=self.start, end=self.end, jitter=self.jitter, salt=salt)

    def same_rule(self, trigger: Trigger) -> bool:
        """Whether this draft asks for the rule that `trigger` follows already, whatever the start of an interval."""
        if isinstance(trigger, Interval):
            return self.every == trigger.every
        if isinstance(trigger, Cron):
            return (self.cron, self.timezone) == (trigger.expression, trigger.timezone)
        return trigger == At(instant=self.at) if self.at is not None else False

    def _trigger(self, anchor: datetime) -> Trigger:
        fields = {"/interval": self.every, "/cron": self.cron, "/at": self.at}
        given = [pointer for pointer, value in fields.items() if value is not None]
        if len(given) != 1:
            raise BadTrigger("give exactly one of interval, cron and at", (given or ["", "/interval"])[1])
        if self.cron is not None:
            return Cron(expression=self.cron, timezone=self.timezone)
        Cron(expression="@yearly", timezone=self.timezone)  # refuses a zone that does not exist
        if self.every is not None:
            return Interval(start=self.start or anchor, every=self.every)
        assert self.at is not None
        return At(instant=self.at)


def _never(draft: Draft) -> BadTrigger:
    """The refusal of a schedule that has no due."""
    if draft.at is not None:
        return BadTrigger("lies in the past, or outside start and end", "/at")
    return BadTrigger("no due lies between start and end", "/end" if draft.end else "")
