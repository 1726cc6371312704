"""The executor's end of the socket on which a daemon speaks to it: one daemon at a time, and only the right one."""

from __future__ import annotations

import errno
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from twisted.internet.interfaces import IAddress, IListeningPort, IPushProducer, IReactorUNIX, ITransport
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.protocol import Protocol as StreamProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from .. import __version__, files
from ..reactor_types import TimeAndThreads
from .facts import boot_id
from .frames import (
    NEWEST,
    OLDEST,
    BadFrames,
    Frame,
    FromDaemon,
    Greeting,
    Lines,
    Ping,
    Pong,
    Welcome,
    executors_inbox,
    packed,
    shared,
)

CREDENTIALS = struct.Struct("3i")  # of the peer: process, user, group
LOCK = "jobsched.lock"  # in the state folder; its holder's process id stands in it
MOST_LINES = 10_000  # lines for the log that wait for the reactor


class Served(Protocol):
    """What the link asks of the executor."""

    def heard(self, frame: FromDaemon) -> None:
        """A daemon tells something."""

    def runs(self) -> list[str]:
        """The runs it knows."""

    def last_lines(self, runs: Iterable[str]) -> dict[str, str]:
        """The last line that each of these has printed so far, if it goes on."""

    def news(self) -> Iterable[Frame]:
        """What a daemon that has just come does not know."""


def listen(reactor: IReactorUNIX, folder: Path, name: str, link: Link) -> IListeningPort:
    """Listen on a socket at `name` in `folder`, for its owner alone. However long the folder's path is, the socket's is
    short: it goes through a descriptor of the folder, which stays open as long as this process lives."""
    at = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    path = f"/proc/self/fd/{at}/{name}"
    before = os.umask(0o177)
    try:
        if is_left(path):
            os.unlink(path)
        return reactor.listenUNIX(path, link, mode=0o600)
    finally:
        os.umask(before)


