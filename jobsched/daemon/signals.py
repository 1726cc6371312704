"""Signals to the daemon itself: TERM, INT and USR1 end it cleanly, with exit status 0; with USR1 no run is left to
executors. HUP makes it read its files again.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.defer import DeferredList, maybeDeferred
from twisted.logger import Logger

from ..events import Events
from ..reactor_types import Reactor


class OnStop:
    """What becomes of runs when the daemon ends."""

    def __init__(self, *, leaves_runs: bool) -> None:
        self._leaves_runs = leaves_runs

    def leaves(self) -> bool:
        """Whether those in executors go on."""
        return self._leaves_runs

    def end_runs(self) -> None:
        """None goes on."""
        self._leaves_runs = False


class Signals(Service):
    """Installs our handlers, and again once the reactor runs: Twisted installs its own handlers at its start.

    Twisted's handlers would let the signal itself kill the process, even after a clean stop.
    """

    name = "signals"
    log = Logger()

    def __init__(self, reactor: Reactor, events: Events, on_stop: OnStop, *hang_ups: Callable[[], object]) -> None:
        self._on_stop = on_stop
        self._reactor = reactor
        self._events = events
        self._hang_ups = hang_ups  # called at HUP; none of them raises; some return a Deferred
        self._ending = False

    def startService(self) -> None:
        super().startService()
        self._install()  # else an interrupt now would raise in any running code, which could swallow it
        self._reactor.callWhenRunning(self._install)

    def _install(self) -> None:
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, self._end)
        signal.signal(signal.SIGUSR1, self._end)
        signal.signal(signal.SIGHUP, self._again)

    def _end(self, number: int, _frame: object) -> None:
        if number == signal.SIGUSR1:  # also when it ends already
            self._reactor.callFromThread(self._on_stop.end_runs)
        if not self._ending:
            self._ending = True
            self._reactor.callFromThread(self._stop, number)

    def _stop(self, number: int) -> None:
        self.log.info("received {signal}, stopping", signal=signal.Signals(number).name)
        self._reactor.stop()

    def _again(self, _number: int, _frame: object) -> None:
        self._reactor.callFromThread(self._read_again)

    def _read_again(self) -> None:
        self._events.reload_began()
        done = DeferredList([maybeDeferred(hang_up) for hang_up in self._hang_ups], consumeErrors=True)
        done.addCallback(lambda _: self._events.reload_ended())
