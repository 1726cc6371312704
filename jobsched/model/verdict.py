"""Why a job did, or did not, run at a time: what is known of it, and the answer in words. `judge` gives the answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, get_args

import attrs

from .audit import Entry
from .downtime import HELD_UP, NO_DAEMON, NO_NODE
from .hold import Hold
from .job import Job
from .run import Run
from .time_text import Named

Answer = Literal[
    "no_such_job", "not_made_yet", "to_come", "not_due", "not_known", "undecided",
    "paused", "on_hold", "no_daemon", "held_up", "no_node", "overlap", "misfire", "changed", "max_runs",
    "no_slot", "waiting", "running", "failed", "timed_out", "cancelled", "lost", "succeeded",
]  # fmt: skip
ANSWERS: Final = get_args(Answer)

# How the reasons begin for which a due started nothing: those of `owed`, of the claim and of its placement.
REASONS: Final[tuple[tuple[str, Answer], ...]] = (
    ("paused", "paused"),
    ("on hold", "on_hold"),
    (NO_DAEMON, "no_daemon"),
    (HELD_UP, "held_up"),
    (NO_NODE, "no_node"),
    ("no living node has", "no_node"),
    ("node ", "no_node"),
    ("nobody could run it", "no_node"),
    ("the run before it was still active", "overlap"),
    ("a run was already waiting", "overlap"),
    ("replaced by a later due", "overlap"),
    ("found later than misfire_grace", "misfire"),
    ("older than the", "misfire"),
    ("a later due was waiting too", "misfire"),
    ("dues after it had their outcome already", "misfire"),
    ("the job was changed", "changed"),
    ("the job was deleted", "changed"),
    ("max_runs was reached", "max_runs"),
)


@attrs.frozen(kw_only=True)
class Record:
    """What the record holds about a job and a time.

    `runs` are due in the windows that were named, with stretches that reach into them; `active` are other runs of the
    job that were active then; `holders` are runs that hold the slots now. `entries` are of the audit log: changes of
    the job after that time, oldest first. `hold` is the one that there is now, over this job or others. `before` and
    `after` are the nearest other dues. `by_hand` is the newest run since then that a caller had. `trouble` keeps the
    daemon that is asked from its work now.
    """

    job_id: str
    now: datetime
    named: Named
    job: Job | None  # as it is now; None: it is deleted
    deleted: Entry | None = None
    expected: datetime | None = None  # a due of the job as it is now, in those windows
    note: str | None = None  # what a change of clocks did to a due near that time
    runs: Sequence[Run] = ()
    active: Sequence[Run] = ()
    holders: Sequence[Run] = ()
    entries: Sequence[Entry] = ()
    hold: Hold | None = None
    before: datetime | None = None
    after: datetime | None = None
    by_hand: Run | None = None
    task_known: bool = True  # to a node that lives
    trouble: str | None = None

    @property
    def held(self) -> Hold | None:
        """The hold, if the job is among those that it stops now."""
        return self.hold if self.hold is not None and self.job is not None and self.hold.stops(self.job) else None

    @property
    def name(self) -> str:
        """The name of the job, as it is now or was last."""
        if self.job is not None:
            return self.job.name
        last = self.deleted and self.deleted.name
        return last or next((run.job_name for run in self.runs), self.job_id)


@attrs.frozen(kw_only=True)
class Fact:
    """A line of evidence, and the instant and the run that it is about."""

    text: str
    at: datetime | None = None
    run_id: str | None = None


@attrs.frozen(kw_only=True)
class Step:
    """What may be done next: a call of the API, with its body."""

    text: str
    method: str
    path: str
    body: dict[str, str | float] | None = None


@attrs.frozen(kw_only=True)
class Verdict:
    """The answer, in a word and in a sentence; the due that it is about, the evidence, and what may be done."""

    answer: Answer
    sentence: str
    due: datetime | None = None
    run: Run | None = None
    facts: tuple[Fact, ...] = ()
    steps: tuple[Step, ...] = ()
    name: str = ""  # of the job


def classify(reason: str) -> Answer | None:
    """Why a due started nothing, by the reason of its run; None: it is none of those that are known."""
    return next((answer for begin, answer in REASONS if reason.startswith(begin)), None)