def is_left(path: str) -> bool:
    """Whether a socket is there on which nobody listens any more: that of a process that was killed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as asking:
        return asking.connect_ex(path) == errno.ECONNREFUSED


def stranger(peer: tuple[int, int, int], state: Path) -> str:
    """Why this peer is not obeyed, in words; "": the peer is the daemon that holds the lock of the state folder."""
    pid, user, _ = peer
    if user not in (0, os.geteuid()):
        return f"process {pid} is of another user ({user})"
    try:
        with files.reading(state, LOCK) as file:
            holder = file.read(32).decode("ascii", "replace").strip()
    except OSError as why:
        return f"{LOCK} cannot be read: {why.strerror}"
    other = f"process {holder} does" if holder else "whoever does has not begun"
    return "" if holder == str(pid) else f"process {pid} does not hold the state folder; {other}"


class Link(Factory):
    """Passes frames between the executor and the daemon that is there; a daemon that comes takes the place of the one
    before it. `alone` is told whenever that begins or ends to be the case."""

    log = Logger()
    noisy = False

    def __init__(self, reactor: TimeAndThreads, state: Path, settings: str, alone: Callable[[], object]) -> None:
        self._reactor = reactor
        self._state = state
        self._settings = settings
        self._alone = alone
        self._served: Served | None = None
        self._current: Connection | None = None
        self._told: list[Frame] = []
        self._lines: list[str] = []
        self._printed: set[str] = set()  # runs
        self._dropped = 0
        self._turn = threading.Lock()

    @property
    def connected(self) -> bool:
        """Whether a daemon is there."""
        return self._current is not None

    def serve(self, served: Served) -> None:
        """What is told is for this executor."""
        self._served = served

    def buildProtocol(self, addr: IAddress | None) -> Connection | None:
        return Connection(self)

    # Called by connections.

    def welcome(self, peer: tuple[int, int, int]) -> Welcome | None:
        """The first frame for a peer; None: it is not obeyed."""
        assert self._served is not None
        if why := stranger(peer, self._state):
            self.log.warn("a connection was refused: {why}", why=why)
            return None
        runs = self._served.runs()
        return Welcome(
            oldest=OLDEST,
            newest=NEWEST,
            release=__version__,
            pid=os.getpid(),
            boot=boot_id(),
            runs=runs,
            settings=self._settings,
        )

    def greeted(self, connection: Connection) -> None:
        """A daemon speaks a version that we know."""
        assert self._served is not None
        before, self._current = self._current, connection
        if before is not None:
            before.drop()
        self._lose_told()
        connection.write(list(self._served.news()))
        self.taken(connection)
        self._alone()

    def heard(self, frame: FromDaemon) -> None:
        """A daemon that has greeted tells something."""
        assert self._served is not None
        self._served.heard(frame)

    def taken(self, connection: Connection) -> None:
        """A connection takes lines, from now on or again. That some were dropped is told though no line follows."""
        if connection is self._current and self._dropped:
            self._pass_lines()

    def lost(self, connection: Connection) -> None:
        """A connection is gone."""
        if connection is self._current:
            self._current = None
            self._alone()

    # Called by the executor.

    def tell(self, frame: Frame) -> None:
        """Tell the daemon, together with what else is told in this turn of the reactor."""
        if self._current is not None:
            if not self._told:
                self._reactor.callLater(0, self._flush)
            self._told.append(frame)

    def line(self, text: str, run_id: str) -> None:
        """A line of a run for the log; from any thread. Dropped and counted when nobody is there to take it."""
        with self._turn:
            self._printed.add(run_id)
            if len(self._lines) >= MOST_LINES:
                self._dropped += 1
                return
            first = not self._lines
            self._lines.append(text)
        if first:
            self._reactor.callFromThread(self._pass_lines)

    def _pass_lines(self) -> None:
        with self._turn:
            lines, self._lines = self._lines, []
            if self._current is None or self._current.slow:
                self._dropped += len(lines)
                if self._current is None:
                    self._printed.clear()  # `news` has it
                return
            dropped, self._dropped = self._dropped, 0
            printed, self._printed = self._printed, set()
        self.tell(Lines(lines=lines, dropped=dropped, last=self._served.last_lines(printed) if self._served else {}))

    def _flush(self) -> None:
        if self._current is None:
            self._lose_told()
        elif self._told:
            told, self._told = self._told, []
            self._current.write(told)

    def _lose_told(self) -> None:
        """Whoever was told this is gone. `news` has it all, but for lines."""
        told, self._told = self._told, []
        with self._turn:
            self._dropped += sum(len(frame.lines) + frame.dropped for frame in told if isinstance(frame, Lines))


@implementer(IPushProducer)
class Connection(StreamProtocol):
    """One connection. Until its peer has greeted, nothing else of it is heard."""

    log = Logger()

    def __init__(self, link: Link) -> None:
        self._link = link
        self._inbox = executors_inbox()
        self._greeted = False
        self._dropped = False
        self.slow = False  # the peer does not read what it was told

    def connectionMade(self) -> None:
        assert self.transport is not None
        peer = self.transport.getHandle().getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)  # type: ignore[attr-defined]
        welcome = self._link.welcome(CREDENTIALS.unpack(peer))
        if welcome is None:
            self.drop()
            return
        self.transport.registerProducer(self, streaming=True)  # type: ignore[attr-defined]  # to hear when it is slow
        self.write([welcome])

    def dataReceived(self, data: bytes) -> None:
        if self._dropped:
            return
        try:
            for frame in self._inbox.take(data):
                self._heard(frame)
        except BadFrames as why:
            self.log.warn("a daemon was not understood: {why}", why=str(why))
            self.drop()

    def _heard(self, frame: FromDaemon) -> None:
        if isinstance(frame, Greeting):
            shared(frame.oldest, frame.newest)
            self._greeted = True
            self._link.greeted(self)
        elif not self._greeted:
            raise BadFrames("it did not greet")
        else:
            try:
                self._link.heard(frame)
            except Exception:  # the next frame is of another run
                self.log.failure("what a daemon told could not be done")
            if isinstance(frame, Ping):
                self.write([Pong()])

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._link.lost(self)

    def write(self, frames: list[Frame]) -> None:
        """Tell the peer."""
        transport: ITransport | None = self.transport
        if transport is not None and not self._dropped:
            transport.write(packed(frames))

    def drop(self) -> None:
        """Hear and say no more."""
        self._dropped = True
        assert self.transport is not None
        self.transport.abortConnection()  # type: ignore[attr-defined]

    def pauseProducing(self) -> None:
        self.slow = True

    def resumeProducing(self) -> None:
        self.slow = False
        self._link.taken(self)

    def stopProducing(self) -> None:
        self.slow = True
