"""The end of a run that does not end by itself: TERM, grace, KILL. Deadline, caller, replace and shutdown come here."""

from __future__ import annotations

import signal
from collections.abc import Callable

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from ..model.run import State

SLICE = 60.0  # seconds: how long a stepped wall clock can hide the end of the time
AGAIN = 1.0  # seconds between KILLs to what does not die


@attrs.frozen
class Stop:
    """Why a run is ended, and the state it will have."""

    state: State
    reason: str
    abandon: bool = False  # what cannot be killed is not waited for
    grace: float | None = None  # seconds from TERM to KILL, if not as always


class Deadline:
    """Ends one run: `send(signal)` reaches all its processes; `on_stop(stop)` hears when the end begins.

    Time is elapsed time as `monotonic` tells it. The clock only wakes us, at least once in a slice.
    """

    def __init__(
        self,
        clock: IReactorTime,
        send: Callable[[int], None],
        grace: float,
        monotonic: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._send = send
        self._grace = grace
        self._monotonic = monotonic
        self._call: IDelayedCall | None = None
        self._due = 0.0
        self._then: Callable[[], None] | None = None
        self.on_stop: Callable[[Stop], None] = lambda stop: None
        self.stopped: Stop | None = None
        self.killed = False
        self.abandoned = False

    def arm(self, seconds: float, state: State = "timed_out") -> None:
        """Stop the run when it has run for `seconds`."""
        self._in(seconds, lambda: self.stop(Stop(state, f"ran longer than its {seconds:.12g} s")))

    def stop(self, why: Stop) -> None:
        """Begin the end, once: the first reason stays. A later one may shorten the grace, or abandon what stays."""
        self.abandoned = self.abandoned or why.abandon
        if self.stopped is not None:
            if why.grace is not None and self._then is not None and not self.killed:
                self._in(min(why.grace, max(self._due - self._monotonic(), 0)), self._kill)
            return
        self.stopped = why
        self._in(self._grace if why.grace is None else min(why.grace, self._grace), self._kill)
        self.on_stop(why)  # first: what is sent may end the run at once
        self._send(signal.SIGTERM)

    def disarm(self) -> None:
        """The run has ended."""
        self._then = None
        if self._call is not None and self._call.active():
            self._call.cancel()

    def look_again(self) -> None:
        """The wall clock was stepped: the wake-up is where it no longer belongs."""
        if self._then is not None:
            self._sleep()

    def _kill(self) -> None:
        self.killed = True
        self._in(AGAIN, self._kill)
        self._send(signal.SIGKILL)

    def _in(self, seconds: float, then: Callable[[], None]) -> None:
        self._due = self._monotonic() + seconds
        self._then = then
        self._sleep()

    def _sleep(self) -> None:
        if self._call is not None and self._call.active():
            self._call.cancel()
        left = self._due - self._monotonic()
        self._call = self._clock.callLater(min(max(left, 0), SLICE), self._wake)

    def _wake(self) -> None:
        then = self._then
        if then is None:
            return
        if self._monotonic() < self._due:
            self._sleep()
            return
        self._then = None
        then()
