"""JSON in and out: what a request may say and what an answer says. Names and text forms are the contract's."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from ...model import tags
from ...model.job import JobState
from ...model.node import NodeState
from ...model.policy import CatchUp, Overlap, Placement
from ...model.run import Cause, State
from ...model.trigger import LONGEST
from ..instants import InstantText
from .tasks import EffectiveOut, LimitsOut, TaskOut  # noqa: F401  # a part of what is said, kept apart for its size
from .watch import Late, NotifyIn, NotifyOut, NotifyPatch, OverdueOut

Amount = Annotated[float, Meta(ge=0, description="a number, 0 or more")]
Seconds = Annotated[float, Meta(gt=0, le=LONGEST.total_seconds())]
SecondsOrNone = Annotated[float, Meta(ge=0, le=LONGEST.total_seconds())]
Moment = Annotated[datetime, Meta(tz=True)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
CronText = Annotated[str, Meta(min_length=1, max_length=200)]
ZoneName = Annotated[str, Meta(min_length=1, max_length=64)]
MaxRuns = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Retries = Annotated[int, Meta(ge=0, le=100)]
RetryDelay = Annotated[float, Meta(ge=0, le=86400)]
Scalar = str | bool | int | float
# The limits of tags are for the description; `convert` holds to them, for it can say which tag is wrong.
TagName = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": tags.LONGEST_NAME})]
TagValue = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": tags.LONGEST_VALUE})]
Require = Annotated[dict[TagName, TagValue], Meta(extra_json_schema={"maxProperties": tags.MOST})]


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
    cron: CronText | None = None
    at: InstantText | None = None
    timezone: ZoneName | UnsetType = UNSET
    start: InstantText | None = None
    end: InstantText | None = None
    max_runs: MaxRuns | None = None
    jitter: SecondsOrNone = 0
    overlap: Overlap | UnsetType = UNSET
    misfire_grace: Seconds | UnsetType | None = UNSET
    catch_up: CatchUp | UnsetType = UNSET
    retries: Retries = 0
    retry_delay: RetryDelay = 60
    timeout: Seconds | None = None
    parameters: dict[str, Scalar] = {}
    placement: Placement = "any"
    require: Require = {}
    max_late: Late | None = None
    must_succeed_every: Late | None = None
    notify: NotifyIn | None = None


class PatchIn(Struct, forbid_unknown_fields=True):
    """A merge patch (RFC 7396) of a job: what is given is changed, null takes the default. To give one of interval,
    cron and at replaces the other."""

    task: Name | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    interval: IntervalIn | UnsetType | None = UNSET
    cron: CronText | UnsetType | None = UNSET
    at: InstantText | UnsetType | None = UNSET
    timezone: ZoneName | UnsetType | None = UNSET
    start: InstantText | UnsetType | None = UNSET
    end: InstantText | UnsetType | None = UNSET
    max_runs: MaxRuns | UnsetType | None = UNSET
    jitter: SecondsOrNone | UnsetType | None = UNSET
    overlap: Overlap | UnsetType | None = UNSET
    misfire_grace: Seconds | UnsetType | None = UNSET
    catch_up: CatchUp | UnsetType | None = UNSET
    retries: Retries | UnsetType | None = UNSET
    retry_delay: RetryDelay | UnsetType | None = UNSET
    timeout: Seconds | UnsetType | None = UNSET
    parameters: dict[str, Scalar | None] | UnsetType | None = UNSET
    placement: Placement | UnsetType | None = UNSET
    require: dict[str, TagValue | None] | UnsetType | None = UNSET
    max_late: Late | UnsetType | None = UNSET
    must_succeed_every: Late | UnsetType | None = UNSET
    notify: NotifyPatch | UnsetType | None = UNSET


class PreviewIn(Struct, forbid_unknown_fields=True):
    """A trigger to look ahead with: exactly one of interval, cron and at; `count` dues after `from`."""

    interval: IntervalIn | None = None
    cron: CronText | None = None
    at: InstantText | None = None
    timezone: ZoneName | UnsetType = UNSET
    start: InstantText | None = None
    end: InstantText | None = None
    jitter: SecondsOrNone = 0
    from_: InstantText | None = field(default=None, name="from")
    count: Annotated[int, Meta(ge=1, le=1000)] = 10


class LastRunOut(Struct):
    """The newest run of a job, in short."""

    id: str
    due: Moment
    state: State
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
    at: Moment | None
    timezone: str
    next_due: Moment | None
    start: Moment | None
    end: Moment | None
    max_runs: int | None
    jitter: float
    overlap: Overlap
    misfire_grace: float | None
    catch_up: CatchUp
    retries: int
    retry_delay: float
    timeout: float | None
    effective: EffectiveOut
    parameters: dict[str, Scalar]
    placement: Placement
    require: dict[str, str]
    max_late: float | None
    must_succeed_every: float | None
    notify: NotifyOut | None
    state: JobState
    paused: bool
    overdue: OverdueOut | None
    created: Moment
    updated: Moment
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
    due: Moment
    attempt: int
    cause: Cause
    state: State
    reason: str
    node: str | None
    pid: int | None
    started: Moment | None
    ended: Moment | None
    duration: float | None
    exit_code: int | None
    signal: str | None
    left_behind: int | None
    output: OutputOut
    until: Moment | None
    count: int


class ClaimsOut(Struct):
    """How many dues a node asked for, and how many of them it got."""

    tried: int
    won: int


class NodeOut(Struct):
    """A daemon, as it is shown."""

    id: str
    name: str
    url: str | None
    tags: dict[str, str]
    tasks: list[str]
    version: str
    since: Moment
    seen: Moment
    state: NodeState
    running: int
    slots: int
    claims: ClaimsOut
    problem: str | None


class Names(Struct):
    """The catalog, in its order."""

    tasks: list[str]


class Jobs(Struct):
    """A page of jobs."""

    values: list[JobOut]


class Runs(Struct):
    """A page of runs."""

    values: list[RunOut]


class Nodes(Struct):
    """The daemons that share the store."""

    values: list[NodeOut]


class FireOut(Struct):
    """One due, in the zone asked for and in UTC; the note says what a change of clocks did to it."""

    at: Moment
    utc: Moment
    note: str | None


class Fires(Struct):
    """What a trigger would do."""

    fires: list[FireOut]


class Health(Struct):
    """Whether the daemon can do its work."""

    status: Literal["ok", "ready"]
    version: str
