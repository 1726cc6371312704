"""The daemon's end of the socket to one executor, which is started when it is not there."""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IAddress, IConnector, IDelayedCall, IProcessTransport
from twisted.internet.protocol import ClientFactory, ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from .. import __version__
from ..model.log_throttle import LogThrottle
from ..model.printable import many
from ..reactor_types import Reactor
from ..runner import procfs
from ..runner.launch import inherited
from . import journal
from .connection import Connection
from .frames import NEWEST, OLDEST, Ended, Frame, FromExecutor, Greeting, Lines, Ping, Pong, Start, Welcome

AGAIN = 0.05  # seconds between looks for the socket
SLOW = 1.0  # seconds between starts of an executor that does not stay
PATIENCE = 5.0  # seconds that an executor may take to its end
EVERY = 1.0  # seconds between pings
NOBODY = (errno.ENOENT, errno.ECONNREFUSED)  # why nobody can be reached: else an executor is there, but too busy


class Told(Protocol):
    """Hears of an executor."""

    def welcomed(self, hand: Hand, welcome: Welcome, told: set[str]) -> None:
        """An executor is there; an earlier connection was `told` of these runs."""

    def heard(self, hand: Hand, frame: FromExecutor) -> None:
        """It tells something."""

    def absent(self, hand: Hand) -> None:
        """It is not there; told at each look, and another is started."""

    def died(self, hand: Hand, told: set[str]) -> None:
        """It is dead, and was told of these runs; another is started."""


