"""JSON in and out: what a request may say and what an answer says. Names and text forms are the contract's."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from ..model.draft import Draft
from ..model.errors import Invalid
from ..model.policy import Policy
from ..model.run import Run
from ..model.trigger import LONGEST, SHORTEST, Interval
from ..registry import JobNews

Amount = Annotated[float, Meta(ge=0, description="a number, 0 or more")]
Seconds = Annotated[float, Meta(gt=0, le=LONGEST.total_seconds())]
SecondsOrNone = Annotated[float, Meta(ge=0, le=LONGEST.total_seconds())]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Scalar = str | bool | int | float
T = TypeVar("T")

CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class IntervalIn(Struct, forbid_unknown_fields=True):
    """Elapsed time between two dues: the sum of what is given, at least 0.1 seconds, at most 100 years."""

    seconds: Amount | UnsetType = UNSET
    minutes: Amount | UnsetType = UNSET
    hours: Amount | UnsetType = UNSET
    days: Amount | UnsetType = UNSET
    weeks: Amount | UnsetType = UNSET


class JobIn(Struct, forbid_unknown_fields=True):
    """A request for a job: a task, a name and exactly one of interval, cron and at."""

    task: Name
    name: Name
    interval: IntervalIn | None = None
    cron: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    at: datetime | None = None
    timezone: Annotated[str, Meta(min_length=1, max_length=64)] | UnsetType = UNSET
    start: datetime | None = None
    end: datetime | None = None
    max_runs: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    jitter: SecondsOrNone = 0
    overlap: Literal["skip", "queue", "replace", "allow"] | UnsetType = UNSET
    misfire_grace: SecondsOrNone | UnsetType | None = UNSET
    catch_up: Literal["latest", "none", "all"] | UnsetType = UNSET
    retries: Annotated[int, Meta(ge=0, le=100)] = 0
    retry_delay: Annotated[float, Meta(ge=0, le=86400)] = 60
    timeout: Seconds | None = None
    parameters: dict[str, Scalar] = {}


class LastRunOut(Struct):
    """The newest run of a job, in short."""

    id: str
    due: datetime
    state: str
    reason: str


class JobOut(Struct):
    """A job, as it is shown."""

    id: str
    name: str
    interval: str | None
    next_run: str | None
    task: str
    task_known: bool
    interval_seconds: float | None
    cron: str | None
    at: datetime | None
    timezone: str
    next_due: datetime | None
    start: datetime | None
    end: datetime | None
    max_runs: int | None
    jitter: float
    overlap: str
    misfire_grace: float | None
    catch_up: str
    retries: int
    retry_delay: float
    timeout: float | None
    parameters: dict[str, Scalar]
    paused: bool
    created: datetime
    updated: datetime
    last_run: LastRunOut | None


class OutputOut(Struct):
    """How much a run printed and how much of it was kept, in bytes."""

    bytes: int
    kept: int
    truncated: bool


class RunOut(Struct):
    """A run, as it is shown; `until` and `count` tell of a stretch of dues with one fate."""

    id: str
    job_id: str
    job_name: str
    task: str
    due: datetime
    attempt: int
    cause: str
    state: str
    reason: str
    node: str | None
    pid: int | None
    started: datetime | None
    ended: datetime | None
    duration: float | None
    exit_code: int | None
    signal: str | None
    output: OutputOut
    until: datetime | None
    count: int


class TaskOut(Struct):
    """A task of the catalog."""

    name: str
    description: str
    kind: str
    parameters: tuple[str, ...]
    timeout: float | None


class Names(Struct):
    """The catalog, in its order."""

    tasks: list[str]


class Jobs(Struct):
    """A page of jobs."""

    values: list[JobOut]


class Runs(Struct):
    """A page of runs."""

    values: list[RunOut]


def draft(request: JobIn, defaults: Policy, timezone: str) -> Draft:
    """What a request asks for; what it leaves out comes from the configuration. Raises Invalid."""
    for pointer, text in (("/task", request.task), ("/name", request.name)):
        if CONTROL.search(text):
            raise Invalid("holds a control character", pointer)
    for name, value in request.parameters.items():
        if isinstance(value, str) and "\0" in value:
            raise Invalid("holds a NUL character", f"/parameters/{name}")
    return Draft(
        task=request.task,
        name=request.name,
        every=None if request.interval is None else every(request.interval),
        cron=request.cron,
        at=_instant(request.at, "/at"),
        timezone=_given(request.timezone, timezone),
        start=_instant(request.start, "/start"),
        end=_instant(request.end, "/end"),
        jitter=timedelta(seconds=request.jitter),
        max_runs=request.max_runs,
        policy=_policy(request, defaults),
        timeout=request.timeout,
        parameters=request.parameters,
    )


def every(interval: IntervalIn) -> timedelta:
    """The sum of an interval's parts."""
    parts = msgspec.to_builtins(interval)
    pointer = f"/interval/{next(iter(parts))}" if len(parts) == 1 else "/interval"
    try:
        total = timedelta(**parts)
    except (OverflowError, ValueError):
        total = timedelta.max
    if not SHORTEST <= total <= LONGEST:
        raise Invalid("an interval is at least 0.1 seconds and at most 100 years", pointer)
    return total


