"""What time it is, and the news that somebody changed it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime
from twisted.logger import Logger

LOOK = 0.5  # seconds between looks
STEP = 0.5  # seconds of difference that make a step; slewing stays far below


def now(clock: IReactorTime) -> datetime:
    """The instant that `clock` shows, in UTC."""
    return datetime.fromtimestamp(clock.seconds(), UTC)


class ClockWatch(Service):
    """Tells of wall clock steps, from a thread: Twisted's own timers stand still while a clock set back catches up."""

    name = "clock watch"
    log = Logger()

    def __init__(
        self,
        reactor: IReactorFromThreads,
        stepped: Callable[[float], None],
        wall: Callable[[], float] = time.time,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reactor = reactor
        self._stepped = stepped
        self._wall = wall
        self._elapsed = elapsed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="clock watch", daemon=True)

    def startService(self) -> None:
        super().startService()
        self._thread.start()

    def stopService(self) -> None:
        super().stopService()
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        offset = self._wall() - self._elapsed()
        while not self._stop.wait(LOOK):
            before, offset = offset, self._wall() - self._elapsed()
            if abs(offset - before) >= STEP:
                self._reactor.callFromThread(self._tell, offset - before)

    def _tell(self, seconds: float) -> None:
        self.log.warn("the wall clock was stepped by {seconds:+.3f} s; due times follow it", seconds=seconds)
        if self.running:
            self._stepped(seconds)
