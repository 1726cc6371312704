"""How an execution ended, and what that makes of its run."""

from __future__ import annotations

from datetime import datetime

import attrs

from ..model.run import Run
from .deadline import Stop
from .output import Printed

COULD_NOT = (126, 127)  # what env exits with when it cannot start the program
LAUNCHER = "env: "
LONGEST = 1000  # characters of a reason


@attrs.frozen(kw_only=True)
class Ending:
    """The bare facts: an exit code, a signal's name, or an exception in words; and who stopped it, if anybody."""

    exit_code: int | None = None
    signal: str | None = None
    error: str | None = None
    stopped: Stop | None = None


def plain(text: str) -> str:
    """Words for the record: one line that every database takes, whatever a script printed or an exception says."""
    shown = (char if char.isprintable() or char.isspace() else "\ufffd" for char in text[:LONGEST])
    return " ".join("".join(shown).split()) + ("..." if len(text) > LONGEST else "")


def outcome(run: Run, ending: Ending, printed: Printed, now: datetime) -> Run:
    """The run with its outcome: the state and the reason in words that stay in the record."""
    state, reason = run.state, ""
    if ending.stopped is not None:
        state = ending.stopped.state
        reason = run.reason if run.state == "stopping" else ending.stopped.reason
        if ending.signal == "SIGKILL":
            reason += "; did not end by itself and was killed"
    elif ending.error is not None:
        state, reason = "failed", ending.error
    elif ending.signal is not None:
        state, reason = "failed", f"ended by {ending.signal}, which nobody here sent"
    elif ending.exit_code in COULD_NOT and printed.last_line.startswith(LAUNCHER):
        state, reason = "failed", f"could not start: {printed.last_line.removeprefix(LAUNCHER)}"
    elif ending.exit_code:
        state, reason = "failed", f"exit code {ending.exit_code}"
        if printed.last_line:
            reason += f", last line: {printed.last_line}"
    else:
        state, reason = "succeeded", "finished"
    if printed.cut:
        reason += f"; {printed.cut}"
    return attrs.evolve(
        run,
        state=state,
        reason=plain(reason),
        ended=now,
        exit_code=ending.exit_code,
        signal=ending.signal,
        output_bytes=printed.total,
        output_kept=printed.kept,
        output_truncated=printed.kept < printed.total,
    )
