"""What a run's end is in the words of `runner`, and in a frame; and what a frame says is to be started."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import cast

from ..clock import elapsed, wall_time
from ..config.catalog import Leftovers
from ..config.confinement import Confinement
from ..model.redaction import Redaction, Secrets
from ..model.rlimits import ResourceLimits
from ..model.run import Sent
from ..model.success import Pattern, Success
from ..runner.deadline import Stop
from ..runner.outcome import Fate, ProcessExit
from ..runner.output_file import Printed
from ..runner.procfs import Stat
from ..runner.scripts import Script
from ..runner.session import Environment, Usage
from ..runner.warm import Loaded
from ..task import Info
from .frames import Ended, Left, Moment, Start, Value, Why

BOOT = Path("/proc/sys/kernel/random/boot_id")
NAMES = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()  # as in `os.fsencode`, at a third of its price
FIELDS = Left.__struct_fields__  # as those of `Stat`


def moment() -> Moment:
    """Now."""
    return Moment(elapsed=elapsed(), wall=wall_time())


@cache
def boot_id() -> str:
    """The id of this start of the host."""
    return BOOT.read_text("ascii").strip()


def ended_at(ended: Ended, boot: str) -> float:
    """The moment at which a run ended, as `elapsed` counts; by this host's clock, if the host was started since."""
    return _counted(ended, ended.at, boot)


def _counted(ended: Ended, at: Moment, boot: str) -> float:
    now = elapsed()
    return min(at.elapsed if ended.boot in ("", boot) else now - (wall_time() - at.wall), now)


def sent_of(ended: Ended, boot: str) -> list[tuple[Sent, float]]:
    """What its processes were sent, and at which moments, as `elapsed` counts."""
    sent: dict[Sent, Moment | None] = {"TERM": ended.term_at, "KILL": ended.kill_at}
    return [(each, _counted(ended, at, boot)) for each, at in sent.items() if at is not None]


def why_of(stop: Stop) -> Why:
    """A stop, as a frame has it."""
    return Why(state=stop.state, reason=stop.reason, abandon=stop.abandon, grace=stop.grace)


def stop_of(why: Why) -> Stop:
    """The stop that a frame tells of."""
    return Stop(why.state, why.reason, abandon=why.abandon, grace=why.grace)


def script_of(start: Start) -> Script:
    """What is to be started. The environment stays as it came, unless a process is to load the task in it."""
    env: Environment = start.env
    if start.task_file:
        env = {name.decode(*NAMES): value.decode(*NAMES) for name, value in start.env.items()}
    return Script(
        run_id=start.run_id,
        argv=[word.decode(*NAMES) for word in start.argv],
        env=env,
        grace=start.grace,
        confinement=Confinement(
            owner=start.owner, chain=tuple(start.chain), resource_limits=ResourceLimits(**start.limits)
        ),
        leftovers=cast("Leftovers | None", start.leftovers),
        path=os.fsdecode(start.path),
        starters=tuple(start.starters),
        loaded=Loaded(os.fsdecode(start.task_file), start.load) if start.task_file else None,
    )


def start_of(script: Script, info: Info, success: Success, secrets: Mapping[str, Value]) -> Start:
    """The frame that has a script started."""
    confined = script.confinement
    return Start(
        run_id=script.run_id,
        job_name=info.name,
        argv=list(map(_bytes, script.argv)),
        env={_bytes(name): _bytes(value) for name, value in script.env.items()},
        grace=script.grace,
        timeout=info.timeout,
        leftovers=script.leftovers,
        path=os.fsencode(script.path),
        starters=list(script.starters),
        task_file=b"" if script.loaded is None else os.fsencode(script.loaded.file),
        load="" if script.loaded is None else script.loaded.load,
        chain=list(confined.chain),
        limits=confined.resource_limits.of_all,
        owner=confined.owner,
        secrets=dict(secrets),
        expect=None if success.expect is None else success.expect.text,
        forbid=None if success.forbid is None else success.forbid.text,
        keep=script.keep,
    )


