"""The daemon's connection to one executor: bytes on the one side, frames on the other."""

from __future__ import annotations

import os
import socket
from typing import Protocol

from twisted.internet.interfaces import ITransport
from twisted.internet.protocol import Protocol as StreamProtocol
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from .frames import BadFrames, Frame, FromExecutor, Welcome, daemons_inbox, packed, shared
from .link import CREDENTIALS


class Owner(Protocol):
    """Whose connection it is."""

    def connected(self, connection: Connection, pid: int) -> None:
        """Somebody listens."""

    def welcomed(self, connection: Connection, welcome: Welcome) -> None:
        """The executor is there."""

    def heard(self, frame: FromExecutor) -> None:
        """It tells something."""

    def lost(self, connection: Connection) -> None:
        """It has gone, or hung up."""


class Connection(StreamProtocol):
    """One connection to an executor."""

    log = Logger()

    def __init__(self, hand: Owner) -> None:
        self._hand = hand
        self._inbox = daemons_inbox()
        self._welcomed = False

    def connectionMade(self) -> None:
        assert self.transport is not None
        peer = self.transport.getHandle().getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)  # type: ignore[attr-defined]
        pid, user, _ = CREDENTIALS.unpack(peer)
        if user not in (0, os.geteuid()):  # else it would be told secrets
            self.log.error("an executor was not understood: {why}", why=f"process {pid} is of another user ({user})")
            self.transport.abortConnection()  # type: ignore[attr-defined]
            return
        self._hand.connected(self, pid)

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
            try:
                self._hand.heard(frame)
            except Exception:  # the next frame is of another run
                self.log.failure("what an executor told could not be taken")

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
