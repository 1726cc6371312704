"""What a run becomes outside: its argv and its environment."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from ..config.catalog import SPAWNED, Task
from ..config.confinement import FREE, Confinement, program
from ..model.errors import Invalid, place
from ..model.run import Run
from ..task import Command, Info
from . import child

PREFIX = "JOBSCHED_"
IN_FRONT = ("env", "nice")  # the programs that may stand in front of one with a directory of its own

MOST_STRING = 32 * os.sysconf("SC_PAGE_SIZE")  # bytes of one word or variable, its NUL with it: the kernel's own limit
POINTER = 8  # bytes that each costs beside its own
WORDS = 16 * 1024  # bytes that are left for the words of a command line
# Nothing that a run is told of itself is longer than what this one is told.
ANYBODY = Info("-" * 36, 1e11 / 3, "-" * 36, "", datetime.max.replace(tzinfo=UTC), 2**31)
# How systemd speaks to the daemon itself: its sockets, its door for news, its secrets. A script that was told of them
# would take those sockets for its own, or say in the daemon's name that it is ready.
SYSTEMD = (
    "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "LISTEN_PIDFDID", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC",
    "CREDENTIALS_DIRECTORY", "FDSTORE",
)  # fmt: skip


def information(run: Run, timeout: float | None) -> Info:
    """What a task is told about its run."""
    return Info(
        job_id=run.job_id,
        timeout=timeout,
        run_id=run.id,
        name=run.job_name,
        due=run.due,
        attempt=run.attempt,
        parameters=dict(run.parameters),
    )


def command_of(task: Task, info: Info) -> Command:
    """The command line of a task that is run as a process: its own, or a Python child that calls it."""
    if task.kind == "command":
        command = task.call.command(info)
        if not isinstance(command, Command):
            raise TypeError(f"command() of task {task.name} gave {type(command).__name__}, not a Command")
        return command
    return Command(child.argv(), env={child.VARIABLE: child.describe(task, info)})


def check_names(task: Task, parameters: Mapping[str, object]) -> None:
    """Whether the catalog allows a task these parameters. Raises Invalid."""
    for name in parameters:
        if name not in task.parameters:
            allowed = ", ".join(task.parameters) or "none"
            words = f"task {task.name} takes no such parameter; it takes: {allowed}"
            raise Invalid(words, place("parameters", name))


def check(task: Task, name: str, parameters: Mapping[str, object]) -> None:
    """Whether the task's program can be given these parameters, by a job of that name. Raises Invalid: the kernel would
    refuse each run."""
    if task.kind not in SPAWNED:
        return
    anybody = Info(**vars(ANYBODY) | {"name": name, "parameters": parameters})
    command = Command(child.argv())
    if task.kind == "process":
        command = Command(child.argv(), env={child.VARIABLE: child.describe(task, anybody)})
    whole = 0
    for variable, value in environment(anybody, command, inherited(os.environ), task.confinement).items():
        pointer = _pointer(variable, parameters)
        try:
            length = len(os.fsencode(f"{variable}={value}")) + 1
        except UnicodeEncodeError:
            encoding = sys.getfilesystemencoding()
            raise Invalid(f"cannot be written in {encoding}, the encoding of this daemon", pointer) from None
        if length > MOST_STRING:
            raise Invalid(f"is too long: a program takes {MOST_STRING} bytes of one variable, not {length}", pointer)
        whole += length + POINTER
    if whole > os.sysconf("SC_ARG_MAX") - WORDS:
        raise Invalid(f"are too much: with all else, a program would be given {whole} bytes", "/parameters")


def _pointer(variable: str, parameters: Mapping[str, object]) -> str:
    """What of a job stands in a variable of the environment."""
    for name in parameters:
        if variable == _variable(name):
            return place("parameters", name)
    return "/name" if variable == "JOBSCHED_JOB_NAME" else "/parameters"


def _variable(name: str) -> str:
    return f"{PREFIX}PARAM_{name.upper()}"


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """What runs get of the daemon's environment: all but what is Jobsched's own."""
    return {name: value for name, value in environ.items() if not name.startswith(PREFIX) and name not in SYSTEMD}


def environment(
    info: Info, command: Command, inherited: Mapping[str, str], confinement: Confinement = FREE
) -> dict[str, str]:
    """What is inherited, but for what tells of the user, plus the run's variables, plus the command's."""
    env = {
        **inherited,
        **confinement.environment,
        "JOBSCHED_JOB_ID": info.job_id,
        "JOBSCHED_RUN_ID": info.run_id,
        "JOBSCHED_JOB_NAME": info.name,
        "JOBSCHED_DUE": info.due.isoformat(),
        "JOBSCHED_ATTEMPT": str(info.attempt),
        "JOBSCHED_TIMEOUT": f"{info.timeout:.12g}",  # a script may compute with it: no exponent
    }
    for name, value in info.parameters.items():
        env[_variable(name)] = _text(value)
    return env | dict(command.env or {})


def locate(command: Command, env: Mapping[str, str]) -> str:
    """The path of a command's program. Raises OSError when it is not there at all, or nobody may start it."""
    directory = str(command.directory) if command.directory else None
    if directory is not None and not Path(directory).is_dir():
        raise OSError(f"{directory}: no such directory")
    program = command.argv[0]
    found = shutil.which(str(Path(directory or ".", program)) if "/" in program else program, path=env.get("PATH"))
    if found is None:
        there = "/" in program and Path(directory or ".", program).exists()
        why = "it is not executable" if there else "no such program"
        raise OSError(f"{program}: {why}")
    return found


def command_line(
    command: Command, env: Mapping[str, str], confinement: Confinement = FREE, found: str | None = None
) -> list[str]:
    """argv that starts in the command's directory, confined; `found`: where its program is. Raises as `locate` does.

    Whether its user may start it, or enter its directory, only the programs in front of it find out.
    """
    found, directory, program = found or locate(command, env), command.directory, command.argv[0]
    if directory is None:
        return [*confinement.chain, found, *command.argv[1:]]
    apart = [_tool("nice"), "-n", "0", "--"] if "=" in program else []  # `env` would take it for a variable
    return [*confinement.chain, _tool("env"), "-C", directory, "--", *apart, *command.argv]


def _text(value: object) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


_tools: dict[str, str] = {}


def _tool(name: str) -> str:
    if name not in _tools:
        _tools[name] = program(name)
    return _tools[name]
