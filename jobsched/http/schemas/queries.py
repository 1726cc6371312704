"""What a query string may ask for."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from ...model import labels
from ...model.audit import Action
from ...model.job import JobState
from ...model.job_list import SORTS
from ...model.run import Cause, State
from ...model.time_text import EXAMPLE
from . import NAME, STATE, TASK
from .jobs import JobOut

MomentText = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]  # a datetime would accept 0.5 in a query
Id = Annotated[str, Meta(max_length=64)]
LabelText = Annotated[str, Meta(max_length=127, extra_json_schema={"pattern": labels.ASKED})]
AskedLabels = Annotated[list[LabelText], Meta(min_length=1, max_length=32)]
KeyText = Annotated[str, Meta(max_length=255)]
Id255 = Annotated[str, Meta(max_length=255)]
TimeText = Annotated[str, Meta(min_length=1, max_length=64, extra_json_schema={"examples": list(EXAMPLE)})]
JobText = Annotated[str, Meta(max_length=200)]
ZoneText = Annotated[str, Meta(min_length=1, max_length=64)]
AskedStates = Annotated[list[State], Meta(min_length=1, max_length=10)]
FieldName = Annotated[str, Meta(max_length=64, extra_json_schema={"enum": list(JobOut.__struct_fields__)})]
SortText = Annotated[str, Meta(extra_json_schema={"enum": [sign + sort for sort in SORTS for sign in ("", "-")]})]
Limit = Annotated[int, Meta(ge=1, le=1000, description="At most so many")]

AFTER = Meta(description="The place behind which the page begins; follow the Link header instead of making one up")
ZONE = Meta(
    description="IANA name of the zone of days and times without an offset; if left out, that of new jobs: `timezone`"
)
LABEL = Meta(
    description="Those whose job has this label, NAME=VALUE, or NAME with whatever value; several: all of them"
)
FAILING = Meta(description="Only those that somebody has to look at: failed, timed_out, lost, missed")
NODE = Meta(description="Runs of the node of this name")
CAUSE = Meta(description="Runs that the schedule, a caller or a retry made")
JOB = Meta(description="Only of this job: its id, or its name")
HELD = Meta(description="Whether to show dues at which a hold or a pause lets nothing start")
KEY = Meta(description="A key of the job, in place of a token: see POST /jobs/ID/keys")
FORCE = Meta(description="Whether to run it although it is on hold")
FOLLOW = Meta(description="Whether to stream what is printed until the run has ended")


class JobPage(Struct, forbid_unknown_fields=True):
    """Which part of the list of jobs. A query knows no null: a job may be named so."""

    limit: Limit = 500
    after: Annotated[Annotated[str, Meta(max_length=2000)], AFTER] = ""
    name: Annotated[str | UnsetType, NAME] = UNSET
    task: Annotated[str | UnsetType, TASK] = UNSET
    state: Annotated[JobState | UnsetType, STATE] = UNSET
    overdue: Annotated[bool | UnsetType, Meta(description="Jobs that are overdue, or those that are not")] = UNSET
    as_: Annotated[
        Literal["request"] | UnsetType,
        Meta(description="As requests that would make these jobs, by id; without `sort` and `fields`"),
    ] = field(default=UNSET, name="as")
    format: Annotated[
        Literal["json", "toml", "yaml", "crontab"] | UnsetType,
        Meta(description="As requests, in this format; a crontab can say but few jobs whole, and refuses the others"),
    ] = UNSET
    label: Annotated[AskedLabels | UnsetType, LABEL] = UNSET
    q: Annotated[
        Annotated[str, Meta(max_length=200)] | UnsetType,
        Meta(description="Words of which each has to be in the name, the description, the task or a label"),
    ] = UNSET
    sort: Annotated[
        SortText | UnsetType,
        Meta(description="In which order; with a minus the other way round; `created`, if left out"),
    ] = UNSET
    fields: Annotated[
        Annotated[list[FieldName], Meta(min_length=1, max_length=100)] | UnsetType,
        Meta(description="Only these fields of each job, and its id"),
    ] = UNSET


class JobRunPage(Struct, forbid_unknown_fields=True):
    """Which part of the list of a job's runs: `from <= due < to`."""

    limit: Limit = 500
    after: Annotated[Id | UnsetType, AFTER] = UNSET
    state: Annotated[AskedStates | UnsetType, Meta(description="Where they stand; several: any of them")] = UNSET
    from_: Annotated[TimeText | UnsetType, Meta(description="Runs due at this instant or later")] = field(
        default=UNSET, name="from"
    )
    to: Annotated[TimeText | UnsetType, Meta(description="Runs due before this instant")] = UNSET
    zone: Annotated[ZoneText | UnsetType, ZONE] = UNSET
    failing: Annotated[bool, FAILING] = False
    node: Annotated[Id255 | UnsetType, NODE] = UNSET
    cause: Annotated[Cause | UnsetType, CAUSE] = UNSET