def job_out(news: JobNews, local: Any = None) -> JobOut:
    """A job for the outside; `next_run` is the local time of the daemon, as the first Jobsched showed it."""
    job = news.job
    trigger = job.schedule.trigger
    span = trigger.every if isinstance(trigger, Interval) else None
    return JobOut(
        id=job.id,
        name=job.name,
        interval=None if span is None else str(span),
        next_run=None if job.next_due is None else str(job.next_due.astimezone(local).replace(tzinfo=None)),
        task=job.task,
        task_known=news.task_known,
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
        misfire_grace=None if job.policy.misfire_grace is None else job.policy.misfire_grace.total_seconds(),
        catch_up=job.policy.catch_up,
        retries=job.policy.retries,
        retry_delay=job.policy.retry_delay.total_seconds(),
        timeout=job.timeout,
        parameters=job.parameters,
        paused=job.paused,
        created=job.created,
        updated=job.updated,
        last_run=_last(news.last_run),
    )


def run_out(run: Run) -> RunOut:
    """A run for the outside."""
    duration = run.ended - run.started if run.started and run.ended else None
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
        node=run.node,
        pid=run.pid,
        started=run.started,
        ended=run.ended,
        duration=None if duration is None else duration.total_seconds(),
        exit_code=run.exit_code,
        signal=run.signal,
        output=OutputOut(bytes=run.output_bytes, kept=run.output_kept, truncated=run.output_truncated),
        until=run.until,
        count=run.count,
    )


def _last(run: Run | None) -> LastRunOut | None:
    return None if run is None else LastRunOut(id=run.id, due=run.due, state=run.state, reason=run.reason)


def _policy(request: JobIn, defaults: Policy) -> Policy:
    grace = request.misfire_grace
    return Policy(
        overlap=_given(request.overlap, defaults.overlap),
        misfire_grace=defaults.misfire_grace if isinstance(grace, UnsetType) else _span(grace),
        catch_up=_given(request.catch_up, defaults.catch_up),
        retries=request.retries,
        retry_delay=timedelta(seconds=request.retry_delay),
    )


def _span(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def _instant(moment: datetime | None, pointer: str) -> datetime | None:
    """To UTC; an instant needs an offset, or it could be any of 38."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise Invalid("needs an offset, as in 2030-01-31T12:00:00+01:00 or ...Z", pointer)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise Invalid("lies outside the years 1 to 9999", pointer) from None


def _given(value: T | UnsetType, otherwise: T) -> T:
    return otherwise if isinstance(value, UnsetType) else value