class Hand(ClientFactory):
    """One executor, by its name. What is told while none is there, waits."""

    log = Logger()
    lines = logging.getLogger("jobsched.output")
    noisy = False

    def __init__(self, reactor: Reactor, folder: Path, name: str, words: list[str], told: Told) -> None:
        self._reactor = reactor
        self._folder = folder
        self.name = name
        self._words = words  # the state folder, and the settings
        self._told = told
        self._line: Connection | None = None
        self._connection: Connection | None = None  # the same once it has welcomed this daemon
        self._killed = False
        self._silent = 0.0  # seconds, as `ping` counts them
        self._pinged = 0.0
        self._process: IProcessTransport | None = None
        self.pid = 0  # of the executor that is connected, or was
        self._process_pid = 0
        self._begun = float("-inf")
        self._log_throttle = LogThrottle()  # of what keeps it from its start
        self._next: IDelayedCall | None = None
        self._waiting: list[Frame] = []
        self._runs: set[str] = set()  # that the executor was told to start, since its welcome
        self._ending = self._leaves = False
        self._over: Deferred[None] | None = None

    @property
    def there(self) -> bool:
        """Whether the executor is there."""
        return self._connection is not None

    @property
    def ours(self) -> bool:
        """Whether this daemon has started the executor that is there."""
        return self._process is not None and self._process_pid == self.pid

    def begin(self) -> None:
        """Look for the executor, and start it if need be."""
        self._at = os.open(self._folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._look()

    def end(self, grace: float) -> Deferred[None]:
        """End the executor, which may take `grace` seconds for runs. Fires when it has ended, or when it is killed."""
        self._ending = True
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._flush()
        if self._line is None and self._process is None:
            return succeed(None)
        self._over = Deferred()
        self._signal(signal.SIGTERM)
        late = grace + PATIENCE
        return self._over.addTimeout(late, self._reactor, lambda _given_up, _seconds: self._signal(signal.SIGKILL))

    def leave(self) -> Deferred[None]:
        """Let the executor go on without this daemon. Fires when it has been told all, or after some seconds."""
        self._ending = self._leaves = True
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._flush()
        self._process = None  # its end is nothing to this daemon now
        if self._line is None:
            return succeed(None)
        self._over = Deferred()
        self._line.end()
        return self._over.addTimeout(PATIENCE, self._reactor, lambda _given_up, _seconds: None)

    def ping(self, ping: Ping, patience: float) -> None:
        """Say that this daemon lives, and kill an executor that did not answer for so many seconds. While this daemon
        itself was asleep, or so busy, nobody could have heard an answer."""
        now = self._reactor.seconds()
        if self._line is not None:
            self._silent += min(now - self._pinged, 2 * EVERY)
            if self._silent > patience:
                self._kill(patience)
            elif self._connection is not None:
                self._connection.write([ping])
        self._pinged = now

    def _kill(self, patience: float) -> None:
        if not self._killed:
            words = "executor {name} did not answer for {seconds:g} s, so it is killed"
            self.log.error(words, name=self.name, seconds=patience)
            self._killed = True
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        """To the executor that is connected; else to the one that is on its way."""
        if self._process is not None and (self._line is None or self._process.pid == self.pid):
            with suppress(ProcessExitedAlready):
                self._process.signalProcess(number)
        elif self._line is not None:  # an earlier daemon started it
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def tell(self, frame: Frame) -> None:
        """Tell the executor, together with what else is told in this turn of the reactor."""
        if not self._waiting and self._connection is not None:
            self._reactor.callLater(0, self._flush)
        self._waiting.append(frame)

    def waits(self, run_id: str) -> bool:
        """Whether the executor is still to be told of the start of a run."""
        starts = (frame.run_id for frame in self._waiting if isinstance(frame, Start))
        return self._connection is None and run_id in starts

    def withdraw(self, run_id: str) -> bool:
        """Whether the start of a run waited still; then it will not be told."""
        if not self.waits(run_id):
            return False
        self._waiting = [each for each in self._waiting if not isinstance(each, Start) or each.run_id != run_id]
        return True

    def _flush(self) -> None:
        if self._connection is not None and self._waiting:
            told, self._waiting = self._waiting, []
            self._runs.update(frame.run_id for frame in told if isinstance(frame, Start))
            self._connection.write(told)

    # How it comes.

    def _look(self) -> None:
        self._reactor.connectUNIX(f"/proc/self/fd/{self._at}/{self.name}.sock", self, timeout=PATIENCE)

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        if self._ending:
            return
        if getattr(reason.value, "osError", None) in NOBODY:
            self._told.absent(self)
        if self._process is None and self._reactor.seconds() - self._begun > SLOW:
            self._begun = self._reactor.seconds()
            self._start()
        self._next = self._reactor.callLater(AGAIN, self._look)

    def _start(self) -> None:
        if (shut := journal.shut(self._folder, self.name)) is not None:
            self._not_started(shut)
            return
        state, *settings = self._words
        words = [sys.executable, "-m", "jobsched.executor", state, self.name, *settings]
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._process = self._reactor.spawnProcess(
                Watch(self), words[0], words, inherited(os.environ), childFDs=dict.fromkeys(range(3), nothing)
            )
            self._process_pid = self._process.pid
        except OSError as why:
            self._not_started(why)
        finally:
            os.close(nothing)

    def _not_started(self, why: OSError) -> None:
        if self._log_throttle.should_log(str(why), self._reactor.seconds()):
            self.log.error("executor {name} could not be started: {why}", name=self.name, why=str(why))

    def buildProtocol(self, addr: IAddress | None) -> Connection:
        return Connection(self)

    # Called by the connection, and by the process.

    def connected(self, connection: Connection, pid: int) -> None:
        """Somebody listens. Whether it answers is to be seen."""
        self._line, self.pid = connection, pid
        self._silent, self._pinged = 0.0, self._reactor.seconds()

    def welcomed(self, connection: Connection, welcome: Welcome) -> None:
        """The executor is there."""
        self._log_throttle.settled()
        connection.write([Greeting(oldest=OLDEST, newest=NEWEST, release=__version__)])
        self.log.info("executor {name} is there, pid {pid}", name=self.name, pid=welcome.pid)
        told, self._runs = self._runs, set(welcome.runs)
        self._connection, self._silent = connection, 0.0
        self._told.welcomed(self, welcome, told)
        self._flush()

    def heard(self, frame: FromExecutor) -> None:
        """It tells something."""
        self._silent = 0.0
        if isinstance(frame, Ended):
            self._runs.discard(frame.run_id)
        if isinstance(frame, Lines):
            self._print(frame)
        if not isinstance(frame, Pong):
            self._told.heard(self, frame)

    def _print(self, frame: Lines) -> None:
        if frame.dropped:
            self.log.warn("the log lacks {lines} of runs: it did not take them", lines=many(frame.dropped, "line"))
        for line in frame.lines if self.lines.isEnabledFor(logging.INFO) else ():
            self.lines.handle(self.lines.makeRecord(self.lines.name, logging.INFO, "", 0, line, (), None))

    def lost(self, connection: Connection) -> None:
        """It has gone, or hung up."""
        pause = SLOW if self._connection is None else AGAIN
        self._line = self._connection = None
        if self._killed and self._process is None:
            self._died()
        if not self._ending:
            self.log.warn("the connection to executor {name} is gone", name=self.name)
            self._next = self._reactor.callLater(pause, self._look)
        elif self._leaves:
            self._tell_over()
        elif self._process is None:
            self._tell_when_gone()

    def exited(self, how: str) -> None:
        """The process has ended."""
        ours = self.ours
        self._process = None
        if not self._ending:
            if self._log_throttle.should_log(how, self._reactor.seconds()):
                self.log.error("executor {name} has ended: {how}", name=self.name, how=how)
            if ours:
                self._died()
        self._tell_over()

    def _died(self) -> None:
        self._killed = False
        self._told.died(self, set(self._runs))

    def _tell_when_gone(self) -> None:
        """The end of an executor that an earlier daemon started has to be looked for."""
        if procfs.is_gone(self.pid):
            self._tell_over()
        elif self._over is not None and not self._over.called:
            self._reactor.callLater(AGAIN, self._tell_when_gone)

    def _tell_over(self) -> None:
        if self._over is not None and not self._over.called:
            self._over.callback(None)


class Watch(ProcessProtocol):
    """Hears of the end of an executor that this daemon started."""

    def __init__(self, hand: Hand) -> None:
        self._hand = hand

    def processEnded(self, reason: Failure) -> None:
        self._hand.exited(reason.getErrorMessage())
