"""One execution of a job, as the store keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

import attrs

State = Literal[
    "waiting", "running", "stopping", "succeeded", "failed", "timed_out", "cancelled", "lost", "skipped", "missed"
]
Cause = Literal["schedule", "manual", "retry"]

ACTIVE: Final = ("waiting", "running", "stopping")
STARTED: Final = ("running", "stopping")
NEVER_RAN: Final = ("skipped", "missed")  # the outcomes of a due that started nothing; they may be those of a stretch
RETRIED: Final = ("failed", "timed_out", "lost")  # where the job asks for it
ANYWHERE: Final = ""  # the place of what runs once, on whatever node
ENDED: Final = ("succeeded", "failed", "timed_out", "cancelled", "lost", "skipped", "missed")


@attrs.frozen(kw_only=True)
class Run:
    """A job's run: what was due, what became of it, and why.

    A `missed` or `skipped` run may stand for a stretch: every due from `due` to `until`, `count` of them. It may grow:
    `created` and `ended` are then of its last due.
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
    stop: str | None = None  # its node is asked to end it, for this reason
    node: str | None = None
    node_id: str | None = None
    pid: int | None = None
    pid_started: float | None = None  # tells its process from any other of that pid: `runner.group.began`
    started: datetime | None = None
    ended: datetime | None = None
    exit_code: int | None = None
    signal: str | None = None
    left_behind: int | None = None  # processes, by a script that ended by itself; None: it did not, or is not known
    output_bytes: int = 0
    output_kept: int = 0
    output_truncated: bool = False

    def lost(self, reason: str, instant: datetime) -> Run:
        """What became of it when the daemon that ran it was gone: it is lost, or cancelled if that was asked for."""
        if self.stop is not None:
            return attrs.evolve(self, state="cancelled", reason=f"{self.stop}; {reason}", ended=instant)
        return attrs.evolve(self, state="lost", reason=reason, ended=instant)

    @property
    def active(self) -> bool:
        """Whether it waits or runs: it has no outcome yet."""
        return self.state in ACTIVE


@attrs.frozen(kw_only=True)
class RunFilter:
    """Which runs are asked for; what is None does not matter. `begin <= due < end`."""

    job_id: str | None = None
    state: str | None = None
    begin: datetime | None = None
    end: datetime | None = None
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
