"""Starting a task in its own way: as a process, in a thread, or in the reactor."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from ..bulkhead import DaemonThread
from ..catalog import Task
from ..model.run import Run
from ..task import Info
from . import launch
from .limits import Limits
from .output import Output
from .process import ScriptProcess
from .session import close_on_exec
from .threads import CoroutineCall, ThreadCall

Call = ScriptProcess | ThreadCall | CoroutineCall


class Calls:
    """Has what all calls need: the threads of tasks, and what processes inherit."""

    def __init__(self, reactor: Any, limits: Limits, in_thread: Callable[..., Deferred[Any]]) -> None:
        self._reactor = reactor
        self._limits = limits
        self._in_thread = in_thread
        self._tasks = ThreadPool(0, limits.threads, "task")
        self._tasks.threadFactory = DaemonThread
        self._inherited = launch.inherited(os.environ)

    def start(self) -> None:
        """Be ready."""
        close_on_exec()
        self._stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._tasks.start()

    def stop(self) -> None:
        """Nothing runs any more, but threads that do not end."""
        if not self._tasks.working:
            self._tasks.stop()
        os.close(self._stdin)

    def timeout(self, run: Run, task: Task) -> float | None:
        """Seconds that a run may take; a thread cannot be killed, so only its job's own number counts."""
        if run.timeout is not None or task.kind == "thread":
            return run.timeout
        return self._limits.livetime if task.timeout is None else task.timeout

    def begin(self, task: Task, info: Info, output: Output) -> Call:
        """Start it. Raises whatever keeps it from starting; then nothing is left of it."""
        if task.kind == "thread":
            thread = ThreadCall(self._reactor, output, self._limits.grace)
            thread.start(lambda *call: deferToThreadPool(self._reactor, self._tasks, *call), task.call, info)
            return thread
        if task.kind == "async":
            coroutine = CoroutineCall(self._reactor, output, self._limits.grace)
            coroutine.start(task.call, info)
            return coroutine
        command, confined = launch.command_of(task, info), task.confinement
        env = launch.environment(info, command, self._inherited, confined)
        argv = launch.command_line(command, env, confined)
        process = ScriptProcess(self._reactor, self._reactor, self._in_thread, info.run_id, output, self._limits.grace)
        process.spawn(argv, env, self._stdin, confined.launchers)
        return process
