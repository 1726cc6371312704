"""Runs, as they are shown."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from ...model.run import Cause, State
from . import FOUND, ID, REASON, STATE, Moment

DUE = Meta(description="The instant at which it should start")


class LastRunOut(Struct):
    """The newest run of a job, in short."""

    id: Annotated[str, ID]
    due: Annotated[Moment, DUE]
    state: Annotated[State, STATE]
    reason: Annotated[str, REASON]


class RecentOut(Struct):
    """A run that has ended, as a mark in a list."""

    id: Annotated[str, ID]
    due: Annotated[Moment, DUE]
    state: Annotated[State, STATE]


class OutputOut(Struct):
    """How much a run printed and how much of it was kept, in bytes."""

    bytes: Annotated[int, Meta(description="Bytes that were printed")]
    kept: Annotated[int, Meta(description="Bytes of them that were kept")]
    truncated: Annotated[bool, Meta(description="Whether some were not kept")]


class RunOut(Struct):
    """A run, as it is shown; `until` and `count` tell of a stretch of dues with one fate."""

    id: Annotated[str, Meta(description="Unique; newer runs have greater ids")]
    job_id: Annotated[str, Meta(description="The job it is a run of; that may be deleted by now")]
    job_name: Annotated[str, Meta(description="That job's name when the run was made")]
    task: Annotated[str, Meta(description="The task that is run")]
    due: Annotated[Moment, DUE]
    attempt: Annotated[int, Meta(description="1, and one more for each retry")]
    cause: Annotated[Cause, Meta(description="What made it: the schedule, a caller, or a retry")]
    state: Annotated[State, STATE]
    reason: Annotated[str, REASON]
    node: Annotated[str | None, Meta(description="The name of the daemon that runs it, or that it waits for")]
    pid: Annotated[int | None, Meta(description="Its process; null when it has none of its own")]
    started: Annotated[Moment | None, Meta(description="When it was started")]
    ended: Annotated[Moment | None, Meta(description="When its outcome was known")]
    duration: Annotated[float | None, Meta(description="Seconds from start to end")]
    exit_code: Annotated[int | None, Meta(description="What its process exited with")]
    signal: Annotated[str | None, Meta(description="The signal that ended its process")]
    left_behind: Annotated[
        int | None,
        Meta(
            description="Processes that its script left behind, whatever became of them; null: it did not end by itself"
        ),
    ]
    cpu_seconds: Annotated[
        float | None, Meta(description="Of its process and of those that it waited for; null: it was no process")
    ]
    max_rss: Annotated[
        int | None,
        Meta(
            description="Most bytes of memory of the largest of these, or of all its processes together where a "
            "control group counts them; null: no more than what started it had"
        ),
    ]
    term_at: Annotated[
        Moment | None,
        Meta(description="When TERM was sent to it, or to what it left behind; null: it was not, or it has no process"),
    ]
    kill_at: Annotated[Moment | None, Meta(description="When KILL was sent, for TERM had not ended all; null likewise")]
    waited_for: Annotated[
        str | None, Meta(description="Why it waited before it started; null: it did not wait, or has not started")
    ]
    isolated: Annotated[
        Moment | None,
        Meta(description="Since when its node was cut off from the others while it went on; null: that was not so"),
    ]
    output: Annotated[OutputOut, Meta(description="How much it printed")]
    last_line: Annotated[
        str | None,
        Meta(description="The last whole line that it printed so far; null: it does not run on the node that answers"),
    ]
    rerun_of: Annotated[str | None, Meta(description="The id of the run that a caller wanted again")]
    until: Annotated[Moment | None, Meta(description="The last due of a stretch with one fate; null for a single due")]
    count: Annotated[int, Meta(description="How many dues it stands for: 1, or more on a stretch")]


class Runs(Struct):
    """A page of runs."""

    values: Annotated[list[RunOut], FOUND]
