"""Work that is done again and again: in loops that no error ends, at alarms that nobody puts off, with complaints that
do not fill the log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from .model.errors import Unavailable, is_logged
from .model.log_throttle import LogThrottle


class Loop:
    """Does `work` at once or later, and then every so many seconds, never twice at a time. A `LoopingCall` whose work
    fails once is over for good; this one tells the log, and goes on."""

    log = Logger()

    def __init__(self, clock: IReactorTime, every: float, work: Callable[[], object], name: str) -> None:
        self._clock = clock
        self._every = every
        self._work = work
        self._name = name
        self._call: LoopingCall | None = None
        self._failure_log = FailureLog(self.log, clock)

    def start(self, *, now: bool = True) -> None:
        """Begin, or begin anew. Does not wait for work that is under way."""
        self.stop()
        self._call = LoopingCall(self._one_round)
        self._call.clock = self._clock
        self._call.start(self._every, now=now)

    def stop(self) -> None:
        """No more; work that is under way goes on to its end."""
        if self._call is not None and self._call.running:
            self._call.stop()

    def _one_round(self) -> Deferred[object]:
        return maybeDeferred(self._work).addCallbacks(self._done, self._failed)

    def _done(self, _: object) -> None:
        self._failure_log.settled()

    def _failed(self, why: Failure) -> None:
        self._failure_log.say(
            "{name} failed, trying again in {seconds:g} s: {why}", why, name=self._name, seconds=self._every
        )


class Alarm:
    """A timer that rings once, at the earliest of the times for which it was set. All who want a thing done soon, or
    again later, set one alarm: what is planned for later is brought forward, and never put off."""

    def __init__(self, clock: IReactorTime, ring: Callable[[], object]) -> None:
        self._clock = clock
        self._ring = ring
        self._call: IDelayedCall | None = None

    def within(self, seconds: float) -> None:
        """Ring then, or earlier if that is planned."""
        if self._call is None or not self._call.active():
            self._call = self._clock.callLater(seconds, self._ring)
        elif self._call.getTime() > self._clock.seconds() + seconds:
            self._call.reset(seconds)

    def cancel(self) -> None:
        """Do not ring."""
        if self._call is not None and self._call.active():
            self._call.cancel()


class FailureLog:
    """Says in `log` why work fails that is tried again and again, and the same not each time: that the store cannot be
    used in one line, and not at all if the log has it already; a fault of ours with its traceback."""

    def __init__(self, log: Logger, clock: IReactorTime) -> None:
        self._log = log
        self._clock = clock
        self._log_throttle = LogThrottle()

    def say(self, text: str, why: Failure, **fields: Any) -> None:  # as Logger takes them
        """`text` is a format, in which {why} stands for the reason."""
        words = why.getErrorMessage()
        if is_logged(why.value):
            return
        if not self._log_throttle.should_log(words or str(why.type), self._clock.seconds()):
            return
        if why.check(Unavailable):
            self._log.error(text, why=words, **fields)
        else:
            self._log.failure(text, why, why=words, **fields)

    def settled(self) -> None:
        """The trouble is over: the next failure is news."""
        self._log_throttle.settled()
