"""A Python task in a process of its own: the `main` of that process, and how its parent starts it.

Stdlib only: the process starts in milliseconds because it imports neither Twisted nor anything like it.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime

from jobsched.config import source
from jobsched.task import Info

TYPE_CHECKING = False  # as `typing` has it, without its import
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from jobsched.config.catalog import Task

VARIABLE = "JOBSCHED_CHILD"


def argv() -> list[str]:
    """The command line that starts the process. Unbuffered: if the process is killed, what it printed is kept."""
    return [sys.executable, "-u", "-m", "jobsched.runner.child"]


def describe(task: Task, info: Info) -> str:
    """The task and its run as JSON, to be put into the environment variable `VARIABLE` of the process."""
    return json.dumps(
        {
            "file": str(task.file),
            "class": task.class_name,
            "options": dict(task.options),
            "info": {**vars(info), "due": info.due.isoformat()},
        },
        # The length of a variable is limited, and in ASCII some texts are three times as long.
        ensure_ascii=sys.getfilesystemencoding() != "utf-8",
        separators=(",", ":"),
    )


def main(load: Callable[[str], ModuleType] = source.load) -> None:
    """Call the task that the environment describes; exit status 1 and a traceback if the task raised."""
    try:
        order = json.loads(os.environ.pop(VARIABLE))  # taken out: no child process of the task may see it
    except KeyError:
        sys.exit(f"{VARIABLE} is not set: this program is started by Jobsched")
    try:
        _call(order, load)
    except Exception as error:
        _complain(error, order["file"])
        sys.exit(1)


def _call(order: dict[str, Any], load: Callable[[str], ModuleType]) -> None:  # the JSON of `describe`
    given = order["info"]
    info = Info(**{**given, "due": datetime.fromisoformat(given["due"])})
    task = getattr(load(order["file"]), order["class"])
    task(**order["options"])(info)


def _complain(error: Exception, file: str) -> None:
    """Print the traceback from the task's own frame on: our frames above that say nothing to the task's author."""
    import traceback

    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != file:
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace)


if __name__ == "__main__":
    main()
