"""Jobs, as they are asked for and shown, and what a trigger would do. Names and text forms are the contract's."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

from ...model import ids
from ...model.definition import LONGEST_TAG_NAME, LONGEST_TAG_VALUE, MOST_TAGS
from ...model.job import LONGEST_REASON, CatchUp, JobState, Overlap, Placement
from ...model.run import OnIsolation
from ...model.trigger import LONGEST
from ..instants import InstantText
from . import (
    DESCRIPTION,
    FOUND,
    ID,
    LABELS,
    NAME,
    OWNER,
    RUNBOOK,
    TASK,
    Description,
    LabelName,
    Labels,
    LabelValue,
    Moment,
    Owner,
    Runbook,
)
from .runs import LastRunOut, RecentOut
from .tasks import EFFECTIVE, EffectiveOut
from .watch import Late, NotifyIn, NotifyOut, NotifyPatch, OverdueOut

Amount = Annotated[float, Meta(ge=0)]
Seconds = Annotated[float, Meta(gt=0, le=LONGEST.total_seconds())]
SecondsOrNone = Annotated[float, Meta(ge=0, le=LONGEST.total_seconds())]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
CronText = Annotated[str, Meta(min_length=1, max_length=200)]
ZoneName = Annotated[str, Meta(min_length=1, max_length=64)]
MaxRuns = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Retries = Annotated[int, Meta(ge=0, le=100)]
RetryDelay = Annotated[float, Meta(ge=0, le=86400)]
Reason = Annotated[str, Meta(min_length=1, max_length=LONGEST_REASON)]
Scalar = str | bool | int | float
# The limits of tags are for the description; `from_json` checks them, since it can say which tag is wrong.
TagName = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": LONGEST_TAG_NAME})]
TagValue = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": LONGEST_TAG_VALUE})]
Require = Annotated[dict[TagName, TagValue], Meta(extra_json_schema={"maxProperties": MOST_TAGS})]

# What a field means in a request, in a patch and in an answer.
INTERVAL = Meta(description="Elapsed time between two dues, on a grid from `start`, or from when the job was made")
CRON = Meta(
    description="Five fields, or six with seconds first, or @hourly @daily @weekly @monthly @yearly; read in `timezone`"
)
AT = Meta(description="The one instant at which it runs; ISO 8601 with an offset")
TIMEZONE = Meta(description="IANA name of the zone in which `cron` is read")
START = Meta(description="No due lies before it")
END = Meta(description="No due lies after it; it may be one itself")
MAX_RUNS = Meta(description="Scheduled runs after which the job has ended; null for no limit")
JITTER = Meta(description="Most seconds by which a due is put off: the same at every asking, never to the next due")
OVERLAP = Meta(description="What happens to a run that is due while another of its job is active")
MISFIRE_GRACE = Meta(description="Seconds after its due until which a run may still start; null for no limit")
CATCH_UP = Meta(description="Which of several dues that waited are run: the newest, none or all (at most 1,000)")
RETRIES = Meta(description="How often a run that failed, timed out or was lost is tried again")
RETRY_DELAY = Meta(description="Seconds before the first retry; doubles up to an hour, plus up to a quarter by chance")
TIMEOUT = Meta(description="Seconds after which a run is ended; null for the task's own, or JOB_LIVETIME")
PARAMETERS = Meta(description="What the task is told, of the names that the catalog allows; 64 KiB of JSON at most")
PLACEMENT = Meta(description="On how many nodes a due runs: any one, or every one that is alive and has the task")
REQUIRE = Meta(
    description="Tags that a node must have: up to 32, names of up to 64 printable characters, values of up to 200"
)
ON_ISOLATION = Meta(
    description="What becomes of a run whose node is cut off: it ends, and is tried again; or it is kept, and is not"
)
MAX_LATE = Meta(description="Seconds from a due to its start after which the job is overdue; null: it never is by that")
MUST_SUCCEED_EVERY = Meta(
    description="Seconds without a success after which the job is overdue; null: it never is by that"
)
NOTIFY = Meta(
    description="Who is told what becomes of it; null: the receiver that the operator set for all jobs, of everything"
)

UNTIL = Meta(description="When the pause ends by itself: a due at that instant runs; null: when the job is resumed")
WHY = Meta(description="Why it is paused, for people; null: nobody said so")


NAME_IN = Meta(description="Free text for people; several jobs may have it; without it, the id is the name")
ID_IN = Meta(
    description="The address that the job is to have: a word, 1 to 63 of a-z 0-9 . _ -, a letter first, and no UUID "
    "but one that Jobsched has made; without it, Jobsched makes a UUID"
)
JobId = Annotated[str, Meta(extra_json_schema={"pattern": f"^({ids.JOB_ID})$"})]  # `from_json` checks it: it says more


class IntervalIn(Struct, forbid_unknown_fields=True):
    """Elapsed time between two dues: the sum of what is given, at least 0.1 seconds, at most 100 years."""

    seconds: Annotated[Amount | UnsetType, Meta(description="Seconds of it")] = UNSET
    minutes: Annotated[Amount | UnsetType, Meta(description="Minutes of it")] = UNSET
    hours: Annotated[Amount | UnsetType, Meta(description="Hours of it")] = UNSET
    days: Annotated[Amount | UnsetType, Meta(description="Days of it")] = UNSET
    weeks: Annotated[Amount | UnsetType, Meta(description="Weeks of it")] = UNSET


class JobIn(Struct, forbid_unknown_fields=True):
    """A request for a job: a task, a name or an id, and exactly one of interval, cron and at; null counts as left
    out."""

    task: Annotated[Name, TASK]
    name: Annotated[Name | UnsetType, NAME_IN] = UNSET
    interval: Annotated[IntervalIn | None, INTERVAL] = None
    cron: Annotated[CronText | None, CRON] = None
    at: Annotated[InstantText | None, AT] = None
    timezone: Annotated[ZoneName | UnsetType, TIMEZONE] = UNSET
    start: Annotated[InstantText | None, START] = None
    end: Annotated[InstantText | None, END] = None
    max_runs: Annotated[MaxRuns | None, MAX_RUNS] = None
    jitter: Annotated[SecondsOrNone, JITTER] = 0
    overlap: Annotated[Overlap | UnsetType, OVERLAP] = UNSET
    misfire_grace: Annotated[Seconds | UnsetType | None, MISFIRE_GRACE] = UNSET
    catch_up: Annotated[CatchUp | UnsetType, CATCH_UP] = UNSET
    retries: Annotated[Retries, RETRIES] = 0
    retry_delay: Annotated[RetryDelay, RETRY_DELAY] = 60
    timeout: Annotated[Seconds | None, TIMEOUT] = None
    parameters: Annotated[dict[str, Scalar], PARAMETERS] = {}
    placement: Annotated[Placement, PLACEMENT] = "any"
    require: Annotated[Require, REQUIRE] = {}
    on_isolation: Annotated[OnIsolation, ON_ISOLATION] = "end"
    max_late: Annotated[Late | None, MAX_LATE] = None
    must_succeed_every: Annotated[Late | None, MUST_SUCCEED_EVERY] = None
    notify: Annotated[NotifyIn | None, NOTIFY] = None
    id: Annotated[JobId | UnsetType, ID_IN] = UNSET
    labels: Annotated[Labels, LABELS] = {}
    description: Annotated[Description | None, DESCRIPTION] = None
    owner: Annotated[Owner | None, OWNER] = None
    runbook: Annotated[Runbook | None, RUNBOOK] = None


class PatchIn(Struct, forbid_unknown_fields=True):
    """A merge patch (RFC 7396) of a job: what is given is changed, null takes the default. To give one of interval,
    cron and at replaces the other."""

    task: Annotated[Name | UnsetType, TASK] = UNSET
    name: Annotated[Name | UnsetType, NAME] = UNSET
    interval: Annotated[IntervalIn | UnsetType | None, INTERVAL] = UNSET
    cron: Annotated[CronText | UnsetType | None, CRON] = UNSET
    at: Annotated[InstantText | UnsetType | None, AT] = UNSET
    timezone: Annotated[ZoneName | UnsetType | None, TIMEZONE] = UNSET
    start: Annotated[InstantText | UnsetType | None, START] = UNSET
    end: Annotated[InstantText | UnsetType | None, END] = UNSET
    max_runs: Annotated[MaxRuns | UnsetType | None, MAX_RUNS] = UNSET
    jitter: Annotated[SecondsOrNone | UnsetType | None, JITTER] = UNSET
    overlap: Annotated[Overlap | UnsetType | None, OVERLAP] = UNSET
    misfire_grace: Annotated[Seconds | UnsetType | None, MISFIRE_GRACE] = UNSET
    catch_up: Annotated[CatchUp | UnsetType | None, CATCH_UP] = UNSET
    retries: Annotated[Retries | UnsetType | None, RETRIES] = UNSET
    retry_delay: Annotated[RetryDelay | UnsetType | None, RETRY_DELAY] = UNSET
    timeout: Annotated[Seconds | UnsetType | None, TIMEOUT] = UNSET
    parameters: Annotated[dict[str, Scalar | None] | UnsetType | None, PARAMETERS] = UNSET
    placement: Annotated[Placement | UnsetType | None, PLACEMENT] = UNSET
    require: Annotated[dict[str, TagValue | None] | UnsetType | None, REQUIRE] = UNSET
    on_isolation: Annotated[OnIsolation | UnsetType | None, ON_ISOLATION] = UNSET
    max_late: Annotated[Late | UnsetType | None, MAX_LATE] = UNSET
    must_succeed_every: Annotated[Late | UnsetType | None, MUST_SUCCEED_EVERY] = UNSET
    notify: Annotated[NotifyPatch | UnsetType | None, NOTIFY] = UNSET
    labels: Annotated[dict[LabelName, LabelValue | None] | UnsetType | None, LABELS] = UNSET
    description: Annotated[Description | UnsetType | None, DESCRIPTION] = UNSET
    owner: Annotated[Owner | UnsetType | None, OWNER] = UNSET
    runbook: Annotated[Runbook | UnsetType | None, RUNBOOK] = UNSET


class RunIn(Struct, forbid_unknown_fields=True):
    """How one run differs from its job."""

    parameters: Annotated[
        dict[str, Scalar | None] | None, Meta(description="Those in which it differs from its job; null takes one away")
    ] = None
    due: Annotated[
        InstantText | None, Meta(description="The due that it makes up for, which has passed; null: now")
    ] = None


class PauseIn(Struct, forbid_unknown_fields=True):
    """How long a job is paused, and why. What is left out is not said, whatever was said before."""

    until: Annotated[InstantText | None, UNTIL] = None
    reason: Annotated[Reason | None, WHY] = None


class PreviewIn(Struct, forbid_unknown_fields=True):
    """A trigger to look ahead with: exactly one of interval, cron and at; `count` dues after `from`."""

    interval: Annotated[IntervalIn | None, INTERVAL] = None
    cron: Annotated[CronText | None, CRON] = None
    at: Annotated[InstantText | None, AT] = None
    timezone: Annotated[ZoneName | UnsetType, TIMEZONE] = UNSET
    start: Annotated[InstantText | None, START] = None
    end: Annotated[InstantText | None, END] = None
    jitter: Annotated[SecondsOrNone, JITTER] = 0
    from_: Annotated[InstantText | None, Meta(description="The instant after which to look; now, if left out")] = field(
        default=None, name="from"
    )
    count: Annotated[int, Meta(ge=1, le=1000, description="How many dues to show")] = 10


class JobOut(Struct):
    """A job, as it is shown."""

    id: Annotated[str, ID]
    name: Annotated[str, NAME]
    interval: Annotated[
        str | None, Meta(description="The interval, as Python writes a timedelta; null for other triggers")
    ]
    next_run: Annotated[str | None, Meta(description="The next due in the daemon's local time; null when none is left")]
    task: Annotated[str, TASK]
    task_known: Annotated[bool, Meta(description="Whether the catalog has that task now; without it each due fails")]
    interval_seconds: Annotated[float | None, Meta(description="The interval in seconds; null for other triggers")]
    cron: Annotated[str | None, CRON]
    at: Annotated[Moment | None, AT]
    timezone: Annotated[str, TIMEZONE]
    next_due: Annotated[Moment | None, Meta(description="The next due; null when none is left")]
    start: Annotated[Moment | None, START]
    end: Annotated[Moment | None, END]
    max_runs: Annotated[int | None, MAX_RUNS]
    jitter: Annotated[float, JITTER]
    overlap: Annotated[Overlap, OVERLAP]
    misfire_grace: Annotated[float | None, MISFIRE_GRACE]
    catch_up: Annotated[CatchUp, CATCH_UP]
    retries: Annotated[int, RETRIES]
    retry_delay: Annotated[float, RETRY_DELAY]
    timeout: Annotated[float | None, TIMEOUT]
    effective: Annotated[EffectiveOut, EFFECTIVE]
    parameters: Annotated[dict[str, Scalar], PARAMETERS]
    placement: Annotated[Placement, PLACEMENT]
    require: Annotated[dict[str, str], REQUIRE]
    on_isolation: Annotated[OnIsolation, ON_ISOLATION]
    max_late: Annotated[float | None, MAX_LATE]
    must_succeed_every: Annotated[float | None, MUST_SUCCEED_EVERY]
    notify: Annotated[NotifyOut | None, NOTIFY]
    labels: Annotated[dict[str, str], LABELS]
    description: Annotated[str | None, DESCRIPTION]
    owner: Annotated[str | None, OWNER]
    runbook: Annotated[str | None, RUNBOOK]
    state: Annotated[JobState, Meta(description="Whether it waits for its next due, is paused, or has no due left")]
    paused: Annotated[bool, Meta(description="Whether dues pass without a run")]
    paused_by: Annotated[str | None, Meta(description="Who paused it: the name of a token; null: it needed none")]
    paused_at: Annotated[Moment | None, Meta(description="Since when it is paused; null: it is not")]
    paused_until: Annotated[Moment | None, UNTIL]
    pause_reason: Annotated[str | None, WHY]
    overdue: Annotated[OverdueOut | None, Meta(description="Since when it is overdue, and why; null: it is not")]
    created: Annotated[Moment, Meta(description="When it was made")]
    updated: Annotated[Moment, Meta(description="When its definition was changed last")]
    last_run: Annotated[LastRunOut | None, Meta(description="The newest run")]
    version: Annotated[
        int,
        Meta(
            description="Counts changes of its definition, and pauses: the ETag begins with it, and If-Match takes it"
        ),
    ]
    active: Annotated[int, Meta(description="Runs of it that wait or run")]
    recent: Annotated[list[RecentOut], Meta(description="What its last runs came to, up to 12, newest first")]
    median_duration: Annotated[
        float | None, Meta(description="Median seconds of those of its last 20 outcomes that succeeded; null: none did")
    ]


class Jobs(Struct):
    """A page of jobs."""

    values: Annotated[list[JobOut], FOUND]


class Withheld(Struct):
    """What is secret in a job, and shown as ***: PUT keeps it where the job has it."""

    id: Annotated[str, ID]
    pointers: Annotated[list[str], Meta(description="The places in its request (RFC 6901)")]


class JobRequests(Struct):
    """A page of jobs, each as the shortest request that would make it: what is as by default is left out."""

    values: Annotated[list[JobIn], FOUND]
    withheld: Annotated[list[Withheld], Meta(description="What is secret in them")]


class FireOut(Struct):
    """One due, in the zone asked for and in UTC; the note says what a change of clocks did to it."""

    at: Annotated[Moment, Meta(description="The due in the zone that was asked for")]
    utc: Annotated[Moment, Meta(description="The due in UTC")]
    note: Annotated[str | None, Meta(description="What a change of clocks did to it, if anything")]


class Fires(Struct):
    """What a trigger would do."""

    fires: Annotated[list[FireOut], Meta(description="The dues, in order")]
