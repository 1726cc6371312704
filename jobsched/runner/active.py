"""A run that is being executed here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from ..clock import back_then
from ..model.run import Run, Sent
from .calls import Call, Calls
from .deadline import Stop
from .elsewhere import ExecutorCall
from .output import Output

OTHERWISE = Stop("lost", "its node was cut off, and others have recorded another outcome meanwhile")

log = Logger()


@attrs.define
class Active:
    """A run that is being executed here."""

    run: Run
    output: Output | None = None
    call: Call | None = None
    stop: Stop | None = None
    noting: IDelayedCall | None = None  # its pid is soon recorded
    kept: bool = False  # it goes on while others may take this node for dead
    ended: Deferred[None] = attrs.field(factory=Deferred)

    def noted(self) -> None:
        """Its pid is, or need not be. A timer that has rung holds what it was to be told: a circle, as in
        `Deadline.end`."""
        if self.noting is not None and self.noting.active():
            self.noting.cancel()
        self.noting = None

    def signalled(self, sent: Sent, now: datetime, note: Callable[[Active, Run], None]) -> None:
        """Put down when. What is sent to what a run has left behind is recorded with its outcome."""
        self.run = self.run.was_sent(sent, now)
        if self.run.state == "stopping":
            note(self, self.run)

    def has(self, pid: int, pid_started: float | None, note: Callable[[Active, Run], None]) -> None:
        """It has this process, in place of the one before."""
        note(self, self.run.but(pid=pid, pid_started=pid_started))

    def keep(self, instant: datetime) -> None:
        """It goes on while others may take this node for dead."""
        self.kept = True
        self.run = self.run.but(isolated=instant)

    def take_back(self, given: Run, note: Callable[[Active, Run], None]) -> None:
        """It is this node's again, as the store has `given` it; of its process more may be known here."""
        self.kept = False
        run = self.run
        isolated = run.isolated if given.isolated is None else given.isolated
        state, reason = (given.state, given.reason) if run.state == "running" else (run.state, run.reason)
        note(self, run.but(node_id=given.node_id, state=state, reason=reason, isolated=isolated))

    def refuse(self) -> None:
        """The store does not give it back, so it is ended."""
        self.kept = False
        if self.call is not None:
            self.call.deadline.stop(OTHERWISE)

    def over(self, call: Call, clock: IReactorTime) -> None:
        """Its call has ended. Put down its process, which nobody knows yet if it ended at once, and what an executor
        has sent it."""
        self.call = None  # nobody may stop it now: its pid may be another's
        if call.pid is not None and call.pid != self.run.pid:
            self.run = self.run.but(pid=call.pid, pid_started=call.pid_started)
        for sent, at in call.sent if isinstance(call, ExecutorCall) else ():
            self.run = self.run.was_sent(sent, back_then(clock, at))


def leave(active: dict[str, Active], calls: Calls, note: Callable[[Active, Run], object]) -> None:
    """Leave to executors what they can go on with; of that, nothing is heard from now on."""
    before = len(active)
    for run_id, each in list(active.items()):
        if isinstance(each.call, ExecutorCall) and calls.leave(run_id):
            del active[run_id]
            note(each, each.run)  # its pid may not be recorded yet
    if left := before - len(active):
        log.info("{count} active runs are left to executors, for the next daemon here", count=left)


def tell_endless(active: Iterable[Active]) -> None:
    """The daemon ends before them."""
    for each in active:
        log.error("run {run} of {job} does not end; the next daemon will record it as lost",
                  run=each.run.id, job=each.run.job_name)  # fmt: skip
