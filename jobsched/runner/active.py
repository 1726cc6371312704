"""A run that is being executed here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from ..model.run import Run, Sent
from .calls import Call, Calls
from .deadline import Stop
from .elsewhere import ExecutorCall
from .output import Output

log = Logger()


@attrs.define
class Active:
    """A run that is being executed here."""

    run: Run
    output: Output | None = None
    call: Call | None = None
    stop: Stop | None = None
    noting: IDelayedCall | None = None  # its pid is soon recorded
    ended: Deferred[None] = attrs.field(factory=Deferred)

    def signalled(self, sent: Sent, now: datetime, note: Callable[[Active, Run], None]) -> None:
        """Put down when. What is sent to what a run has left behind is recorded with its outcome."""
        self.run = self.run.was_sent(sent, now)
        if self.run.state == "stopping":
            note(self, self.run)

    def take_sent(self, call: Call, now: datetime) -> None:
        """Put down what an executor has sent it."""
        for sent, ago in call.sent if isinstance(call, ExecutorCall) else ():
            self.run = self.run.was_sent(sent, now - timedelta(seconds=ago))


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
