"""Signals to the daemon itself: TERM and INT end it cleanly, with exit status 0; HUP makes it read its files again."""

from __future__ import annotations

import signal
from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.defer import DeferredList, maybeDeferred
from twisted.logger import Logger

from ..events import Events
from ..reactor_types import Reactor


class Signals(Service):
    """Installs our handlers, and again once the reactor runs: Twisted installs its own handlers at its start.

    Twisted's handlers would let the signal itself kill the process, even after a clean stop.
    """

    name = "signals"
    log = Logger()

    def __init__(self, reactor: Reactor, events: Events, *hang_ups: Callable[[], object]) -> None:
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
        signal.signal(signal.SIGHUP, self._again)

    def _end(self, number: int, _frame: object) -> None:
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
