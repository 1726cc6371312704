"""A job and its fields, side by side under names of their own, as a database keeps them: one is made of the other."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, TypeAlias

import attrs

from ..model.cron import Cron
from ..model.job import Job, Notify, Pause, Policy, Watch
from ..model.labels import About
from ..model.trigger import At, Interval, Schedule, Trigger

Fields: TypeAlias = Any  # of whatever kind of row: they are read by name

SAID = ("name", "task", "timezone", "overlap", "misfire_grace", "catch_up", "retries", "retry_delay", "timeout",
        "parameters", "placement", "require", "on_isolation", "max_late", "must_succeed_every", "notify", "labels",
        "description", "owner", "runbook", "version", "updated")  # fmt: skip
RULE = ("every", "anchor", "cron", "at", "start", "end", "jitter", "max_runs", "next_due")
WATCH = ("watched", "overdue", "overdue_reason")

_PARTS = {"policy": Policy, "about": About, "watch": Watch}
_APART = (*_PARTS, "schedule", "pause")
_PLACES = {field.name: field.name for field in attrs.fields(Job) if field.name not in _APART} | {
    field.name: f"{part}.{field.name}" for part, kind in _PARTS.items() for field in attrs.fields(kind)
}  # where a column is found in a job that stands there as it is
_plain = attrgetter(*_PLACES.values())


def of(job: Job) -> dict[str, object]:
    """The fields of a job."""
    trigger = job.schedule.trigger
    interval = trigger if isinstance(trigger, Interval) else None
    pause, notify = job.pause, job.watch.notify
    return dict(zip(_PLACES, _plain(job), strict=True)) | {
        "notify": notify and attrs.asdict(notify),
        "every": interval and interval.every,
        "anchor": interval and interval.start,
        "cron": trigger.expression if isinstance(trigger, Cron) else None,
        "at": trigger.instant if isinstance(trigger, At) else None,
        "start": job.schedule.start,
        "end": job.schedule.end,
        "jitter": job.schedule.jitter,
        "paused_by": pause and pause.by,
        "paused_at": pause and pause.at,
        "paused_until": pause and pause.until,
        "pause_reason": (pause and pause.reason) or None,
    }


def from_row(row: Fields) -> Job:
    """The record of a row that holds every field of a job."""
    return Job(
        id=row.id,
        name=row.name,
        task=row.task,
        schedule=schedule_of(row),
        timezone=row.timezone,
        policy=Policy(
            overlap=row.overlap,
            misfire_grace=row.misfire_grace,
            catch_up=row.catch_up,
            retries=row.retries,
            retry_delay=row.retry_delay,
            placement=row.placement or "any",
            require=row.require,
            on_isolation=row.on_isolation or "end",
        ),
        watch=Watch(
            max_late=row.max_late,
            must_succeed_every=row.must_succeed_every,
            notify=None if row.notify is None else Notify(**row.notify | {"on": tuple(row.notify["on"])}),
        ),
        about=About(labels=row.labels, description=row.description, owner=row.owner, runbook=row.runbook),
        timeout=row.timeout,
        parameters=row.parameters,
        max_runs=row.max_runs,
        paused=row.paused,
        pause=pause_of(row) if row.paused else None,  # a daemon of 0004 that resumes a job leaves it there
        next_due=row.next_due,
        starts=row.starts,
        version=row.version,
        created=row.created,
        updated=row.updated,
        watched=row.watched,
        overdue=row.overdue,
        overdue_reason=row.overdue_reason,
        forgotten=row.forgotten,
        ahead=row.ahead,
        ahead_from=row.ahead_from,
    )


def schedule_of(row: Fields) -> Schedule:
    return Schedule(trigger=_trigger(row), start=row.start, end=row.end, jitter=row.jitter, salt=row.id)


def pause_of(row: Fields) -> Pause | None:
    """None: it was a daemon of 0004 that paused the job."""
    if row.paused_at is None:
        return None
    return Pause(by=row.paused_by, at=row.paused_at, until=row.paused_until, reason=row.pause_reason or "")


def _trigger(row: Fields) -> Trigger:
    if row.every is not None:
        return Interval(start=row.anchor, every=row.every)
    if row.cron is not None:
        return Cron(expression=row.cron, timezone=row.timezone)
    return At(instant=row.at)
