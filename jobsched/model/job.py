"""A schedule: a task, a name, a trigger and policies; and a pause of it, which is stopping on purpose."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal, get_args

import attrs

from .job_list import IDLE, Activity, JobOrder
from .labels import About, Label
from .run import FAILING, LastRun, OnIsolation
from .times import utc_text
from .trigger import Schedule

Overlap = Literal["skip", "queue", "replace", "allow"]
CatchUp = Literal["latest", "none", "all"]
Placement = Literal["any", "every"]

CATCH_UP_MOST = 1000  # runs that `catch_up: all` starts for one stretch of downtime
LONGEST_REASON: Final = 500  # characters


@attrs.frozen(kw_only=True)
class Policy:
    """The choices of one job; the defaults are the contract's."""

    overlap: Overlap = "skip"
    misfire_grace: timedelta | None = timedelta(seconds=60)  # None: no limit
    catch_up: CatchUp = "latest"
    retries: int = 0
    retry_delay: timedelta = timedelta(seconds=60)
    placement: Placement = "any"
    require: Mapping[str, str] = attrs.field(factory=dict)  # tags that a node must have
    on_isolation: OnIsolation = "end"  # what becomes of a run whose node is cut off from the others


Event = Literal["failed", "timed_out", "lost", "missed", "overdue", "recovered", "started", "succeeded"]
Format = Literal["json", "slack", "teams"]

EVENTS: Final[tuple[Event, ...]] = get_args(Event)
USUAL: Final[tuple[Event, ...]] = EVENTS[:6]  # that all went well is told to those alone that ask for it
MOST_FAILURES: Final = 100


@attrs.frozen(kw_only=True)
class Notify:
    """Which events are told, and to whom; `url` None is the receiver that the operator set for all."""

    url: str | None = None
    on: tuple[Event, ...] = USUAL
    after: int = 1  # failures in a row: those before are not told
    format: Format = "json"  # in which the receiver of `url` wants it


@attrs.frozen(kw_only=True)
class Watch:
    """When a job is overdue, and what is told. Without `notify` all events are told, to the receiver for all jobs."""

    max_late: timedelta | None = None  # from a due to its start
    must_succeed_every: timedelta | None = None
    notify: Notify | None = None

    @property
    def asked(self) -> bool:
        """Whether such a job can be overdue."""
        return self.max_late is not None or self.must_succeed_every is not None

    def same_terms(self, other: Watch) -> bool:
        """Whether both are overdue at the same time."""
        mine, theirs = (self.max_late, self.must_succeed_every), (other.max_late, other.must_succeed_every)
        return mine == theirs


Source = Literal["job", "task", "JOB_LIVETIME"]


@attrs.frozen(kw_only=True)
class Timeout:
    """Seconds after which a run is ended, and where that number is set; None: the run is not ended."""

    seconds: float | None = None
    source: Source | None = None


def timeout_of(job: float | None, kind: str | None, task: float | None, livetime: float) -> Timeout:
    """The timeout in force for a run.

    - `job`, `task`: the timeouts that the job and the task set; None: not set
    - `kind`: of the task; None: not known
    - `livetime`: JOB_LIVETIME

    A plain task in a thread cannot be ended: if its job sets a timeout, the run is at least recorded as timed out.
    """
    if job is not None:
        return Timeout(seconds=job, source="job")
    if kind is None or kind == "thread":
        return Timeout()
    if task is not None:
        return Timeout(seconds=task, source="task")
    return Timeout(seconds=livetime, source="JOB_LIVETIME")


@attrs.frozen(kw_only=True)
class Pause:
    """How a job came to be paused. Dues before `until` pass, one at `until` runs; None: until the job is resumed."""

    by: str | None  # the name of a token; None: no token was needed
    at: datetime  # since when
    until: datetime | None = None
    reason: str = ""

    def is_over(self, now: datetime) -> bool:
        """Whether it has ended by itself."""
        return self.until is not None and self.until <= now

    @property
    def words(self) -> str:
        """What is said of the dues that passed."""
        return stopped("paused", self.by, self.until, self.reason)


def stopped(how: str, by: str | None, until: datetime | None, reason: str) -> str:
    """In words: "paused by alice until 2026-11-28T05:00:00Z: database upgrade", as far as these are known."""
    words = how if by is None else f"{how} by {by}"
    if until is not None:
        words += f" until {utc_text(until)}"
    return f"{words}: {reason}" if reason else words


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
    about: About = attrs.field(factory=About)
    timeout: float | None = None  # seconds; None: the task's own, or JOB_LIVETIME
    parameters: dict[str, Any] = attrs.field(factory=dict, repr=False)  # some are secret
    max_runs: int | None = None
    paused: bool = False
    pause: Pause | None = None  # how it came to be paused; None: it is not, or nothing is known of it
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
    def why_paused(self) -> str:
        """What is said of dues that pass while it is paused."""
        return "paused" if self.pause is None else self.pause.words

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
    activity: Activity = IDLE
    place: str = ""  # where it stands in the list that was asked for

    @property
    def state(self) -> str:
        """What matters most: what it does now; else what is wrong with it; else whether it waits for a due."""
        job, last, ended = self.job, self.last_run, self.activity.recent
        if last is not None and last.state in ("running", "stopping"):
            return last.state
        if job.paused:
            return "paused"
        if job.overdue is not None:
            return "overdue"
        return ended[0].state if ended and ended[0].state in FAILING else job.state


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
    names: str | None = None  # a glob, of the name or of the id
    task: str | None = None
    state: JobState | None = None
    overdue: bool | None = None
    failing: bool = False  # only those whose newest run that counts failed, timed out, was lost or missed
    needy: bool = False  # only those that are overdue or failing
    labels: tuple[Label, ...] = ()  # all of them
    words: tuple[str, ...] = ()  # each in the name, the description, the task or a label
    order: JobOrder = attrs.field(factory=JobOrder)
    activity: bool = True  # whether it is wanted
    tasks: tuple[str, ...] | None = None  # patterns of those that may be seen
