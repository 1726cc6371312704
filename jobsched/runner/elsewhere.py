"""A script that another process of this node executes: what its runner sees of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from twisted.internet.defer import Deferred

from ..events import Topic
from ..model.success import Success
from ..task import Info
from .deadline import Stop
from .outcome import ProcessExit
from .output import Output
from .scripts import Script


class DistantDeadline:
    """The deadline of a run that an executor ends. Its seconds were told with its start, and are counted there."""

    def __init__(self, tell: Callable[[Stop], object]) -> None:
        self._tell = tell
        self.stopping: Topic[[Stop]] = Topic()

    def arm(self, seconds: float) -> None:
        """Nothing is to be done here."""

    def stop(self, why: Stop) -> None:
        """Begin the end."""
        self._tell(why)


class ExecutorCall:
    """`begun` fires when the process is there or will never be, `ended` with what became of it."""

    def __init__(self, run_id: str, output: Output, tell: Callable[[Stop], object]) -> None:
        self.id = run_id
        self.pid: int | None = None
        self.pid_started: float | None = None
        self.begun: Deferred[None] = Deferred()
        self.ended: Deferred[ProcessExit] = Deferred()
        self.deadline = DistantDeadline(tell)
        self.output = output

    def begin(self, pid: int | None, pid_started: float | None) -> None:
        """The process is there. Told again, nothing happens."""
        if not self.begun.called:
            self.pid, self.pid_started = pid, pid_started
            self.begun.callback(None)

    def end(self, process_exit: ProcessExit) -> None:
        """It has ended. Told again, nothing happens."""
        if not self.ended.called:
            self.ended.callback(process_exit)  # first: what is over is not watched
            self.begin(None, None)


class Executors(Protocol):
    """Executors, as a runner sees them."""

    def begin(self, script: Script, info: Info, success: Success, output: Output) -> ExecutorCall:
        """Have a script executed."""

    def stored(self, run_ids: Iterable[str]) -> None:
        """The store has the outcomes of these runs."""