class RunPage(JobRunPage, forbid_unknown_fields=True):
    """Which part of the list of all runs: `from <= due < to`."""

    job: Annotated[JobText | UnsetType, JOB] = UNSET
    task: Annotated[str | UnsetType, TASK] = UNSET
    label: Annotated[AskedLabels | UnsetType, LABEL] = UNSET


class RunCounts(Struct, forbid_unknown_fields=True):
    """Which runs are counted: `from <= due < to`."""

    by: Annotated[Literal["hour"], Meta(description="For how long a time each number is")] = "hour"
    state: Annotated[AskedStates | UnsetType, Meta(description="Where they stand; several: any of them")] = UNSET
    from_: Annotated[
        TimeText | UnsetType,
        Meta(description="Runs due at this instant or later; if left out, those of the hour of `to` and the 23 before"),
    ] = field(default=UNSET, name="from")
    to: Annotated[TimeText | UnsetType, Meta(description="Runs due before this instant; now, if left out")] = UNSET
    zone: Annotated[ZoneText | UnsetType, ZONE] = UNSET
    failing: Annotated[bool, FAILING] = False
    node: Annotated[Id255 | UnsetType, NODE] = UNSET
    cause: Annotated[Cause | UnsetType, CAUSE] = UNSET
    job: Annotated[JobText | UnsetType, JOB] = UNSET
    task: Annotated[str | UnsetType, TASK] = UNSET
    label: Annotated[AskedLabels | UnsetType, LABEL] = UNSET


class UpcomingPage(Struct, forbid_unknown_fields=True):
    """Which part of what will be due: `from <= due < to`."""

    limit: Limit = 100
    after: Annotated[
        Annotated[str, Meta(max_length=96)] | UnsetType,
        Meta(description="The place behind which the page begins; follow the Link header instead of making one up"),
    ] = UNSET
    from_: Annotated[
        TimeText | UnsetType, Meta(description="Dues at this instant or later; now, if left out or over")
    ] = field(default=UNSET, name="from")
    to: Annotated[
        TimeText | UnsetType, Meta(description="Dues before this instant; a day after `from`, if left out")
    ] = UNSET
    held: Annotated[bool, Meta(description="Whether to show dues at which a hold or a pause lets nothing start")] = True
    zone: Annotated[ZoneText | UnsetType, ZONE] = UNSET
    task: Annotated[str | UnsetType, TASK] = UNSET
    label: Annotated[AskedLabels | UnsetType, LABEL] = UNSET


class CalendarAsked(Struct, forbid_unknown_fields=True):
    """Which dues a calendar shows."""

    limit: Limit = 500
    held: Annotated[bool, HELD] = True
    job: Annotated[JobText | UnsetType, JOB] = UNSET
    task: Annotated[str | UnsetType, TASK] = UNSET
    label: Annotated[AskedLabels | UnsetType, LABEL] = UNSET


