"""The watchdog of a run: ends a late run, and the processes an ended run left behind, by TERM, grace, KILL.

It serves a run's timeout, a caller's request, `overlap` `replace` and the end of the daemon.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..events import Topic
from ..model.run import Sent, State

AGAIN = 1.0  # seconds between KILLs to what does not die
HOPELESS = 10.0  # seconds from the first KILL until a process that does not die is given up
ABANDONED = 2.0  # the same for an abandoned run


@attrs.frozen
class Stop:
    """Why a run is ended, and the state it will have."""

    state: State
    reason: str
    abandon: bool = False  # do not wait, or not for long, for a process that cannot be killed
    grace: float | None = None  # seconds from TERM to KILL, if not as always


def fenced(reason: str) -> Stop:
    """Others are about to take this node for dead, and may start its runs again."""
    return Stop("lost", reason, abandon=True, grace=1.0)


class Doomed:
    """Stops for runs that are not there yet: those that are about to start, and will not."""

    MOST = 1000

    def __init__(self) -> None:
        self._stops: dict[str, Stop] = {}

    def add(self, run_id: str, why: Stop) -> None:
        """Remember the stop for this run. Above `MOST` stops, the oldest is forgotten."""
        self._stops[run_id] = why
        if len(self._stops) > self.MOST:
            del self._stops[next(iter(self._stops))]

    def take(self, run_id: str) -> Stop | None:
        """Why a run is not to start; None: it is."""
        return self._stops.pop(run_id, None)


class Deadline:
    """Ends one run: `send(signal)` reaches all its processes; subscribers of `stopping` hear when the end begins, those
    of `signalled` of the TERM and of the first KILL.

    `over` tells whether the run has ended by itself: then there is nothing left to stop, and what it left behind gets
    no more time. The clock counts elapsed time, as the reactor of a daemon does.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        send: Callable[[int], None],
        grace: float,
        over: Callable[[], bool] = lambda: False,
    ) -> None:
        self._clock = clock
        self._send = send
        self._grace = grace
        self._over = over
        self._call: IDelayedCall | None = None
        self._due = 0.0
        self._then: Callable[[], None] | None = None
        self._killed_at: float | None = None
        self.stopping: Topic[[Stop]] = Topic()
        self.signalled: Topic[[Sent]] = Topic()
        self.stopped: Stop | None = None
        self.begun = False  # TERM was sent
        self.abandoned = False
        self._ended = False

    @property
    def killed(self) -> bool:
        """Whether KILL was sent."""
        return self._killed_at is not None

    @property
    def hopeless(self) -> bool:
        """Whether KILL was sent so long ago that what still lives will not die of it."""
        patience = ABANDONED if self.abandoned else HOPELESS
        return self._killed_at is not None and self._clock.seconds() - self._killed_at >= patience

    def arm(self, seconds: float, state: State = "timed_out") -> None:
        """Stop the run when it has run for `seconds`."""
        self._in(seconds, lambda: self.stop(Stop(state, f"ran longer than its {seconds:.12g} s")))

    def stop(self, why: Stop) -> None:
        """Begin the end, once: the first reason stays. A later one may shorten the grace, or abandon what stays."""
        self.abandoned = self.abandoned or why.abandon
        if self.stopped is None and not self._over():
            self.stopped = why
            with self.log.failuresHandled("that a run is ended, {why}, could not be noted", why=why.reason):
                self.stopping(why)  # first: what is sent may end the run at once
        self.sweep(why.grace)

    def sweep(self, grace: float | None = None) -> None:
        """TERM now and KILL after the grace, to whatever lives of the run. Asked again, only the grace may shrink."""
        if not self.begun:
            self.begun = True
            self._in(self._grace if grace is None else min(grace, self._grace), self._kill)
            self._send(signal.SIGTERM)
            self._tell("TERM")
        elif grace is not None and self._then is not None and not self.killed:
            self._in(min(grace, max(self._due - self._clock.seconds(), 0)), self._kill)

    def end(self) -> None:
        """Nothing is left of the run. Whoever sends has this deadline: in such a circle each run would stay in memory
        until Python looks for circles, with its output and all else."""
        self._ended = True  # whoever sends may raise after that, and then nothing is tried again
        self.disarm()
        self._call = None  # one that has rung holds what it calls
        self._send, self._over = _send_nothing, _is_over
        self.begun = True  # there is nothing to sweep

    def disarm(self) -> None:
        """The run has ended."""
        self._then = None
        if self._call is not None and self._call.active():
            self._call.cancel()

    def _kill(self) -> None:
        first = self._killed_at is None
        if self._killed_at is None:
            self._killed_at = self._clock.seconds()
        self._in(AGAIN, self._kill)
        self._send(signal.SIGKILL)
        if first:
            self._tell("KILL")

    def _tell(self, sent: Sent) -> None:
        with self.log.failuresHandled("that {sent} was sent to a run could not be noted", sent=sent):
            self.signalled(sent)

    def _in(self, seconds: float, then: Callable[[], None]) -> None:
        if self._ended:
            return
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._due = self._clock.seconds() + seconds
        self._then = then
        self._call = self._clock.callLater(seconds, self._wake)

    def _wake(self) -> None:
        then, self._then = self._then, None
        if then is None:
            return
        try:
            then()
        except Exception:
            self.log.failure("a run could not be ended, trying again in {seconds} s", Failure(), seconds=AGAIN)
            if self._then is None:
                self._in(AGAIN, then)


def _send_nothing(_: int) -> None:
    """There is no process."""


def _is_over() -> bool:
    return True
