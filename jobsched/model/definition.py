"""A job as it was asked for, in the words of the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from .cron import Cron
from .job import Job, Watch
from .trigger import Interval, Trigger


def definition(job: Job) -> dict[str, object]:
    """The request that would make this job: JSON values and datetimes. It contains the job's secrets."""
    schedule, policy = job.schedule, job.policy
    return {
        "task": job.task,
        "name": job.name,
        "timezone": job.timezone,
        "start": schedule.start,
        "end": schedule.end,
        "max_runs": job.max_runs,
        "jitter": schedule.jitter.total_seconds(),
        "overlap": policy.overlap,
        "misfire_grace": seconds(policy.misfire_grace),
        "catch_up": policy.catch_up,
        "retries": policy.retries,
        "retry_delay": policy.retry_delay.total_seconds(),
        "timeout": job.timeout,
        "parameters": job.parameters,
        "placement": policy.placement,
        "require": dict(policy.require),
        **watched(job.watch),
        **_rule(schedule.trigger),
    }


def watched(watch: Watch) -> dict[str, Any]:  # JSON values
    """The fields that say when a job is overdue, and which events are told to which receiver."""
    notify = watch.notify
    return {
        "max_late": seconds(watch.max_late),
        "must_succeed_every": seconds(watch.must_succeed_every),
        "notify": None if notify is None else {"url": notify.url, "on": list(notify.on)},
    }


def seconds(span: timedelta | None) -> float | None:
    """A span as JSON has it: a number of seconds, or None."""
    return None if span is None else span.total_seconds()


def _rule(trigger: Trigger) -> dict[str, object]:
    if isinstance(trigger, Interval):
        return {"interval": {"seconds": trigger.every.total_seconds()}}
    if isinstance(trigger, Cron):
        return {"cron": trigger.expression}
    return {"at": trigger.next_after(datetime.min.replace(tzinfo=UTC))}
