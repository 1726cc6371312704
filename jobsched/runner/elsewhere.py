"""A script that another process of this node executes: what its runner sees of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from twisted.internet.defer import Deferred

from ..events import Topic
from ..model.run import Sent
from ..model.success import Success
from ..task import Info
from .deadline import Stop
from .outcome import ProcessExit
from .output import Output
from .output_file import Printed
from .scripts import Script


class Stopping(Topic[[Stop]]):
    """Those that subscribe late hear it too."""

    def __init__(self) -> None:
        super().__init__()
        self._told: Stop | None = None

    def subscribe(self, hear: Callable[[Stop], object]) -> None:
        super().subscribe(hear)
        if self._told is not None:
            hear(self._told)

    def __call__(self, why: Stop) -> None:
        self._told = why
        super().__call__(why)


class DistantDeadline:
    """The deadline of a run that an executor ends. Its seconds were told with its start, and are counted there."""

    def __init__(self, tell: Callable[[Stop], object]) -> None:
        self._tell = tell
        self.stopping = Stopping()
        self.signalled: Topic[[Sent]] = Topic()  # what was sent is known with the outcome, as `ExecutorCall.sent`

    def arm(self, seconds: float) -> None:
        """Nothing is to be done here."""

    def stop(self, why: Stop) -> None:
        """Begin the end."""
        self._tell(why)


class ExecutorCall:
    """`begun` fires when the process is there or will never be, `ended` with what became of it."""

    def __init__(self, run_id: str, tell: Callable[[Stop], object]) -> None:
        self.id = run_id
        self.pid: int | None = None
        self.pid_started: float | None = None
        self.begun: Deferred[None] = Deferred()
        self.ended: Deferred[ProcessExit] = Deferred()
        self.begun_again: Topic[[int, float | None]] = Topic()  # its program file was busy at first
        self.deadline = DistantDeadline(tell)
        self._output: Output | None = None
        self._last_line = ""
        self._printed: Printed | None = None
        self.sent: Sequence[tuple[Sent, float]] = ()  # what its processes were first sent, at which moments

    def follow(self, output: Output) -> None:
        """What becomes of the output is to be told to this one."""
        self._output = output
        self.print(self._last_line)
        if self._printed is not None:
            output.came(self._printed)

    def print(self, last_line: str) -> None:
        """This is the last line that it has printed so far; "": it is not known."""
        self._last_line = last_line or self._last_line
        if self._output is not None:
            self._output.heard(self._last_line)

    def begin(self, pid: int | None, pid_started: float | None) -> None:
        """The process is there. Told again of the same, nothing happens."""
        if not self.begun.called:
            self.pid, self.pid_started = pid, pid_started
            self.begun.callback(None)
        elif pid is not None and (pid, pid_started) != (self.pid, self.pid_started):
            self.pid, self.pid_started = pid, pid_started
            self.begun_again(pid, pid_started)

    def end(
        self,
        process_exit: ProcessExit,
        printed: Printed | None = None,
        sent: Sequence[tuple[Sent, float]] = (),
        pid: int | None = None,
    ) -> None:
        """It has ended; `pid`: of its process, which may not be known here yet. Told again, nothing happens."""
        if not self.ended.called:
            self._printed, self.sent = printed, sent
            if self._output is not None and printed is not None:
                self._output.came(printed)
            if pid is not None and pid != self.pid:
                self.pid, self.pid_started = pid, None
            self.ended.callback(process_exit)  # first: what is over is not watched
            if not self.begun.called:
                self.begun.callback(None)


class Executors(Protocol):
    """Executors, as a runner sees them."""

    def begin(self, script: Script, info: Info, success: Success, output: Output) -> ExecutorCall:
        """Have a script executed."""

    def known(self) -> Deferred[set[str]]:
        """The runs of an earlier daemon that executors have. Fires when all are there, or after some seconds."""

    def take(self, run_id: str) -> ExecutorCall:
        """One of these, to go on with it."""

    def settle(self) -> None:
        """Those that nobody took are nobody's."""

    def has(self, run_id: str) -> bool:
        """Whether an executor was told of this run."""

    def leave(self, run_id: str) -> bool:
        """Leave a run to its executor when this daemon ends, and hear nothing of it from now on; false: it has not
        been told there yet."""

    def stored(self, run_ids: Iterable[str]) -> None:
        """The store has the outcomes of these runs."""
