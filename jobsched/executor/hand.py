"""The daemon's end of the socket to one executor, which is started when it is not there."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IConnector, IDelayedCall, IProcessTransport, ITransport
from twisted.internet.protocol import ClientFactory, ProcessProtocol, connectionDone
from twisted.internet.protocol import Protocol as StreamProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from .. import __version__
from ..reactor_types import Reactor
from ..runner.launch import inherited
from .frames import (
    NEWEST,
    OLDEST,
    BadFrames,
    Ended,
    Frame,
    FromExecutor,
    Greeting,
    Start,
    Welcome,
    daemons_inbox,
    packed,
    shared,
)

AGAIN = 0.05  # seconds between looks for the socket
SLOW = 1.0  # seconds between starts of an executor that does not stay
PATIENCE = 5.0  # seconds that an executor may take to its end


class Told(Protocol):
    """Hears of an executor."""

    def welcomed(self, hand: Hand, welcome: Welcome, told: set[str]) -> None:
        """An executor is there; an earlier connection was `told` of these runs."""

    def heard(self, hand: Hand, frame: FromExecutor) -> None:
        """It tells something."""


class Hand(ClientFactory):
    """One executor, by its name. What is told while none is there, waits."""

    log = Logger()
    noisy = False

    def __init__(self, reactor: Reactor, folder: Path, name: str, words: list[str], told: Told) -> None:
        self._reactor = reactor
        self._folder = folder
        self._name = name
        self._words = words  # the state folder, the limit of an output
        self._told = told
        self._connection: Connection | None = None
        self._process: IProcessTransport | None = None
        self._pid = 0
        self._begun = float("-inf")
        self._next: IDelayedCall | None = None
        self._waiting: list[Frame] = []
        self._runs: set[str] = set()  # that the executor was told to start, since its welcome
        self._ending = False
        self._over: Deferred[None] | None = None

    def begin(self) -> None:
        """Look for the executor, and start it if need be."""
        self._at = os.open(self._folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._look()

    def end(self) -> Deferred[None]:
        """End the executor. Fires when it has ended, or after some seconds."""
        self._ending = True
        if self._next is not None and self._next.active():
            self._next.cancel()
        if self._connection is not None:
            self._connection.end()
            if self._process is None:  # an earlier daemon started it
                with suppress(ProcessLookupError):
                    os.kill(self._pid, signal.SIGTERM)
        if self._process is None:
            return succeed(None)
        self._process.signalProcess("TERM")
        self._over = Deferred()
        return self._over.addTimeout(PATIENCE, self._reactor, lambda _given_up, _seconds: None)

    def tell(self, frame: Frame) -> None:
        """Tell the executor, together with what else is told in this turn of the reactor."""
        if not self._waiting and self._connection is not None:
            self._reactor.callLater(0, self._flush)
        self._waiting.append(frame)

    def withdraw(self, run_id: str) -> bool:
        """Whether the start of a run waited still; then it will not be told."""
        if self._connection is not None:
            return False
        kept = [frame for frame in self._waiting if not isinstance(frame, Start) or frame.run_id != run_id]
        waited, self._waiting = len(kept) < len(self._waiting), kept
        return waited

    def _flush(self) -> None:
        if self._connection is not None and self._waiting:
            told, self._waiting = self._waiting, []
            self._runs.update(frame.run_id for frame in told if isinstance(frame, Start))
            self._connection.write(told)

    # How it comes.

    def _look(self) -> None:
        self._reactor.connectUNIX(f"/proc/self/fd/{self._at}/{self._name}.sock", self, timeout=PATIENCE)

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        if self._ending:
            return
        if self._process is None and self._reactor.seconds() - self._begun > SLOW:
            self._begun = self._reactor.seconds()
            self._start()
        self._next = self._reactor.callLater(AGAIN, self._look)

    def _start(self) -> None:
        state, limit = self._words
        words = [sys.executable, "-m", "jobsched.executor", state, self._name, limit]
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._process = self._reactor.spawnProcess(
                Watch(self), words[0], words, inherited(os.environ), childFDs=dict.fromkeys(range(3), nothing)
            )
        except OSError as why:
            self.log.error("executor {name} could not be started: {why}", name=self._name, why=str(why))
        finally:
            os.close(nothing)

    def buildProtocol(self, addr: IAddress | None) -> Connection:
        return Connection(self)

    # Called by the connection, and by the process.

    def welcomed(self, connection: Connection, welcome: Welcome) -> None:
        """The executor is there."""
        connection.write([Greeting(oldest=OLDEST, newest=NEWEST, release=__version__)])
        self.log.info("executor {name} is there, pid {pid}", name=self._name, pid=welcome.pid)
        told, self._runs = self._runs, set(welcome.runs)
        self._connection, self._pid = connection, welcome.pid
        self._told.welcomed(self, welcome, told)
        self._flush()

    def heard(self, frame: FromExecutor) -> None:
        """It tells something."""
        if isinstance(frame, Ended):
            self._runs.discard(frame.run_id)
        self._told.heard(self, frame)

    def lost(self, connection: Connection) -> None:
        """It has gone, or hung up."""
        if connection is self._connection:
            self._connection = None
        if not self._ending:
            self.log.warn("the connection to executor {name} is gone", name=self._name)
            self._next = self._reactor.callLater(AGAIN, self._look)

    def exited(self, how: str) -> None:
        """The process has ended."""
        self._process = None
        if not self._ending:
            self.log.error("executor {name} has ended: {how}", name=self._name, how=how)
        if self._over is not None and not self._over.called:
            self._over.callback(None)


class Watch(ProcessProtocol):
    """Hears of the end of an executor that this daemon started."""

    def __init__(self, hand: Hand) -> None:
        self._hand = hand

    def processEnded(self, reason: Failure) -> None:
        self._hand.exited(reason.getErrorMessage())


class Connection(StreamProtocol):
    """One connection to an executor."""

    log = Logger()

    def __init__(self, hand: Hand) -> None:
        self._hand = hand
        self._inbox = daemons_inbox()
        self._welcomed = False

    def dataReceived(self, data: bytes) -> None:
        try:
            for frame in self._inbox.take(data):
                self._heard(frame)
        except BadFrames as why:
            self.log.error("an executor was not understood: {why}", why=str(why))
            self.end()

    def _heard(self, frame: FromExecutor) -> None:
        if isinstance(frame, Welcome):
            shared(frame.oldest, frame.newest)
            self._welcomed = True
            self._hand.welcomed(self, frame)
        elif not self._welcomed:
            raise BadFrames("it did not say who it is")
        else:
            with self.log.failuresHandled("what an executor told could not be taken"):
                self._hand.heard(frame)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._hand.lost(self)

    def write(self, frames: list[Frame]) -> None:
        """Tell the executor."""
        transport: ITransport | None = self.transport
        if transport is not None:
            transport.write(packed(frames))

    def end(self) -> None:
        """Hang up, once all is said."""
        if self.transport is not None:
            self.transport.loseConnection()
