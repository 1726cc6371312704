"""Executes the runs that a daemon hands over, and keeps how they ended until the store has that."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import attrs
from msgspec import structs
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..model.run import Sent
from ..reactor_types import Reactor
from ..runner import deadline
from ..runner.calls import BRIEF, patiently
from ..runner.group_tree import tree_here
from ..runner.outcome import ProcessExit, plain
from ..runner.output import Output, OutputWriter
from ..runner.output_file import Printed
from ..runner.process import ScriptProcess
from ..runner.scripts import Scripts, refused
from ..runner.waiters import all_of
from ..threads import Threads, waited_for
from .facts import ended_of, moment, redact_of, script_of, stop_of, success_of, why_of
from .frames import Ended, Frame, FromDaemon, Moment, Ping, Start, Started, Stop, Stopping, Stored
from .journal import Journal
from .node_life import Fence
from .others import Others

SCORE = Path("/proc/self/oom_score_adj")
SOONER, MOST = 100, 1000  # thousandths of all memory, by which a run seems larger than it is; the kernel's limit
SHORT = 4096  # bytes of an output that are written at once
TURN = 2  # processes that are started in one turn of the reactor: in between, ends are heard, and daemons answered
FIRST = 16  # of these the ends are not heard sooner: a few that are due at once all begin, and then come the ends
LATEST = 15.0  # seconds beyond the longest grace that the end waits for runs

LEAVING = deadline.Stop("cancelled", "shutdown: its executor was stopped", abandon=True)
FENCED = deadline.fenced("its daemon did not say in time that its node lives, so its executor ended it")


@attrs.define
class _Held:
    """A run that is being executed here."""

    start: Start
    process: ScriptProcess | None = None
    output: Output | None = None
    stop: deadline.Stop | None = None
    sent: dict[Sent, Moment] = attrs.field(factory=dict)
    pid: int | None = None  # of its process, or of the last one
    at: Moment | None = None  # when that began
    started: Started | None = None
    stopping: Stopping | None = None
    over: Deferred[None] = attrs.field(factory=Deferred)


class Executor:
    """`tell` takes what a daemon is to hear; with no daemon there it goes nowhere, for `news` tells it again.

    Outcomes that no daemon has taken are in `outcomes` too, whatever becomes of this process.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Reactor,
        output_folder: Path,
        output_limit: int,
        outcomes: Journal,
        tell: Callable[[Frame], object],
        changed: Callable[[], object],
    ) -> None:
        self._reactor = reactor
        self._outcomes = outcomes
        self._tell = tell
        self._changed = changed  # called when a run has ended
        self._fence = Fence(reactor, self._isolate)
        self._chores = Threads(reactor, "chore")
        self._others = Others(reactor, output_folder.parent, lambda: self._fence.over, changed)
        self._scripts = Scripts(reactor, self._chores.run, tree_here(), warm=True)
        self._writer = OutputWriter(reactor, output_folder, output_limit, SHORT)
        self._held: dict[str, _Held] = {}
        self._next: deque[_Held] = deque()  # those that have not begun
        self._ended: dict[str, Ended] = {}
        self._offered = b""
        self._young: deque[tuple[float, _Held]] = deque()  # until when nobody is told of their processes
        self._ending = False

    @property
    def busy(self) -> bool:
        """Whether a run is being executed, or may have to be ended in place of another executor."""
        return bool(self._held) or self._others.wanted

    def runs(self) -> list[str]:
        """The runs that are executed here, and those whose outcome nobody has stored yet."""
        return [*self._held, *self._ended]

    def last_lines(self, runs: Iterable[str]) -> dict[str, str]:
        """The last line that each of these has printed so far, if it goes on."""
        found = {run_id: self._held[run_id].output for run_id in runs if run_id in self._held}
        return {run_id: output.last_line for run_id, output in found.items() if output is not None}

    def news(self) -> Iterator[Frame]:
        """What a daemon that has just come does not know."""
        self._others.meet()
        for held in self._held.values():
            self._started(held)
            if held.started is not None and held.output is not None:
                yield structs.replace(held.started, last_line=held.output.last_line)
            if held.stopping is not None:
                yield held.stopping
        yield from self._ended.values()

    def begin(self) -> None:
        """Be ready. Raises OSError: outcomes could not be kept."""
        self._offered = b"%d" % min(int(SCORE.read_text("ascii")) + SOONER, MOST)
        self._ended = {ended.run_id: ended for ended in self._outcomes.begin()}
        self._chores.startService()
        self._scripts.start()
        self._writer.start()

    async def end(self) -> None:
        """End every run, and keep what no daemon has taken. Nothing is begun any more."""
        self._ending = True
        graces = [held.start.grace for held in self._held.values()]
        over = [held.over for held in self._held.values()]
        for run_id in list(self._held):
            self._stop(run_id, LEAVING)
        await all_of(over, max(graces, default=0) + LATEST, self._reactor)
        await waited_for(self._reactor, self._writer.stop, "end of output")
        self._outcomes.close()
        self._scripts.stop()
        await self._chores.stopService()

    def heard(self, frame: FromDaemon) -> None:
        """A daemon tells something. What is told twice is done once."""
        if isinstance(frame, Start):
            if not self._ending and frame.run_id not in self._held and frame.run_id not in self._ended:
                self._take(frame)
        elif isinstance(frame, Stop):
            self._stop(frame.run_id, stop_of(frame.why))
        elif isinstance(frame, Ping):
            self._others.know(frame.others if frame.until is not None else [])
            self._fence.move(frame.until)
        elif isinstance(frame, Stored):
            for run_id in frame.run_ids:
                self._ended.pop(run_id, None)
            with self.log.failuresHandled("outcomes that the store has could not be forgotten"):
                self._outcomes.taken(self._ended)

    def _take(self, start: Start) -> None:
        held = self._held[start.run_id] = _Held(start)
        if not self._next:
            self._reactor.callLater(0, self._begin_some)
        self._next.append(held)

    def _begin_some(self) -> None:
        begun = len(self._held) - len(self._next)
        for _ in range(min(len(self._next), max(FIRST - begun, TURN))):
            self._begin(self._next.popleft())
        if self._next:
            self._reactor.callLater(0, self._begin_some)

    def _begin(self, held: _Held) -> None:
        if self._fence.over:
            held.stop = held.stop or FENCED
        done = Deferred.fromCoroutine(self._execute(held))
        done.addErrback(self._broken, held)
        done.addBoth(lambda _: held.over.callback(None))

    def _isolate(self) -> None:
        """Others may soon start these runs again, but for those that are to be kept."""
        for run_id in [run_id for run_id, held in self._held.items() if not held.start.keep]:
            with self.log.failuresHandled("run {run} could not be ended", run=run_id):
                self._stop(run_id, FENCED)
        self._others.end()

    def _stop(self, run_id: str, why: deadline.Stop) -> None:
        held = self._held.get(run_id)
        if held is not None:
            held.stop = held.stop or why
            if held.process is not None:
                held.process.deadline.stop(why)

    async def _execute(self, held: _Held) -> None:
        start, redact = held.start, redact_of(held.start)
        output = Output(self._writer, start.run_id, start.job_name, redact, success_of(start).check())
        held.output = output
        process_exit = await patiently(self._reactor, lambda: self._try(held, output), lambda: held.stop)
        at = moment()
        printed = await output.close()
        self._over(held, ended_of(start.run_id, at, process_exit, printed, redact, held.sent, held.pid))

    async def _try(self, held: _Held, output: Output) -> ProcessExit:
        if held.stop is not None:
            return ProcessExit(stopped=held.stop)
        try:
            process = self._scripts.begin(script_of(held.start), output)
        except OSError as why:
            return refused(why)
        held.at, held.pid = moment(), process.pid
        self._offer(process.pid)
        if not process.ended.called:
            held.process = process
            if not self._young:
                self._reactor.callLater(BRIEF, self._grow)
            self._young.append((self._reactor.seconds() + BRIEF, held))
            process.deadline.stopping.subscribe(lambda stop: self._stopping(held, stop))
            process.deadline.signalled.subscribe(lambda sent: held.sent.setdefault(sent, moment()))
            if held.start.timeout is not None:
                process.deadline.arm(held.start.timeout)
        process_exit = await process.ended
        held.process = None  # nobody may stop it now: its pid may be another's
        return process_exit

    def _offer(self, pid: int | None) -> None:
        """Where memory is short the kernel is to end runs, before it ends what looks after them."""
        with suppress(OSError), open(f"/proc/{pid}/oom_score_adj", "wb", buffering=0) as file:  # it may have ended
            file.write(self._offered)

    def _grow(self) -> None:
        """Tell of what did not end at once. Of what did is told once, when it has ended."""
        now = self._reactor.seconds()
        while self._young and self._young[0][0] <= now:
            self._tell_started(self._young.popleft()[1])
        if self._young:
            self._reactor.callLater(self._young[0][0] - now, self._grow)

    def _tell_started(self, held: _Held) -> None:
        if (started := self._started(held)) is not None:
            self._tell(started)

    def _started(self, held: _Held) -> Started | None:
        """What nobody was told yet of its process, if it has one."""
        process = held.process
        if process is None or held.at is None or (held.started is not None and held.started.pid == process.pid):
            return None
        run_id = held.start.run_id
        held.started = Started(
            run_id=run_id, pid=process.pid, pid_started=process.pid_started, at=held.at, keep=held.start.keep
        )
        return held.started

    def _stopping(self, held: _Held, stop: deadline.Stop) -> None:
        held.stopping = Stopping(run_id=held.start.run_id, why=why_of(stop))
        self._tell_started(held)
        self._tell(held.stopping)

    def _broken(self, why: Failure, held: _Held) -> None:
        """A fault of ours must not leave a run without an outcome."""
        self.log.failure("run {run} could not be executed", why, run=held.start.run_id)
        words = plain(f"Jobsched failed: {why.getErrorMessage()}")
        process_exit = ProcessExit(error=words)
        self._over(held, ended_of(held.start.run_id, moment(), process_exit, Printed(), redact_of(held.start)))

    def _over(self, held: _Held, ended: Ended) -> None:
        del self._held[ended.run_id]
        self._ended[ended.run_id] = ended
        try:
            self._outcomes.add(ended)
        except Exception:
            self.log.failure("the outcome of run {run} could not be kept on disk", run=ended.run_id)
        self._tell(ended)
        self._changed()