class BadgeAsked(Struct, forbid_unknown_fields=True):
    """By which right a badge is shown."""

    key: Annotated[KeyText | UnsetType, KEY] = UNSET


class JobCalendarAsked(Struct, forbid_unknown_fields=True):
    """Which dues the calendar of a job shows, and by which right."""

    key: Annotated[KeyText | UnsetType, KEY] = UNSET
    limit: Limit = 500
    held: Annotated[bool, HELD] = True


class EventsAsked(Struct, forbid_unknown_fields=True):
    """Which changes are followed; several kinds or states with commas between them."""

    kind: Annotated[
        str | UnsetType, Meta(description="Only these: run, job, node, hold, ready; all but ready, if left out")
    ] = UNSET
    job: Annotated[Id | UnsetType, Meta(description="Only of the job with this id, and of its runs")] = UNSET
    task: Annotated[str | UnsetType, TASK] = UNSET
    state: Annotated[str | UnsetType, Meta(description="Only runs that come to these states")] = UNSET


class WhyAsked(Struct, forbid_unknown_fields=True):
    """Which time is asked about."""

    at: Annotated[
        Annotated[str, Meta(max_length=64)] | UnsetType,
        Meta(description="A time (03:00: the last one), a date, or both; its last due if left out"),
    ] = UNSET
    zone: Annotated[
        Annotated[str, Meta(max_length=64)] | UnsetType,
        Meta(description="IANA name of the zone in which `at` is read; the job's own if left out"),
    ] = UNSET


class AuditPage(Struct, forbid_unknown_fields=True):
    """Which part of the audit log: `from <= at < to`."""

    limit: Limit = 500
    after: Annotated[Id | UnsetType, AFTER] = UNSET
    target: Annotated[
        Annotated[str, Meta(max_length=200)] | UnsetType,
        Meta(description="Only this job with its runs, by its id or name, or only this run"),
    ] = UNSET
    action: Annotated[Action | UnsetType, Meta(description="Only this action")] = UNSET
    who: Annotated[Id | UnsetType, Meta(description="Only by the token of this name")] = UNSET
    group: Annotated[Id | UnsetType, Meta(description="Only the parts of this one order")] = UNSET
    from_: Annotated[MomentText | UnsetType, Meta(description="Changes made at this instant or later")] = field(
        default=UNSET, name="from"
    )
    to: Annotated[MomentText | UnsetType, Meta(description="Changes made before this instant")] = UNSET


class DeliveryPage(Struct, forbid_unknown_fields=True):
    """Which part of a list of notifications."""

    limit: Limit = 500
    after: Annotated[Id | UnsetType, AFTER] = UNSET


class Deletion(Struct, forbid_unknown_fields=True):
    """Whether the job's active runs are to be ended too."""

    cancel: Annotated[bool, Meta(description="Whether the active runs are to be ended too")] = False


class Running(Struct, forbid_unknown_fields=True):
    """Whether to stream what is printed, and whether to run it come what may."""

    follow: Annotated[bool, FOLLOW] = False
    force: Annotated[bool, FORCE] = False


class Rerunning(Struct, forbid_unknown_fields=True):
    """Whether to run it come what may."""

    force: Annotated[bool, FORCE] = False


class Waiting(Struct, forbid_unknown_fields=True):
    """How many seconds the answer may wait for the run to end."""

    wait: Annotated[float, Meta(ge=0, le=3600, description="Seconds to wait for the end of the run")] = 0


class Reading(Struct, forbid_unknown_fields=True):
    """Which part of the output: all, its last lines, or all there is and will be."""

    follow: Annotated[bool, FOLLOW] = False
    tail: Annotated[
        Annotated[int, Meta(ge=0, le=1_000_000)] | UnsetType, Meta(description="Only so many of the last lines")
    ] = UNSET
