"""Tasks by their commands, for those that read sets of jobs: a crontab may name a task, or the program of one."""

from __future__ import annotations

import os
import pwd
import shlex

from ..formats import KnownTask
from .catalog import SPAWNED, Task


def known_task(task: Task) -> KnownTask:
    """What a reader of commands has to know of a task; only of a `command` task the program is known."""
    user = (task.confinement.user if task.kind in SPAWNED else None) or _own_user()
    return KnownTask(name=task.name, parameters=task.parameters, argv=_argv(task), user=user)


def _argv(task: Task) -> tuple[str, ...]:
    """The program that a task names in `program`, with the option `arguments` behind it."""
    program = getattr(task.call, "program", None)
    if task.kind != "command" or not isinstance(program, str):
        return ()
    try:
        return (program, *shlex.split(task.options.get("arguments", "")))
    except ValueError:  # a class of somebody's own, which reads its arguments in another way
        return ()


def _own_user() -> str | None:
    """As whom the daemon runs; None: that user has no name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return None
