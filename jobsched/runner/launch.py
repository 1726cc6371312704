"""What a run becomes outside: its argv and its environment."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from ..catalog import Task
from ..confinement import FREE, Confinement, program
from ..model.run import Run
from ..task import Command, Info
from . import child

PREFIX = "JOBSCHED_"
IN_FRONT = ("env", "nice")  # the programs that may stand in front of one with a directory of its own
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
        env[f"{PREFIX}PARAM_{name.upper()}"] = _text(value)
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
