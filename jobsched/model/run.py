"""One execution of a job, as the store keeps it, and the states of its process."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Final, Literal, TypedDict, Unpack, get_args

import attrs

from .labels import Label
from .state_machine import StateMachine

State = Literal[
    "waiting", "running", "stopping", "succeeded", "failed", "timed_out", "cancelled", "lost", "skipped", "missed"
]
RunEvent = Literal[
    "wait", "start", "skip", "miss", "stop", "finish", "fail", "time out", "cancel", "lose", "hear again"
]  # fmt: skip
Cause = Literal["schedule", "manual", "retry"]
OnIsolation = Literal["end", "keep"]

STATES: Final = StateMachine[State, RunEvent](
    states=get_args(State),
    begins={"wait": "waiting", "start": "running", "skip": "skipped", "miss": "missed"},
    table={
        ("waiting", "start"): "running",
        ("waiting", "skip"): "skipped",
        ("waiting", "miss"): "missed",
        ("waiting", "cancel"): "cancelled",
        ("running", "finish"): "succeeded",
        ("running", "fail"): "failed",
        ("running", "lose"): "lost",
        ("running", "cancel"): "cancelled",  # before its process began; so is the next line
        ("running", "time out"): "timed_out",
        ("running", "stop"): "stopping",
        ("stopping", "fail"): "failed",  # a fault of Jobsched at its end, or the store refused its outcome
        ("stopping", "lose"): "lost",
        ("stopping", "cancel"): "cancelled",
        ("stopping", "time out"): "timed_out",
        ("lost", "hear again"): "running",  # where others have taken it for lost: `goes_on`
    },
    taken_back=("hear again",),
)
ENDED: Final = STATES.final
ACTIVE: Final = tuple(state for state in STATES.states if state not in ENDED)
STARTED: Final = STATES.where("lose")
NEVER_RAN: Final = tuple(state for state in STATES.begins.values() if state in ENDED)  # states of a stretch
RETRIED: Final = ("failed", "timed_out", "lost")  # where the job asks for it
FAILING: Final[tuple[State, ...]] = ("failed", "timed_out", "lost", "missed")  # somebody has to look
COUNTED: Final[tuple[State, ...]] = ("succeeded", *FAILING)  # what was cancelled or skipped, somebody wanted so
RARE: Final = (*ACTIVE, *FAILING, "cancelled")  # states of few runs, where things go well
EARLY: Final = timedelta(minutes=1)  # no run is made longer than that before its due
KEPT: Final = "it may go on there (on_isolation is keep), so its due is not tried again elsewhere"
ANYWHERE: Final = ""  # the place of a run that any one node may execute

ProcessState = Literal["started", "exited", "ending", "killed", "gone"]
Sent = Literal["TERM", "KILL"]
ProcessEvent = Literal["spawn", "exit", "TERM", "KILL", "nothing left", "let go", "give up"]

# A run's process and the processes that it left behind: in `exited` they are waited for, in `ending` and `killed`
# they were told to end.
PROCESS: Final = StateMachine[ProcessState, ProcessEvent](
    states=get_args(ProcessState),
    begins={"spawn": "started"},
    table={
        ("started", "exit"): "exited",
        ("started", "TERM"): "ending",
        ("exited", "TERM"): "ending",
        ("exited", "nothing left"): "gone",
        ("exited", "let go"): "gone",
        ("exited", "give up"): "gone",
        ("ending", "exit"): "ending",
        ("ending", "KILL"): "killed",
        ("ending", "nothing left"): "gone",
        ("ending", "let go"): "gone",
        ("ending", "give up"): "gone",
        ("killed", "exit"): "killed",
        ("killed", "KILL"): "killed",  # again and again
        ("killed", "nothing left"): "gone",
        ("killed", "let go"): "gone",
        ("killed", "give up"): "gone",
        ("gone", "exit"): "gone",  # of a process that was given up
    },
)


class Changes(TypedDict, total=False):
    """What may change with the state of a run: fields of `Run`."""

    reason: str
    node: str | None
    node_id: str | None
    pid: int | None
    pid_started: float | None
    started: datetime | None
    ended: datetime | None
    isolated: datetime | None
    exit_code: int | None
    signal: str | None
    left_behind: int | None
    cpu_seconds: float | None
    max_rss: int | None
    output_bytes: int
    output_kept: int
    output_truncated: bool


class Fields(Changes, total=False):
    """What may be another in a copy of a run: these, too."""

    state: State
    place: str
    waited_for: str | None
    term_at: datetime
    kill_at: datetime


@attrs.frozen(kw_only=True)
class Run:
    """A job's run: what was due, what became of it, and why.

    A `missed` or `skipped` run may stand for a stretch: every due from `due` to `until`, `count` of them. A stretch may
    grow: `created` and `ended` are then those of its last due.
    `started` and `ended` are instants, `timeout` seconds, output sizes bytes.
    """

    id: str
    job_id: str
    job_name: str
    task: str
    due: datetime
    created: datetime
    until: datetime | None = None
    count: int = 1
    attempt: int = 1
    cause: Cause = "schedule"
    state: State = "waiting"
    reason: str = ""
    not_before: datetime | None = None
    overlaps: bool = False  # may start beside another run of its job
    parameters: dict[str, Any] = attrs.field(factory=dict, repr=False)  # some are secret
    timeout: float | None = None
    require: Mapping[str, str] = attrs.field(factory=dict)  # tags that its node must have
    place: str = ANYWHERE  # or the name of the one node that may run it
    on_isolation: OnIsolation = "end"  # what is to become of it where its node is cut off from the others
    isolated: datetime | None = None  # since when others did not know what became of it
    stop: str | None = None  # its node is asked to end it, for this reason
    node: str | None = None
    node_id: str | None = None
    pid: int | None = None
    pid_started: float | None = None  # tells its process from any other of that pid: `runner.group.began`
    started: datetime | None = None
    ended: datetime | None = None
    exit_code: int | None = None
    signal: str | None = None
    rerun_of: str | None = None  # the id of the run that a caller wanted again
    waited_for: str | None = None  # of one that has started: why it waited before that; None: it did not
    forced: bool | None = None  # a caller wanted it although its job was on hold
    left_behind: int | None = None  # processes, by a script that ended by itself; None: not so, or not known
    cpu_seconds: float | None = None  # of its process, and of those that it waited for; None: it was none
    max_rss: int | None = None  # bytes, of the largest of these; None: no more than what started it had
    term_at: datetime | None = None  # when TERM was first sent to its processes, also to what it left behind
    kill_at: datetime | None = None  # and KILL; None: it was not, or it has no process
    output_bytes: int = 0
    output_kept: int = 0
    output_truncated: bool = False

    def become(self, state: State, **changes: Unpack[Changes]) -> Run:
        """The run in a state that can follow its own, with these `changes`. Raises Impossible."""
        STATES.check(self.state, state)
        return self.but(state=state, **changes)

    def but(self, **changes: Unpack[Fields]) -> Run:
        """The same, but for these `changes`: as `attrs.evolve`, in a quarter of the time, for a run has many fields and
        is copied some times in its life."""
        made: Run = object.__new__(Run)
        for put, value in zip(_PUT, _VALUES(self), strict=True):
            put(made, value)
        for name, value in changes.items():
            object.__setattr__(made, name, value)
        return made

    def lost(self, reason: str, instant: datetime) -> Run:
        """The run after the daemon that executed it has gone: lost, or cancelled if a caller had asked for that."""
        before = self if self.active else attrs.evolve(self, state="running")  # as before it was recorded as lost
        if self.stop is not None:
            return before.become("cancelled", reason=f"{self.stop}; {reason}", ended=instant)
        return before.become("lost", reason=reason, ended=instant)

    def taken_for_lost(self, reason: str, instant: datetime) -> Run:
        """The run after others have taken its node for dead: lost, though its process may go on where that was asked
        for; then its own node alone can tell what became of it."""
        found = self.lost(reason, instant)
        if found.state == "cancelled" or self.on_isolation == "end":
            return found
        return attrs.evolve(found, reason=f"{reason}; {KEPT}", isolated=instant)

    def heard_of_again(self, node_id: str) -> Run:
        """The run after its node, which has this id now, has told that it goes on: no outcome any more, if others had
        taken it for lost."""
        if not self.goes_on:
            return attrs.evolve(self, node_id=node_id)
        reason = "its node is heard again, where it has gone on"
        return self.become("running", node_id=node_id, reason=reason, ended=None)

    @property
    def goes_on(self) -> bool:
        """Whether others have taken it for lost, its process may go on, and its node was not heard since."""
        return self.state == "lost" and self.isolated is not None and self.isolated == self.ended

    def was_sent(self, sent: Sent, instant: datetime) -> Run:
        """The run after its processes were sent that, for the first time."""
        return self.but(term_at=instant) if sent == "TERM" else self.but(kill_at=instant)

    @property
    def active(self) -> bool:
        """Whether it waits or runs: it has no outcome yet."""
        return self.state in ACTIVE


_NAMES: Final = tuple(field.name for field in attrs.fields(Run))
_VALUES: Final = attrgetter(*_NAMES)
_PUT: Final = tuple(getattr(Run, name).__set__ for name in _NAMES)


@attrs.frozen(kw_only=True)
class RunFilter:
    """Which runs are asked for; what is None does not matter. `begin <= due < end`."""

    job_id: str | None = None
    states: tuple[State, ...] = ()  # any of them; none: any
    task: str | None = None
    node: str | None = None  # where it runs or ran, or has to
    cause: Cause | None = None
    begin: datetime | None = None
    end: datetime | None = None
    labels: tuple[Label, ...] = ()  # all of them; those that its job has now
    tasks: tuple[str, ...] | None = None  # patterns of those that may be seen


@attrs.frozen(kw_only=True)
class Tail:
    """The last bytes that were kept of a run's output; `start` bytes come before them."""

    run_id: str
    start: int
    data: bytes

    @property
    def size(self) -> int:
        """Bytes of the whole."""
        return self.start + len(self.data)


@attrs.frozen(kw_only=True)
class LastRun:
    """What is shown of the newest run of a job."""

    id: str
    job_id: str
    task: str
    due: datetime
    state: State
    reason: str