def _bytes(text: str | bytes) -> bytes:
    return text.encode(*NAMES) if type(text) is str else os.fsencode(text)


def success_of(start: Start) -> Success:
    """What the output of the run must hold, or must not. Raises ValueError for a pattern that is none."""
    expect, forbid = (None if text is None else Pattern(text) for text in (start.expect, start.forbid))
    return Success(expect=expect, forbid=forbid)


def redact_of(start: Start) -> Secrets:
    """What hides the secrets of the run in a text."""
    return Redaction(start.secrets).redact(start.secrets)


def ended_of(
    run_id: str,
    at: Moment,
    process_exit: ProcessExit,
    printed: Printed,
    redact: Callable[[str], str] = str,
    sent: Mapping[Sent, Moment] = MappingProxyType({}),
    pid: int | None = None,
) -> Ended:
    """The end of a run, as a frame has it: without secrets, and in words that a frame takes."""
    redact = _encodable(redact)
    stopped, usage = process_exit.stopped, process_exit.usage
    return Ended(
        run_id=run_id,
        at=at,
        boot=boot_id(),
        pid=pid,
        term_at=sent.get("TERM"),
        kill_at=sent.get("KILL"),
        exit_code=process_exit.exit_code,
        signal=process_exit.signal,
        error=None if process_exit.error is None else redact(process_exit.error),
        stopped=None if stopped is None else why_of(stopped),
        launchers=list(process_exit.launchers),
        left=None if process_exit.left is None else _left(process_exit.left, redact),
        fate=process_exit.fate,
        given_up=_left(process_exit.given_up, redact),
        refused=_left(process_exit.refused, redact),
        busy=process_exit.busy,
        hint=redact(process_exit.hint),
        cpu_seconds=None if usage is None else usage.cpu_seconds,
        max_rss=None if usage is None else usage.max_rss,
        output_total=printed.total,
        output_kept=printed.kept,
        output_cut=printed.cut,
        last_line=printed.last_line,
        output_fault=redact(printed.fault),
    )


def exit_of(ended: Ended, at: float | None = None) -> ProcessExit:
    """How the process of a run ended, by its frame, and at which moment, as `elapsed` counts."""
    usage = None if ended.cpu_seconds is None else Usage(cpu_seconds=ended.cpu_seconds, max_rss=ended.max_rss)
    return ProcessExit(
        exit_code=ended.exit_code,
        signal=ended.signal,
        error=ended.error,
        stopped=None if ended.stopped is None else stop_of(ended.stopped),
        launchers=tuple(ended.launchers),
        left=None if ended.left is None else _stats(ended.left),
        fate=cast("Fate", ended.fate),
        given_up=_stats(ended.given_up),
        refused=_stats(ended.refused),
        busy=ended.busy,
        hint=ended.hint,
        usage=usage,
        at=at,
    )


def printed_of(ended: Ended) -> Printed:
    """What became of the output of a run, by its frame."""
    return Printed(
        total=ended.output_total,
        kept=ended.output_kept,
        cut=ended.output_cut,
        last_line=ended.last_line,
        fault=ended.output_fault,
    )


def _encodable(redact: Callable[[str], str]) -> Callable[[str], str]:
    """The same, with bytes of a path that are not UTF-8 escaped, as `model.printable` has them."""
    return lambda text: redact(text).encode(errors="backslashreplace").decode()


def _left(processes: Iterable[Stat], redact: Callable[[str], str]) -> list[Left]:
    return [
        Left(**{field: getattr(each, field) for field in FIELDS} | {"name": redact(each.name)}) for each in processes
    ]


def _stats(left: Iterable[Left]) -> tuple[Stat, ...]:
    return tuple(Stat(**{field: getattr(each, field) for field in FIELDS}) for each in left)
