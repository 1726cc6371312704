"""How an execution ended, and what that makes of its run."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal

import attrs
from twisted.internet.error import ProcessTerminated
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..model.printable import shown
from ..model.run import Run, State
from ..model.success import PLAIN
from .deadline import Stop
from .output_file import Printed
from .procfs import STUCK, Stat
from .session import Usage

COULD_NOT = (125, 126, 127)  # what env, nice, setpriv and prlimit exit with when they cannot start the program
BUSY = 126  # one of them: the program is there, and cannot be started as it is
MISREAD = (2, *COULD_NOT)  # and what an interpreter exits with that cannot make sense of its options
REFUSED = 1  # and what the last two exit with when they may not do what they are asked to
ALWAYS = ("env",)  # may stand in a script's #! line too
LONGEST = 1000  # characters of a reason
NAMED = 10  # processes, at most

# Who sends these, where it was not the daemon.
SENDERS = {
    "SIGXCPU": "for its limit of CPU seconds was reached",
    "SIGKILL": "which nobody here sent; if memory was short, the kernel's log (dmesg) tells of it",
}

Fate = Literal["ended", "awaited", "kept"]  # of what a script left behind


log = Logger()


@attrs.frozen(kw_only=True)
class ProcessExit:
    """The bare facts: an exit code, a signal's name, or an exception in words; and who stopped it, if anybody.

    `left`: what a script that ended by itself left behind, and its fate; None: it did not, or was no process.
    """

    exit_code: int | None = None
    signal: str | None = None
    error: str | None = None
    stopped: Stop | None = None
    launchers: tuple[str, ...] = ()  # the programs that were to start its own
    left: tuple[Stat, ...] | None = None
    fate: Fate = "ended"
    given_up: tuple[Stat, ...] = ()  # what lives on, for it could not be killed
    refused: tuple[Stat, ...] = ()  # what lives on, for we may not signal it
    busy: bool = False  # it was not started, for somebody had its file open to write
    hint: str = ""  # what may be the reason, and what to do
    usage: Usage | None = None
    at: float | None = None  # the moment at which it ended, as `clock.elapsed` counts; None: when it is told of


def signal_name(number: int) -> str:
    """The name of a signal as people know it."""
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def exit_of(reason: Failure, launchers: tuple[str, ...], usage: Usage | None = None) -> ProcessExit:
    """What Twisted says of a process that has exited."""
    value = reason.value
    if not isinstance(value, ProcessTerminated):
        return ProcessExit(exit_code=0, launchers=launchers, usage=usage)
    name = signal_name(value.signal) if value.signal else None
    return ProcessExit(exit_code=None if name else value.exitCode, signal=name, launchers=launchers, usage=usage)


def plain(text: str) -> str:
    """Words for the record: one line that every database takes, whatever a script printed or an exception says."""
    line = shown(" ".join(text[:LONGEST].split()))
    return line[:LONGEST] + ("..." if len(text) > LONGEST or len(line) > LONGEST else "")


def _not_started(process_exit: ProcessExit, said: str) -> str | None:
    """What a program in front of the run's own said when it could not start that; None if it could."""
    path, sign, words = said.partition(": ")
    launcher = path.rpartition("/")[2]  # some give their name as they were called, by their path
    asked = launcher in process_exit.launchers
    known = (asked or launcher in ALWAYS) and bool(sign)
    return (
        words
        if known and (process_exit.exit_code in COULD_NOT or (asked and process_exit.exit_code == REFUSED))
        else None
    )


def is_busy(opening: bytes, starters: Sequence[str], path: str) -> bool:
    """Whether a program in front of the run's own could not start that, for its file was open to be written.

    Only if all that was printed is its one line about that very file: what a script did is not done again.
    """
    said = opening.decode("utf-8", "replace").removesuffix("\n")
    launcher, sign, words = said.partition(": ")
    about = bool(sign) and "\n" not in said and os.path.basename(path) in words
    return about and launcher.rpartition("/")[2] in starters and words.endswith(f": {os.strerror(errno.ETXTBSY)}")


def named(processes: Sequence[Stat]) -> str:
    """Processes for people: their numbers and names."""
    words = ", ".join(f"{each.pid} ({plain(each.name)})" for each in processes[:NAMED])
    return words + (f" and {len(processes) - NAMED} more" if len(processes) > NAMED else "")


