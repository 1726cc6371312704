"""Turns the model's records into those of answers: jobs and runs for the outside."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, tzinfo

import attrs

from ..model.definition import definition, seconds, told, watched
from ..model.errors import Invalid, place
from ..model.job import Job, JobView, Notify, Policy, Timeout
from ..model.redaction import Redaction
from ..model.run import LastRun, Run
from ..model.stats import Stats, duration
from ..model.trigger import Interval
from .schemas import watch
from .schemas.jobs import JobOut
from .schemas.runs import LastRunOut, OutputOut, RecentOut, RunOut
from .schemas.stats import OutcomeOut, StatsOut
from .schemas.tasks import EffectiveOut

OF_ACTIVITY = ("active", "recent", "median_duration")  # fields of a job that its runs are looked at for


def job_out(
    news: JobView,
    known: Callable[[str], bool],
    timeout: Callable[[str, float | None], Timeout],
    redaction: Redaction,
    local: tzinfo | None = None,
) -> JobOut:
    """A job for the outside, without its secrets. `timeout(task, seconds)`: the timeout in force for a job of that task
    that sets `seconds` itself (None: not set).

    `next_run` is the local time of the daemon, as the first Jobsched showed it.
    """
    job = news.job
    trigger = job.schedule.trigger
    span = trigger.every if isinstance(trigger, Interval) else None
    return JobOut(
        id=job.id,
        name=job.name,
        interval=None if span is None else str(span),
        next_run=None if job.next_due is None else _local_text(job.next_due, local),
        task=job.task,
        task_known=known(job.task),
        interval_seconds=None if span is None else span.total_seconds(),
        cron=getattr(trigger, "expression", None),
        at=getattr(trigger, "instant", None),
        timezone=job.timezone,
        next_due=job.next_due,
        start=job.schedule.start,
        end=job.schedule.end,
        max_runs=job.max_runs,
        jitter=job.schedule.jitter.total_seconds(),
        overlap=job.policy.overlap,
        misfire_grace=seconds(job.policy.misfire_grace),
        catch_up=job.policy.catch_up,
        retries=job.policy.retries,
        retry_delay=job.policy.retry_delay.total_seconds(),
        timeout=job.timeout,
        effective=effective_out(timeout(job.task, job.timeout)),
        parameters=redaction.shown(job.parameters),
        placement=job.policy.placement,
        require=dict(job.policy.require),
        on_isolation=job.policy.on_isolation,
        **watched(job.watch),
        **told(job.about),
        state=job.state,
        paused=job.paused,
        paused_by=job.pause.by if job.pause else None,
        paused_at=job.pause.at if job.pause else None,
        paused_until=job.pause.until if job.pause else None,
        pause_reason=(job.pause.reason or None) if job.pause else None,
        overdue=watch.overdue_out(job),
        created=job.created,
        updated=job.updated,
        last_run=_last(news.last_run),
        version=job.version,
        active=news.activity.active,
        recent=[RecentOut(id=run.id, due=run.due, state=run.state) for run in news.activity.recent],
        median_duration=news.activity.median,
    )


def request_out(job: Job, usual: Policy, timezone: str, redaction: Redaction) -> dict[str, object]:
    """The shortest request that makes this job, sorted by name, without its secrets: fields that have their defaults,
    of which `usual` and `timezone` are configured, are left out."""
    defaults: dict[str, object] = {
        "name": job.id, "timezone": timezone, "overlap": usual.overlap, "misfire_grace": seconds(usual.misfire_grace),
        "catch_up": usual.catch_up, "retries": 0, "retry_delay": 60, "jitter": 0, "placement": "any", "parameters": {},
        "require": {}, "on_isolation": "end", "labels": {},
    }  # fmt: skip
    wanted = definition(job) | {"id": job.id}
    if job.watch.notify is not None:
        wanted["notify"] = notify_out(job.watch.notify)
    kept = {name: _short(value) for name, value in wanted.items() if value != defaults.get(name)}
    if "parameters" in kept:
        kept["parameters"] = dict(sorted(redaction.shown(job.parameters).items()))
    return dict(sorted(kept.items()))


def notify_out(notify: Notify) -> dict[str, object]:
    """Who is told of what, as the shortest request."""
    usual = Notify()
    fields = {"after": notify.after, "format": notify.format, "on": list(notify.on), "url": notify.url}
    defaults = {"after": usual.after, "format": usual.format, "on": list(usual.on), "url": usual.url}
    return {name: value for name, value in fields.items() if value != defaults[name]}


def withheld(job: Job, redaction: Redaction) -> list[str]:
    """The places of what is secret in the request of a job."""
    return [place("parameters", name) for name in sorted(job.parameters) if redaction.covers(name)]


def _short(value: object) -> object:
    """Whole numbers without a fraction, names in order."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return {name: _short(each) for name, each in sorted(value.items())} if isinstance(value, dict) else value


def fields_asked(names: Sequence[str]) -> frozenset[str]:
    """The fields of a job that are wanted, with its id; none: all of them. Raises Invalid."""
    known = JobOut.__struct_fields__
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise Invalid(f"{name!r} is no field of a job" + (f"; did you mean {near[0]}?" if near else ""), "?fields")
    return frozenset({*names, "id"} if names else ())


def effective_out(timeout: Timeout) -> EffectiveOut:
    """The timeout in force, for the outside."""
    return EffectiveOut(timeout=None if timeout.seconds is None else float(timeout.seconds), source=timeout.source)


def run_out(run: Run, last_line: str | None = None) -> RunOut:
    """A run for the outside; `last_line`: that it has printed so far."""
    return RunOut(
        id=run.id,
        job_id=run.job_id,
        job_name=run.job_name,
        task=run.task,
        due=run.due,
        attempt=run.attempt,
        cause=run.cause,
        state=run.state,
        reason=run.reason,
        node=run.node or run.place or None,
        pid=run.pid,
        started=run.started,
        ended=run.ended,
        duration=duration(run),
        exit_code=run.exit_code,
        signal=run.signal,
        left_behind=run.left_behind,
        cpu_seconds=run.cpu_seconds,
        max_rss=run.max_rss,
        term_at=run.term_at,
        kill_at=run.kill_at,
        waited_for=run.waited_for,
        isolated=run.isolated,
        output=OutputOut(bytes=run.output_bytes, kept=run.output_kept, truncated=run.output_truncated),
        last_line=last_line,
        rerun_of=run.rerun_of,
        until=run.until,
        count=run.count,
    )


def stats_out(found: Stats) -> StatsOut:
    """How a job has fared, for the outside."""
    numbers = attrs.asdict(found, recurse=False, filter=attrs.filters.exclude("last"))
    return StatsOut(
        **numbers,
        last=[
            OutcomeOut(
                id=run.id, due=run.due, state=run.state, reason=run.reason, duration=duration(run), count=run.count
            )
            for run in found.last
        ],
    )


def _last(run: LastRun | None) -> LastRunOut | None:
    return None if run is None else LastRunOut(id=run.id, due=run.due, state=run.state, reason=run.reason)


def _local_text(moment: datetime, local: tzinfo | None) -> str:
    with suppress(OverflowError):  # a local time in the year 10000
        moment = moment.astimezone(local)
    return str(moment.replace(tzinfo=None))
