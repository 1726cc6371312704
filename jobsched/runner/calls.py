"""Starting a task in its own way: as a process, in a thread, or in the reactor."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from ..config.catalog import Task
from ..model.job import timeout_of
from ..model.run import Run
from ..reactor_types import Reactor
from ..task import Info
from ..threads import DaemonPool, InThread
from . import keeper, launch
from .deadline import Stop
from .elsewhere import ExecutorCall, Executors
from .inprocess import CoroutineCall, ThreadCall, words
from .outcome import ProcessExit
from .output import Output
from .process import ScriptProcess
from .scripts import Script, Scripts, refused
from .warm import Loaded

BRIEF = 0.1  # seconds: what ends within them has a line and a record less; until then it is found by the mark alone
PAUSES = (0.1, 0.2, 0.3, 0.4)  # seconds between tries to start a program file that is being written

Call = ScriptProcess | ThreadCall | CoroutineCall | ExecutorCall


@attrs.frozen(kw_only=True)
class Limits:
    """How much runs may take."""

    livetime: float  # seconds of a run whose job and task set no timeout
    grace: float  # seconds from TERM to KILL
    max_running: int  # runs at once
    threads: int  # for tasks that run in threads
    output: int  # bytes of output of one run
    leaves: Callable[[], bool] = lambda: False  # whether the end of the daemon leaves runs to executors


async def patiently(
    reactor: IReactorTime, attempt: Callable[[], Awaitable[ProcessExit]], stopped: Callable[[], Stop | None]
) -> ProcessExit:
    """How an attempt ended. If the program file is still being written, try again, for about a second."""
    for pause in PAUSES:
        process_exit = await attempt()
        if not process_exit.busy or process_exit.stopped is not None:
            return process_exit
        await deferLater(reactor, pause)
        if (why := stopped()) is not None:
            return ProcessExit(stopped=why)
    return await attempt()


class Calls:
    """Has what all calls need: the threads of tasks, and what processes inherit."""

    def __init__(
        self, reactor: Reactor, limits: Limits, in_thread: InThread, state_dir: Path, executors: Executors | None = None
    ) -> None:
        self._executors = executors
        self._reactor = reactor
        self._limits = limits
        self._scripts = Scripts(reactor, in_thread)
        self._tasks = DaemonPool(0, limits.threads, "task")
        self._inherited = launch.inherited(os.environ) | keeper.mark(state_dir)

    def start(self) -> None:
        """Be ready."""
        self._scripts.start()
        self._tasks.start()

    def stop(self) -> Deferred[None]:
        """Call it when no run is left. Threads of tasks that do not end are not waited for."""
        self._scripts.stop()
        return self._tasks.leave(self._reactor)

    async def earlier(self) -> set[str]:
        """The runs of an earlier daemon that executors go on with, or saw end."""
        return set() if self._executors is None else await self._executors.known()

    def take(self, run: Run) -> ExecutorCall:
        """One of these, to go on with it."""
        assert self._executors is not None
        call = self._executors.take(run.id)
        if run.stop is not None:
            call.deadline.stop(Stop("cancelled", run.stop))
        return call

    def settle(self) -> None:
        """Those that nobody took are nobody's."""
        if self._executors is not None:
            self._executors.settle()

    def leave(self, run_id: str) -> bool:
        """Leave a run to its executor; false: it has not gone there."""
        return self._executors is not None and self._executors.leave(run_id)

    def stored(self, run_ids: Iterable[str]) -> None:
        """The store has the outcomes of these runs."""
        if self._executors is not None:
            self._executors.stored(run_ids)

    def timeout(self, run: Run, task: Task) -> float | None:
        """Seconds that a run may take; a thread cannot be killed, so only its job's own number counts."""
        return timeout_of(run.timeout, task.kind, task.timeout, self._limits.livetime).seconds

    def has(self, run_id: str) -> bool:
        """Whether an executor was told of this run."""
        return self._executors is not None and self._executors.has(run_id)

    def begin(self, task: Task, info: Info, output: Output, keep: bool) -> Call | ProcessExit:
        """Start the task; `keep` as in `Script`. A `ProcessExit` says why the task could not be started; nothing of it
        is left then."""
        try:
            return self._begin(task, info, output, keep)
        except OSError as why:
            return refused(why)
        except Exception as why:
            output.write(output.redact(Failure().getTraceback()).encode("utf-8", "backslashreplace"))
            return ProcessExit(error=f"could not start: {words(why)}")

    def _begin(self, task: Task, info: Info, output: Output, keep: bool) -> Call:
        """What the task is, as whom it runs and what it may be given are said by one catalog, which may be another than
        that by which the parameters were set."""
        for name in info.parameters:
            if name not in task.parameters:
                raise OSError(f"task {task.name} takes no parameter {name} any more")
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
        found = launch.locate(command, env)
        argv = launch.command_line(command, env, confined, found)
        warm = task.kind == "process" and not task.fresh and confined.is_free
        script = Script(
            run_id=info.run_id,
            argv=argv,
            env=env,
            grace=self._limits.grace,
            confinement=confined,
            leftovers=task.leftovers,
            path=found,
            starters=confined.launchers if command.directory is None else (*confined.launchers, *launch.IN_FRONT),
            keep=keep,
            loaded=Loaded(str(task.file), task.load) if warm else None,
        )
        if self._executors is not None:
            return self._executors.begin(script, info, task.success, output)
        return self._scripts.begin(script, output)