def left_behind(process_exit: ProcessExit) -> str:
    """What became of what the script left behind, for the reason; "": there was none, or none but what `lives_on`."""
    others = {each.key for each in (*process_exit.given_up, *process_exit.refused)}
    left = [each for each in process_exit.left or () if each.key not in others]
    if not left:
        return ""
    one = len(left) == 1
    were, fate = {
        "ended": ("was" if one else "were", "ended"),
        "awaited": ("was" if one else "were", "waited for"),
        "kept": ("goes" if one else "go", "on"),
    }[process_exit.fate]
    return f"{'1 process' if one else f'{len(left)} processes'} that it left behind {were} {fate}"


def lives_on(process_exit: ProcessExit) -> str:
    """What could not be ended, for the reason; "": there was none."""
    words = []
    if process_exit.given_up:
        who, be = _who(process_exit.given_up, "is", "are")
        if all(each.state == STUCK for each in process_exit.given_up):
            words.append(f"{who} {be} in uninterruptible sleep (state D), which KILL does not end: given up")
        else:
            states = ", ".join(dict.fromkeys(each.state or "gone" for each in process_exit.given_up))
            words.append(f"{who} {be} still there after KILL (state {states}): given up")
    if process_exit.refused:
        who, be = _who(process_exit.refused, "belongs", "belong")
        words.append(f"{who} {be} to another user, whose processes this daemon may not signal: left alone")
    return "; ".join(words)


def _who(processes: Sequence[Stat], one: str, more: str) -> tuple[str, str]:
    alone = len(processes) == 1
    return f"{'process' if alone else 'processes'} {named(processes)}", one if alone else more


def _had_ended(process_exit: ProcessExit) -> str:
    """How the script ended, for a run stopped while it waited for processes left behind; "" for any other run."""
    if process_exit.stopped is None or process_exit.left is None:
        return ""
    return f"its script had ended with {process_exit.signal or f'exit code {process_exit.exit_code}'}"


def tell_of_what_was_left(run: Run, process_exit: ProcessExit) -> None:
    """For the log: what was ended that nobody had asked to end, and what could not be ended."""
    if process_exit.left and process_exit.fate == "ended" and (what := left_behind(process_exit)):
        log.warn("run {run} of {job}: {what}: {processes}",
                 run=run.id, job=run.job_name, what=what, processes=named(process_exit.left))  # fmt: skip
    if what := lives_on(process_exit):
        log.error("run {run} of {job}: {what}", run=run.id, job=run.job_name, what=what)


def _by_itself(code: int | None, printed: Printed, codes: Sequence[int]) -> tuple[State, str]:
    """State and reason of a run that ended by itself; a task in the daemon has no exit code."""
    if code is not None and code not in codes:
        why = f"exit code {code}" + ("" if code else ", which success_codes does not have")
        return "failed", f"{why}, last line: {printed.last_line}" if printed.last_line else why
    if printed.fault:
        return "failed", printed.fault
    return "succeeded", f"finished: exit code {code} counts as a success" if code else "finished"


def outcome(
    run: Run,
    process_exit: ProcessExit,
    printed: Printed,
    now: datetime,
    redact: Callable[[str], str] = str,
    codes: Sequence[int] = PLAIN.codes,
) -> Run:
    """The run with its outcome: the state and the reason in words that stay in the record, without secrets.

    `codes`: the exit codes that count as a success.
    """
    state, reason = run.state, ""
    if process_exit.stopped is not None:
        state = process_exit.stopped.state
        reason = run.reason if run.state == "stopping" else process_exit.stopped.reason
        if process_exit.signal == "SIGKILL" and process_exit.left is None:
            reason += "; did not end by itself and was killed"
    elif process_exit.error is not None:
        state, reason = "failed", process_exit.error
    elif process_exit.signal is not None:
        sender = SENDERS.get(process_exit.signal, "which nobody here sent")
        state, reason = "failed", f"ended by {process_exit.signal}, {sender}"
    elif (why := _not_started(process_exit, printed.last_line)) is not None:
        state, reason = "failed", f"could not start: {why}"
    else:
        state, reason = _by_itself(process_exit.exit_code, printed, codes)
    more = (process_exit.hint, _had_ended(process_exit), left_behind(process_exit), lives_on(process_exit), printed.cut)
    reason = "; ".join([reason, *filter(None, more)])
    return run.become(
        state,
        reason=plain(redact(reason)),
        ended=now,
        exit_code=process_exit.exit_code,
        signal=process_exit.signal,
        left_behind=None if process_exit.left is None else len(process_exit.left),
        cpu_seconds=None if process_exit.usage is None else process_exit.usage.cpu_seconds,
        max_rss=None if process_exit.usage is None else process_exit.usage.max_rss,
        output_bytes=printed.total,
        output_kept=printed.kept,
        output_truncated=printed.kept < printed.total,
    )
