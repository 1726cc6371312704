"""The argv and the environment with which a run's program is started."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path

from ..config.catalog import SPAWNED, Task
from ..config.confinement import FREE, Confinement, program
from ..config.program import unusable
from ..model.errors import Invalid, place
from ..model.run import Run
from ..task import Command, Info
from . import child

PREFIX = "JOBSCHED_"
IN_FRONT = ("env", "nice")  # programs that may stand in front of a command with a directory of its own

MOST_STRING = 32 * os.sysconf("SC_PAGE_SIZE")  # bytes of one word or variable and its NUL: the kernel's limit
POINTER = 8  # bytes that each word or variable costs beside its text
WORDS = 16 * 1024  # bytes kept free for the words of a command line
MOST_WHOLE = os.sysconf("SC_ARG_MAX") - WORDS
# Each of these facts is as long as that of any run can be; `check` puts in the name and the parameters.
ANYBODY = Info("-" * 36, 1e11 / 3, "-" * 36, "", datetime.max.replace(tzinfo=UTC), 2**31)
# Variables by which systemd speaks to the daemon itself: its sockets, the notification socket, its secrets. A script
# with these variables would take the sockets for its own, or say in the daemon's name that it is ready.
SYSTEMD = (
    "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "LISTEN_PIDFDID", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC",
    "CREDENTIALS_DIRECTORY", "FDSTORE",
)  # fmt: skip


def information(run: Run, timeout: float | None) -> Info:
    """The facts about a run that its task is told."""
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
    """The command of a task that runs as a process: the task's own, or that of a Python child that calls the task."""
    if task.kind == "command":
        command = task.call.command(info)
        if not isinstance(command, Command):
            raise TypeError(f"command() of task {task.name} gave {type(command).__name__}, not a Command")
        return command
    return Command(child.argv(), env={child.VARIABLE: child.describe(task, info)})


def check_names(task: Task, parameters: Mapping[str, object]) -> None:
    """Check that the catalog allows the task these parameter names. Raises Invalid."""
    for name in parameters:
        if name not in task.parameters:
            allowed = ", ".join(task.parameters) or "none"
            words = f"task {task.name} takes no such parameter; it takes: {allowed}"
            raise Invalid(words, place("parameters", name))


def check(task: Task, name: str, parameters: Mapping[str, object]) -> None:
    """Check that the task's program can be given these parameters by a job called `name`. Raises Invalid if the
    values are too long or cannot be encoded: the kernel would refuse each run."""
    if task.kind not in SPAWNED:
        return
    differs = {**task.confinement.environment, **_of_job(name, parameters)}
    if task.kind == "process":
        anybody = Info(**vars(ANYBODY) | {"name": name, "parameters": parameters})
        differs[child.VARIABLE] = child.describe(task, anybody)
    usual, whole = _sizes_usual()
    for variable, value in differs.items():
        try:
            length = _size(variable, value)
        except UnicodeEncodeError:
            words = f"cannot be written in {sys.getfilesystemencoding()}, the encoding of this daemon"
            raise Invalid(words, _pointer(variable, parameters)) from None
        if length > MOST_STRING:
            words = f"is too long: a program takes {MOST_STRING} bytes of one variable, not {length}"
            raise Invalid(words, _pointer(variable, parameters))
        whole += length + POINTER - usual.get(variable, 0)
    if whole > MOST_WHOLE:
        raise Invalid(f"are too much: with all else, a program would be given {whole} bytes", "/parameters")


def _size(variable: str, value: str) -> int:
    return len(os.fsencode(f"{variable}={value}")) + 1


@cache  # the environment of a daemon stays as it is, and to read it takes longer than all else here
def _sizes_usual() -> tuple[dict[str, int], int]:
    """What each variable that any run is given takes of the room that the kernel gives, and all of them."""
    given = environment(ANYBODY, Command(child.argv()), inherited(os.environ))
    found = {variable: _size(variable, value) + POINTER for variable, value in given.items()}
    return found, sum(found.values())


def _pointer(variable: str, parameters: Mapping[str, object]) -> str:
    """JSON pointer to the field of a job whose value a variable of the environment holds."""
    for name in parameters:
        if variable == _variable(name):
            return place("parameters", name)
    return "/name" if variable == "JOBSCHED_JOB_NAME" else "/parameters"


def _variable(name: str) -> str:
    return f"{PREFIX}PARAM_{name.upper()}"


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """The part of the daemon's environment that runs get: all but the variables of Jobsched and of `SYSTEMD`."""
    return {name: value for name, value in environ.items() if not name.startswith(PREFIX) and name not in SYSTEMD}


def environment(
    info: Info, command: Command, inherited: Mapping[str, str], confinement: Confinement = FREE
) -> dict[str, str]:
    """The environment of a run; of variables with the same name, the later in this list wins:

    - the inherited ones
    - those that tell of the confinement's user
    - those of the run
    - those of the command
    """
    return {
        **inherited,
        **confinement.environment,
        "JOBSCHED_JOB_ID": info.job_id,
        "JOBSCHED_RUN_ID": info.run_id,
        "JOBSCHED_DUE": info.due.isoformat(),
        "JOBSCHED_ATTEMPT": str(info.attempt),
        "JOBSCHED_TIMEOUT": f"{info.timeout:.12g}",  # a script may compute with it: no exponent
        **_of_job(info.name, info.parameters),
        **command.env,
    }


def _of_job(name: str, parameters: Mapping[str, object]) -> dict[str, str]:
    """The variables whose values the job sets."""
    return {"JOBSCHED_JOB_NAME": name} | {_variable(each): _text(value) for each, value in parameters.items()}


def locate(command: Command, env: Mapping[str, str]) -> str:
    """The path of a command's program. Raises OSError: no such directory, no such program, or it is not executable."""
    directory = str(command.directory) if command.directory else None
    if directory is not None and not Path(directory).is_dir():
        raise OSError(f"{directory}: no such directory")
    program = command.argv[0]
    found = shutil.which(_path(directory, program) if "/" in program else program, path=env.get("PATH"))
    if found is None:
        why = unusable(str(Path(directory or ".", program))) if "/" in program else None
        raise OSError(f"{program}: {why or 'no such program'}")
    return found


@lru_cache(1024)  # each run needs it
def _path(directory: str | None, program: str) -> str:
    return str(Path(directory or ".", program))


def command_line(
    command: Command, env: Mapping[str, str], confinement: Confinement = FREE, found: str | None = None
) -> list[str]:
    """argv that starts a command in its directory, confined; `found`: the path of its program. Raises as `locate` does.

    Only the programs in front find out whether the run's user may start the program and enter the directory.
    """
    found, directory, program = found or locate(command, env), command.directory, command.argv[0]
    if directory is None:
        return [*confinement.chain, found, *command.argv[1:]]
    apart = [_tool("nice"), "-n", "0", "--"] if "=" in program else []  # else `env` sees a variable in the name
    return [*confinement.chain, _tool("env"), "-C", directory, "--", *apart, *command.argv]


def _text(value: object) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


_tools: dict[str, str] = {}


def _tool(name: str) -> str:
    if name not in _tools:
        _tools[name] = program(name)
    return _tools[name]
