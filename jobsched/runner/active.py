"""A run that is being executed here."""

from __future__ import annotations

from collections.abc import Callable

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from ..model.run import Run
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


def leave(active: dict[str, Active], calls: Calls, note: Callable[[Active, Run], object]) -> None:
    """Leave to executors what they can go on with; of that, nothing is heard from now on."""
    before = len(active)
    for run_id, each in list(active.items()):
        if isinstance(each.call, ExecutorCall) and calls.leave(run_id):
            del active[run_id]
            note(each, each.run)  # its pid may not be recorded yet
    if left := before - len(active):
        log.info("{count} active runs are left to executors, for the next daemon here", count=left)
