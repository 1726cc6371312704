"""Runs of Python tasks that start warm: forked from a process that has loaded the task's file (`fork_server`).

A file has such a process from its first run on, which itself starts cold, as all do while none is ready, where the file
has changed, and where forks would differ from what a cold start does: see `fork_server`.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress

import attrs
from twisted.internet.interfaces import IProcessTransport, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..loops import Loop
from . import fork_server
from .fork_server import ASKS, LENGTH, MARK, NOBODY, PRINTS, READY, TELLS
from .keeper import FOLDER
from .launch import inherited
from .session import STDIN, STDOUT, Sessions, spawned

MOST = 8  # servers at once
IDLE = 600.0  # seconds without a run until a server goes
REST = 60.0  # seconds without a run until it gives way to that of another file
LOADING = 300.0  # seconds that a load may take
EVERY = 60.0  # seconds between looks for those
SLOW = 1.0  # seconds that a fork may keep the reactor waiting; it takes a thousandth or two
ENDLESS = 10.0  # seconds for a process that is there, but has not been given the processor yet


@attrs.frozen
class Loaded:
    """The file of a task, and the load of the catalog that it comes from: after a reload, what it imports is stale."""

    file: str
    load: str


class ForkServer(ProcessProtocol):
    """A process that has loaded a file, seen from its parent."""

    log = Logger()

    def __init__(self, loaded: Loaded, left: Callable[[int], object]) -> None:
        """`left` is told of groups in which processes may be that nobody waits for."""
        self.loaded = loaded
        self.version = version(loaded.file)
        self.begun = 0.0  # when it was started, by the reactor's clock
        self.used = 0.0  # and when it was asked for last
        self.ready = False
        self.cold = False  # of no use, and another of this file would be none either
        self.stumbled = False  # of no use for a reason that may pass
        self._told = b""
        self._left = left
        self._group: int | None = None
        self._asks: socket.socket | None = None
        self._process: IProcessTransport | None = None

    @property
    def alive(self) -> bool:
        """Whether it has a process that loads or has loaded."""
        return self._asks is not None

    def holds(self, loaded: Loaded) -> bool:
        """Whether what it has come to is true of this file as it is now."""
        return (self.alive or self.cold) and self.loaded == loaded and self.version == version(loaded.file)

    def start(self, sessions: Sessions, env: Mapping[str, str], now: float) -> None:
        """Have the file loaded, in the environment of a run without what is the run's own."""
        self.begun = now
        words = fork_server.argv(self.loaded.file)
        try:
            self._asks, theirs = socket.socketpair()
            self._asks.settimeout(SLOW)
            with theirs, open(os.devnull, "rb") as nothing:
                descriptors: dict[int, int | str] = {
                    STDIN: nothing.fileno(),
                    PRINTS: "r",
                    TELLS: "r",
                    ASKS: theirs.fileno(),
                }
                given = {**inherited(env), MARK: NOBODY, FOLDER: env.get(FOLDER, "")}
                sessions.spawnProcess(self, words[0], words, given, childFDs=descriptors)
        except OSError as why:
            self.stumbled = True
            self.give_up(str(why))

    def makeConnection(self, process: IProcessTransport) -> None:
        super().makeConnection(process)
        self._process, self._group = process, process.pid

    def sessions(self, cold: Sessions, now: float) -> Sessions:
        """What starts a process warm; as long as it is not ready, what starts one cold."""
        self.used = now
        return attrs.evolve(cold, begin=self.begin) if self.ready else cold

    def end(self) -> None:
        """Fork no more. Runs go on: they are in groups of their own, as soon as they are known here."""
        self.ready = False
        if self._asks is not None:
            self._asks.close()
            self._asks = None
        if self._process is not None and self._group is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._group, signal.SIGKILL)

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        if childFD == TELLS:
            self._told += data
        elif not self.ready and not self.cold:
            self.give_up("it prints when it is loaded")

    def childConnectionLost(self, childFD: int) -> None:
        if childFD == TELLS and not self.cold and self._asks is not None:
            self.ready = self._told == READY
            self.stumbled = not self._told
            if not self.ready:
                self.give_up(self._told.decode("utf-8", "replace") or "its process ended")

    def processExited(self, reason: Failure) -> None:
        self._process = None
        self.end()
        if self._group is not None:
            self._left(self._group)

    def give_up(self, why: str) -> None:
        """Runs start cold."""
        self.cold = True
        self.log.warn("runs of {file} start cold, each in a Python of its own: {why}", file=self.loaded.file, why=why)
        self.end()

    def begin(
        self,
        executable: str,
        args: list[bytes | str],
        env: Mapping[bytes, bytes | str],
        descriptors: Mapping[int, int],
        born: Callable[[int], object],
    ) -> int:
        """As `session.spawned`, by a fork; if there is none, by that."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                pid = self._forked([descriptors[STDIN], descriptors[STDOUT], theirs.fileno()], theirs, ours)
            if pid is not None:
                born(pid)
                try:
                    ours.sendall(fork_server.packed(env))
                except OSError as why:  # it has been killed, or waits for the rest, without which it does nothing
                    words = "process {pid} could not be told what it is for, its run starts cold: {why}"
                    self.log.warn(words, pid=pid, why=str(why) or type(why).__name__)
                    os.kill(pid, signal.SIGKILL)
                    self._left(pid)
                else:
                    return pid
        return spawned(executable, args, env, descriptors)

    def _forked(self, descriptors: list[int], theirs: socket.socket, ours: socket.socket) -> int | None:
        """The id of the process that holds these descriptors now; None: there is none, nor will there be."""
        if self._asks is None:
            return None
        try:
            socket.send_fds(self._asks, [b"f"], descriptors)
            theirs.close()
            ours.settimeout(SLOW)
            try:
                told = ours.recv(LENGTH)
            except TimeoutError:
                self.end()  # from now on, either the process has the other end of the socket or nobody has
                ours.settimeout(ENDLESS)
                told = ours.recv(LENGTH)
            if told:
                return int.from_bytes(told, "big")
            raise OSError("it could not fork, or was killed")
        except OSError as why:
            words = "no process was forked from {file}, it starts cold: {why}"
            self.log.warn(words, file=self.loaded.file, why=str(why) or type(why).__name__)
            self.end()
            return None


def version(file: str) -> tuple[int, ...]:
    """Another one where the file was written since; () where there is none."""
    try:
        seen = os.stat(file)
    except OSError:
        return ()
    return seen.st_dev, seen.st_ino, seen.st_ctime_ns, seen.st_size  # a copy may keep the mtime of its source


class ForkServers:
    """Those of this process, one for each file."""

    def __init__(self, clock: IReactorTime, sessions: Sessions) -> None:
        self._clock = clock
        self._sessions = sessions
        self._servers: dict[str, ForkServer] = {}
        self._left: set[int] = set()  # groups in which children may be that nobody else waits for
        self._look = Loop(clock, EVERY, self._look_after, "the look for idle fork servers")

    def start(self) -> None:
        """Be ready."""
        self._look.start(now=False)

    def stop(self) -> None:
        """End all of them."""
        self._look.stop()
        for server in self._servers.values():
            server.end()
        self._servers.clear()

    def sessions(self, loaded: Loaded, env: Mapping[str, str]) -> Sessions:
        """What starts a run of a task of this file, with this environment."""
        if not self._sessions.private:
            return self._sessions
        self._wait_for(*self._left)
        server = self._servers.get(loaded.file)
        if server is not None and not server.holds(loaded):
            self._servers.pop(loaded.file).end()
            server = None
        if server is None:
            server = self._started(loaded, env)
        return self._sessions if server is None else server.sessions(self._sessions, self._clock.seconds())

    def _started(self, loaded: Loaded, env: Mapping[str, str]) -> ForkServer | None:
        """None: there are as many as there may be, and all are needed. To end one for each run of another file would
        be to load a file twice for each run."""
        others = [server for server in self._servers.values() if server.alive]
        if len(others) >= MOST:
            longest = min(others, key=lambda server: server.used)
            if self._clock.seconds() - longest.used < REST:
                return None
            self._servers.pop(longest.loaded.file).end()
        server = self._servers[loaded.file] = ForkServer(loaded, self._wait_for)
        server.start(self._sessions, env, self._clock.seconds())
        return server

    def _look_after(self) -> None:
        now = self._clock.seconds()
        for server in list(self._servers.values()):
            if now - server.used > IDLE or server.stumbled:
                self._servers.pop(server.loaded.file).end()
            elif now - server.begun > LOADING and server.alive and not server.ready:
                server.give_up(f"its load takes more than {LOADING:g} s")
        self._wait_for(*self._left)

    def _wait_for(self, *groups: int) -> None:
        """Processes that were forked and killed before they were of a run are children of this one all the same."""
        self._left.update(groups)
        for group in groups:
            try:
                while os.waitpid(-group, os.WNOHANG)[0]:
                    continue
            except ChildProcessError:
                self._left.discard(group)
