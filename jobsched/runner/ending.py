"""How an execution ended, and what that makes of its run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import attrs

from ..model.run import Run
from .deadline import Stop
from .output import Printed

COULD_NOT = (125, 126, 127)  # what env, nice, setpriv and prlimit exit with when they cannot start the program
REFUSED = 1  # and what the last two exit with when they may not do what they are asked to
ALWAYS = ("env",)  # may stand in a script's #! line too
LONGEST = 1000  # characters of a reason


@attrs.frozen(kw_only=True)
class Ending:
    """The bare facts: an exit code, a signal's name, or an exception in words; and who stopped it, if anybody."""

    exit_code: int | None = None
    signal: str | None = None
    error: str | None = None
    stopped: Stop | None = None
    launchers: tuple[str, ...] = ()  # the programs that were to start its own


def plain(text: str) -> str:
    """Words for the record: one line that every database takes, whatever a script printed or an exception says."""
    shown = (char if char.isprintable() or char.isspace() else "\ufffd" for char in text[:LONGEST])
    return " ".join("".join(shown).split()) + ("..." if len(text) > LONGEST else "")


def _not_started(ending: Ending, said: str) -> str | None:
    """What a program in front of the run's own said when it could not start that; None if it could."""
    path, sign, words = said.partition(": ")
    launcher = path.rpartition("/")[2]  # some give their name as they were called, by their path
    asked = launcher in ending.launchers
    known = (asked or launcher in ALWAYS) and bool(sign)
    return words if known and (ending.exit_code in COULD_NOT or (asked and ending.exit_code == REFUSED)) else None


def outcome(run: Run, ending: Ending, printed: Printed, now: datetime, hush: Callable[[str], str] = str) -> Run:
    """The run with its outcome: the state and the reason in words that stay in the record, without secrets."""
    state, reason = run.state, ""
    if ending.stopped is not None:
        state = ending.stopped.state
        reason = run.reason if run.state == "stopping" else ending.stopped.reason
        if ending.signal == "SIGKILL":
            reason += "; did not end by itself and was killed"
    elif ending.error is not None:
        state, reason = "failed", ending.error
    elif ending.signal is not None:
        sender = "for its limit of CPU seconds was reached" if ending.signal == "SIGXCPU" else "which nobody here sent"
        state, reason = "failed", f"ended by {ending.signal}, {sender}"
    elif (why := _not_started(ending, printed.last_line)) is not None:
        state, reason = "failed", f"could not start: {why}"
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
        reason=plain(hush(reason)),
        ended=now,
        exit_code=ending.exit_code,
        signal=ending.signal,
        output_bytes=printed.total,
        output_kept=printed.kept,
        output_truncated=printed.kept < printed.total,
    )
