"""What scripts saw of themselves, against what the store says of their runs.

Each script appends a line to one file when it begins, and another when it ends or is asked to end; the file is all that
is known of what really ran. Times are seconds since the machine booted: no clock that is set can change them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from operator import attrgetter
from pathlib import Path

import attrs

from jobsched.model.run import ENDED, Run

FAILS = 3  # what a script that is to fail exits with

OVER = ("end", "killed")

# Builtins of sh alone but for sleep: a process more would be a process more sixty times a second.
SCRIPT = f"""#!/bin/sh
note() {{
    read up rest </proc/uptime
    echo "$1 $JOBSCHED_JOB_ID $JOBSCHED_DUE $JOBSCHED_ATTEMPT $JOBSCHED_RUN_ID $up $$ $WITNESS_NODE" >>"$WITNESS_FILE"
}}
trap 'note killed; exit 143' TERM
note start
[ "$JOBSCHED_PARAM_SECONDS" = 0 ] || sleep "$JOBSCHED_PARAM_SECONDS"
trap '' TERM
note end
[ "$JOBSCHED_ATTEMPT" -gt "$JOBSCHED_PARAM_FAILURES" ] || exit {FAILS}
"""


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


@attrs.frozen
class Note:
    """One line: a script of that run has begun, has come to its end, or was asked to end and does."""

    what: str
    job_id: str
    due: datetime = attrs.field(converter=_instant)
    attempt: int = attrs.field(converter=int)
    run_id: str
    at: float = attrs.field(converter=float)
    pid: int = attrs.field(converter=int)
    node: str

    @property
    def key(self) -> tuple[str, datetime, int]:
        """What may be started once."""
        return self.job_id, self.due, self.attempt

    def __str__(self) -> str:
        return (
            f"job {self.job_id}, due {self.due.isoformat()}, attempt {self.attempt}, run {self.run_id}: "
            f"{self.what} at {self.at:.2f}, pid {self.pid}, on {self.node}"
        )


def read(path: Path) -> list[Note]:
    """The notes in a file, in the order in which they were written. A line that is cut short raises ValueError."""
    lines = path.read_text().split("\n") if path.exists() else [""]
    if lines.pop():
        raise ValueError(f"{path} ends in the middle of a line")
    return [_note(line) for line in lines]


def _note(line: str) -> Note:
    words = line.split(" ")
    if len(words) != len(attrs.fields(Note)) or words[0] not in {"start", *OVER}:
        raise ValueError(f"no note: {line!r}")
    return Note(*words)


@attrs.frozen
class Script:
    """What one run's notes come to."""

    starts: Sequence[Note]
    ends: Sequence[Note]
    kills: Sequence[Note]

    @classmethod
    def of(cls, notes: Sequence[Note]) -> Script:
        """The notes of one run."""
        return cls(*([note for note in notes if note.what == what] for what in ("start", *OVER)))


def contradictions(notes: Iterable[Note], runs: Iterable[Run]) -> Iterator[str]:
    """All that does not fit together, once every run has ended: started twice, or not as the record says."""
    notes, rows = list(notes), {run.id: run for run in runs}
    yield from _twice(notes)
    scripts: dict[str, list[Note]] = defaultdict(list)
    for note in notes:
        scripts[note.run_id].append(note)
        if note.run_id not in rows:
            yield f"{note}, but no such run is recorded"
    for run in rows.values():
        yield from (f"{describe(run)}: {words}" for words in _differs(run, Script.of(scripts[run.id])))
    yield from _beside([note for note in notes if note.run_id in rows], rows)


def describe(run: Run) -> str:
    """A run as it is recorded."""
    return (
        f"job {run.job_id}, due {run.due.isoformat()}, attempt {run.attempt}, run {run.id} "
        f"({run.state} on {run.node}: {run.reason})"
    )


def at_length(run: Run) -> str:
    """The same with all its instants."""
    named = {"created": run.created, "not before": run.not_before, "started": run.started, "ended": run.ended}
    return describe(run) + "".join(f", {name} {at:%H:%M:%S.%f}" for name, at in named.items() if at is not None)


def _twice(notes: Sequence[Note]) -> Iterator[str]:
    """The one thing that must never be."""
    first: dict[tuple[str, datetime, int], Note] = {}
    for note in notes:
        if note.what == "start" and first.setdefault(note.key, note) is not note:
            yield f"started twice: {first[note.key]}; {note}"


def _differs(run: Run, script: Script) -> Iterator[str]:
    for note in (*script.starts, *script.ends, *script.kills):
        if (note.job_id, note.due, note.attempt, note.node) != (run.job_id, run.due, run.attempt, run.node):
            yield f"but its script says: {note}"
    if run.state not in ENDED:
        yield "it has no outcome"
    if script.starts and run.started is None:
        yield f"but it was started: {script.starts[0]}"
    by_itself = run.state == "succeeded" or (run.state == "failed" and run.exit_code == FAILS)
    if by_itself and (len(script.starts), len(script.ends)) != (1, 1):
        yield f"but its script began {len(script.starts)} and ended {len(script.ends)} times"
    if by_itself and script.starts and script.ends and script.starts[0].pid != script.ends[0].pid:
        yield f"but {script.starts[0].pid} began and {script.ends[0].pid} ended"
    over = [*script.ends, *script.kills]
    if len(over) > len(script.starts):
        yield f"it ended more often than it began: {over[-1]}"
    if (run.state == "failed" and not by_itself) or run.state == "timed_out":
        yield "nothing here fails like that"


def _beside(notes: Sequence[Note], rows: dict[str, Run]) -> Iterator[str]:
    """Scripts of a job that does not overlap, two at the same time.

    What a dead or frozen node left may go on for a while: it is lost by then. What was killed without being able to say
    so is over when the next one begins.
    """
    going: dict[str, Note] = {}
    said_it = {note.run_id for note in notes if note.what in OVER}
    for note in sorted(notes, key=attrgetter("at")):
        run = rows[note.run_id]
        if run.overlaps or run.state == "lost" or note.run_id not in said_it:
            continue
        other = going.get(note.job_id)
        if note.what == "start":
            if other is not None:
                yield f"two scripts of a job at the same time: {other}; {note}"
            going[note.job_id] = note
        elif other is not None and other.run_id == note.run_id:
            del going[note.job_id]
