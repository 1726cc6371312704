"""Executes runs on this node and records what became of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import ParamSpec, TypeVar

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..clock import back_then, now
from ..config.catalog import Catalog, Task
from ..events import Events
from ..model.ids import Ids
from ..model.redaction import USUAL, Redaction
from ..model.run import Run
from ..model.success import PLAIN
from ..reactor_types import Reactor
from ..store.contract.store import Store
from ..task import Info
from ..threads import Pool, waited_for
from . import launch
from .active import Active, leave, tell_endless
from .calls import BRIEF, Call, Calls, Limits, patiently
from .deadline import Doomed, Stop, fenced
from .elsewhere import ExecutorCall, Executors
from .inprocess import STOPPED_THREAD, PrintCapture
from .isolation import Isolation
from .outcome import ProcessExit, outcome, plain, tell_of_what_was_left
from .output import Output, OutputWriter
from .records import Records, tail_reader
from .recovery import end_orphans, tell_lost
from .waiters import Quiet, Waiters, all_of

P = ParamSpec("P")
T = TypeVar("T")

UNSTORED = 10.0  # seconds that a stop waits for the store to take the last outcomes
LATEST = 15.0  # seconds beyond the grace that a stop waits for runs to come to their ends

SHUTDOWN = Stop("cancelled", "shutdown: the daemon was stopped", abandon=True)


class Runner(Service):
    """Starts runs, and is the only one that writes their outcomes.

    `catalog` gives the catalog in force.
    """

    name = "runner"
    log = Logger()

    def __init__(
        self,
        reactor: Reactor,
        clock: IReactorTime,
        store: Store,
        ids: Ids,
        catalog: Callable[[], Catalog],
        output_folder: Path,
        limits: Limits,
        redaction: Redaction = USUAL,
        events: Events | None = None,
        executors: Executors | None = None,
    ) -> None:
        self._reactor = reactor
        self._clock = clock  # what time it is for all nodes
        self._catalog = catalog
        self._limits = limits
        self._redaction = redaction
        self._events = events or Events()
        self.waiters = Waiters()
        self._doomed = Doomed()
        self._quiet = Quiet(reactor, lambda: not self.known() - self._isolation.kept)
        self._active: dict[str, Active] = {}
        self._writer = OutputWriter(reactor, output_folder, limits.output)
        self._calls = Calls(reactor, limits, self.in_thread, output_folder.parent, executors)
        self.earlier = self._calls.earlier
        self._isolation = Isolation(self._active, self._calls, store, self._note)
        self.regain = self._isolation.end
        self._chores = Pool(0, 2, "chore")
        self._records = Records(reactor, store, ids, tail_reader(store, output_folder), redaction, self._stored)
        self._prints = PrintCapture()

    @property
    def slots(self) -> int:
        """How many more runs may start here."""
        return max(self._limits.max_running - len(self._active), 0) if self.running else 0

    @property
    def active(self) -> int:
        """How many runs are being executed here."""
        return len(self._active)

    def startService(self) -> None:
        super().startService()
        self._writer.start()
        self._calls.start()
        self._chores.start()
        self._prints.__enter__()

    def stopService(self) -> Deferred[None]:
        """Ends every run, or leaves it to an executor; fires when none is left and their outcomes are stored."""
        super().stopService()
        if self._limits.leaves():
            leave(self._active, self._calls, self._note)
        if self._active:
            self.log.info("stopping {count} active runs: TERM, then KILL after {grace} s",
                          count=len(self._active), grace=self._limits.grace)  # fmt: skip
        endings = [active.ended for active in self._active.values()]
        for run_id in list(self._active):
            self.stop(run_id, SHUTDOWN)
        return Deferred.fromCoroutine(self._end(all_of(endings, self._limits.grace + LATEST, self._reactor)))

    async def _end(self, ended: Deferred[None]) -> None:
        try:
            await ended
            tell_endless(self._active.values())
            await self._records.settled_within(UNSTORED)
        finally:
            self._prints.__exit__(None, None, None)
            await waited_for(self._reactor, self._writer.stop, "end of output")
            await gatherResults([self._chores.end(self._reactor), self._calls.stop()])

    async def recover(self, left: list[Run]) -> None:
        """Make an end of what an earlier daemon left running here. Fires when it is all recorded."""
        if left:
            found = await self.in_thread(end_orphans, left, self._limits.grace)
            for ended in tell_lost(left, found, self._now()):
                self._records.add(ended)  # one that other nodes have recorded as lost stays as it is
            await self._records.settled()

    def end_all(self, reason: str) -> None:
        """End every run as lost, fast: another node may soon start it again. Threads are left to end by themselves, and
        what is to be kept goes on in its executor."""
        for run_id in self._isolation.begin(self._now()):
            with self.log.failuresHandled("run {run} could not be ended", run=run_id):
                self.stop(run_id, fenced(reason))

    def known(self) -> set[str]:
        """The runs that were given to this node, and whose outcome is not stored yet."""
        return self._active.keys() | self._records.unstored

    def last_line(self, run_id: str) -> str | None:
        """The last whole line that a run has printed which is executed here, without secrets; None: there is none."""
        active = self._active.get(run_id)
        return None if active is None or active.output is None else active.output.last_line or None

    def stored(self) -> Deferred[None]:
        """Fires when every run that is not kept has ended and its outcome is stored, or after some seconds."""
        return self._quiet.wait(UNSTORED)

    def start(self, runs: Iterable[Run]) -> None:
        """Execute runs that the store has recorded as running on this node."""
        for run in runs:
            active = Active(run, stop=self._doomed.take(run.id))
            self._events.run_started(run, self._now())
            self._begin(active)

    def adopt(self, runs: Iterable[Run]) -> None:
        """Go on with runs of an earlier daemon, which the store has given to this node; those of `earlier` that are not
        among them are ended."""
        for run in runs:
            self.log.info("run {run} of {job} goes on, pid {pid}", run=run.id, job=run.job_name, pid=run.pid)
            self._begin(Active(run, call=self._calls.take(run)))
        self._calls.settle()

    def _begin(self, active: Active) -> None:
        self._active[active.run.id] = active
        done = Deferred.fromCoroutine(self._execute(active))
        done.addErrback(self._broken, active)
        done.addCallback(self._gone, active)

    def stop(self, run_id: str, why: Stop) -> bool:
        """End a run; false if it is not active here. Its outcome is recorded when it is dead.

        If the run was claimed and is about to start, the stop is remembered and the run does not start.
        """
        active = self._active.get(run_id)
        if active is None:
            self._doomed.add(run_id, why)
            return False
        active.stop = active.stop or why
        if active.call is not None:
            active.call.deadline.stop(why)
        return True

    def replace(self, runs: Iterable[Run]) -> None:
        """End runs whose place a newer run of their job takes, each for the reason that the store has."""
        for run in runs:
            if run.stop is not None:
                self.stop(run.id, Stop("cancelled", run.stop))

    def in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        return deferToThreadPool(self._reactor, self._chores, function, *args, **kwargs)

    async def _execute(self, active: Active) -> None:
        run = active.run
        task = self._catalog().get(run.task)
        success = PLAIN if task is None else task.success
        redact = self._redaction.redact(run.parameters)
        output = active.output = Output(self._writer, run.id, run.job_name, redact, success.check())
        process_exit = await self._call(active, task, output)
        ended = back_then(self._clock, process_exit.at)  # before it waits for the rest of the output
        tell_of_what_was_left(active.run, process_exit)
        printed = await output.close()
        self._note(active, outcome(active.run, process_exit, printed, ended, output.redact, success.codes))

    async def _call(self, active: Active, task: Task | None, output: Output) -> ProcessExit:
        """Start the task in its own way, unless the run is adopted, and wait for its end."""
        if isinstance(active.call, ExecutorCall):
            active.call.follow(output)
            return await self._follow(active, active.call, task, None)
        if active.stop is not None:
            return ProcessExit(stopped=active.stop)
        if task is None:
            return ProcessExit(error=f"could not start: task {active.run.task} is not in the catalog")
        timeout = self._calls.timeout(active.run, task)
        info = launch.information(active.run, timeout)
        return await patiently(self._reactor, lambda: self._try(active, task, info, output), lambda: active.stop)

    async def _try(self, active: Active, task: Task, info: Info, output: Output) -> ProcessExit:
        call = self._calls.begin(task, info, output, active.run.on_isolation == "keep")
        if isinstance(call, ProcessExit):
            return call
        return await self._follow(active, call, task, info.timeout)

    async def _follow(self, active: Active, call: Call, task: Task | None, timeout: float | None) -> ProcessExit:
        if isinstance(call, ExecutorCall):
            active.call = call  # it may be stopped before its process is there
            call.begun_again.subscribe(lambda pid, pid_started: active.has(pid, pid_started, self._note))
            await call.begun
        self._watch(active, call, task, timeout)
        process_exit = await call.ended
        active.over(call, self._clock)
        return process_exit

    def _watch(self, active: Active, call: Call, task: Task | None, timeout: float | None) -> None:
        if call.ended.called:
            return
        active.noted()  # of a try before this one
        active.call = call
        call.deadline.stopping.subscribe(lambda stop: self._stopping(active, stop, task))
        if timeout is not None:
            call.deadline.arm(timeout)
        if call.pid is not None:
            call.deadline.signalled.subscribe(lambda sent: active.signalled(sent, self._now(), self._note))
        pause = 0.0 if isinstance(call, ExecutorCall) else BRIEF  # an executor tells of none that ended at once
        active.noting = self._reactor.callLater(pause, self._goes_on, active, call)

    def _goes_on(self, active: Active, call: Call) -> None:
        """It did not end at once."""
        active.noted()
        self.log.info("run {run} of {job} started, pid {pid}", run=active.run.id, job=active.run.job_name, pid=call.pid)
        if call.pid is not None:
            active.has(call.pid, call.pid_started, self._note)

    def _stopping(self, active: Active, stop: Stop, task: Task | None) -> None:
        reason = f"{stop.reason}; {STOPPED_THREAD}" if task is not None and task.kind == "thread" else stop.reason
        self.log.warn("run {run} of {job}: {reason}", run=active.run.id, job=active.run.job_name, reason=reason)
        if active.run.state != "stopping":  # as an adopted run may be already
            self._note(active, active.run.become("stopping", reason=reason))

    def _note(self, active: Active, run: Run) -> None:
        """Record a change."""
        active.run = run
        active.noted()
        self._records.add(run)

    def _stored(self, ended: list[str], again: bool) -> None:
        self._calls.stored(ended)
        self._quiet.look()
        self.waiters.ring(ended)
        if ended:
            self._events.slots_freed(again)

    def _broken(self, why: Failure, active: Active) -> None:
        """A fault of ours must not leave a run without an outcome."""
        self.log.failure("run {run} of {job} could not be executed", why, run=active.run.id, job=active.run.job_name)
        redact = self._redaction.redact(active.run.parameters)
        reason = plain(redact(f"Jobsched failed: {why.getErrorMessage()}"))
        self._note(active, attrs.evolve(active.run, state="failed", reason=reason, ended=self._now()))

    def _gone(self, _: None, active: Active) -> None:
        run = self._active.pop(active.run.id).run
        say = self.log.info if run.state == "succeeded" else self.log.warn
        say("run {run} of {job}: {state}, {reason}", run=run.id, job=run.job_name, state=run.state, reason=run.reason)
        active.ended.callback(None)
        self._events.run_over()

    def _now(self) -> datetime:
        return now(self._clock)
