"""Processes that lead a session, and so a process group, of their own from their first instruction, and whose stderr is
the pipe of their stdout.

The `setsid` program would do it too, at the price of more programs started for each run: with 200 jobs a second that is
half of what their children cost (`bench/punctuality.py`). posix_spawn can do it itself; Twisted does not ask it to, so
the one method of `Process` that calls it is replaced here. A Twisted that has no such method any more starts scripts
through `setsid`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage, struct_rusage
from typing import AnyStr, TypeAlias

import attrs
from twisted.internet.interfaces import IProcessProtocol, IProcessTransport, IReactorProcess
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.process import Process, ProcessReader, unregisterReapProcessHandler
from twisted.logger import Logger
from zope.interface import implementer

from ..config import confinement
from ..reactor_types import Spawner
from ..twisted_private import SPAWN, is_used
from .exit_watch import ExitWatch

KIB = 1024
STDIN, STDOUT, STDERR = 0, 1, 2
TO_ONE_PIPE = 'exec "$@" 2>&1'
# A program expects these to have their default action, and some of them are ignored here.
_ALL = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


class OwnMemory:
    """The most that this process has had, in KiB, as far as that was asked for: it never gets less."""

    def __init__(self) -> None:
        self._most = 0

    def below(self, largest: int) -> bool:
        """Whether it is less than that."""
        if self._most < largest:
            self._most = getrusage(RUSAGE_SELF).ru_maxrss
        return self._most < largest


_OWN = OwnMemory()


class OutputReader(ProcessReader):
    """Twisted's reader of a pipe, but it takes all that a pipe holds at once: by 8 KiB, as Twisted has it and no
    `bufferSize` changes, each byte would cost half as much again (`bench/output.py`)."""

    bufferSize = 64 * 1024

    def doRead(self) -> Exception | None:
        try:
            data = os.read(self.fd, self.bufferSize)
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
        if not data:
            return CONNECTION_DONE
        self.dataReceived(data)
        return None


@attrs.frozen(kw_only=True)
class Usage:
    """What a process has used, with those of its children that it waited for."""

    cpu_seconds: float
    max_rss: int | None  # bytes, of the largest of them; None: no more than this daemon had at most

    @classmethod
    def of(cls, seconds: float, largest: int) -> Usage:
        """A child begins with what its parent had at most, so that `largest`, in KiB, says nothing up to there."""
        return cls(cpu_seconds=round(seconds, 6), max_rss=largest * KIB if _OWN.below(largest) else None)


Environment: TypeAlias = Mapping[str, str] | Mapping[bytes, bytes]

# Starts a program in a session of its own: `begin(executable, args, env, descriptors, born)` gives its process id, and
# calls `born` with it if it did not come from this process. `descriptors`: of the program -> of this process.
Begin = Callable[
    [str, "list[bytes | str]", Mapping[bytes, "bytes | str"], Mapping[int, int], Callable[[int], object]], int
]


def spawned(
    executable: str,
    args: list[bytes | str],
    env: Mapping[bytes, bytes | str],
    descriptors: Mapping[int, int],
    born: Callable[[int], object] = lambda _pid: None,
) -> int:
    """Start a program by posix_spawn."""
    return os.posix_spawn(
        executable,
        args,
        env,
        file_actions=[
            *((os.POSIX_SPAWN_DUP2, ours, theirs) for theirs, ours in descriptors.items()),
            (os.POSIX_SPAWN_DUP2, STDOUT, STDERR),
        ],
        setsid=True,
        setsigdef=_ALL,
    )


class SessionProcess(Process):
    """A process of Twisted's in all but the call that starts it, and how its end is heard of: by a descriptor of its
    own (see `ExitWatch`), and then asked what it has used. `sessions` says how it begins, and whose its output is."""

    processReaderFactory = OutputReader
    leads = False

    def __init__(self, sessions: Sessions, reactor: Spawner, *args: object) -> None:
        self._sessions = sessions
        self._before: struct_rusage | None = getrusage(RUSAGE_CHILDREN)
        self._watch: ExitWatch | None = None
        self.usage: Usage | None = None
        super().__init__(reactor, *args)
        self._before = None
        if self.leads and self.pid is not None:
            # There are no such descriptors, here or in this Python, or no more: it stays one of those asked after.
            with suppress(OSError, AttributeError):
                self._watch = ExitWatch(reactor, self.pid, self.reapProcess)
                unregisterReapProcessHandler(self.pid, self)

    def reapProcess(self) -> None:
        """As Twisted's, by wait4 in place of waitpid."""
        assert self.pid is not None
        try:
            pid, status, used = os.wait4(self.pid, os.WNOHANG)
        except ChildProcessError:  # it was waited for by somebody else: its end is not known, and never will be
            if self._watch is not None:
                self._watch.close()
            return
        if pid:
            self.usage = Usage.of(used.ru_utime + used.ru_stime, used.ru_maxrss)
            if self._watch is None:
                unregisterReapProcessHandler(pid, self)
            self.processEnded(status)

    def processEnded(self, status: int) -> None:
        """Twisted itself waits for a process that has ended before it is waited for: of all children together the
        kernel knows what they have used, and this is the one that has come to them."""
        if self._before is not None:
            before, after = self._before, getrusage(RUSAGE_CHILDREN)
            seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            self.usage = Usage.of(seconds, after.ru_maxrss if after.ru_maxrss > before.ru_maxrss else 0)
        if self._watch is not None:
            self._watch.close()
        super().processEnded(status)

    def _trySpawnInsteadOfFork(
        self,
        path: object,
        uid: object,
        gid: object,
        executable: str,
        args: list[bytes | str],
        environment: Mapping[bytes, bytes | str],
        kwargs: Mapping[str, Mapping[int, int]],
    ) -> bool:
        descriptors = kwargs["fdmap"]
        _give(descriptors[STDOUT], self._sessions.owner)
        self.pid = self._sessions.begin(executable, args, environment, descriptors, self._sessions.born)
        self.status = -1
        self.leads = True
        return True


@implementer(IReactorProcess)
@attrs.frozen
class Sessions:
    """`spawnProcess` for processes in sessions of their own; all other descriptors must be close-on-exec.

    `owner`: the numbers of the user and the group that the pipe of a process's output is given to. `/dev/stdout` is
    that pipe opened once more, which only its owner may. `begin`: how programs are started; `born`: see `Begin`.
    """

    log = Logger()

    reactor: Spawner
    owner: tuple[int, int] | None = None
    begin: Begin = spawned
    born: Callable[[int], object] = lambda _pid: None
    private: bool = attrs.field(factory=lambda: is_used(Process, SPAWN.name))  # False: `setsid` has to do it

    def check(self) -> None:
        """Log a warning if this Twisted lacks the private method that is replaced here."""
        if not self.private:
            words = "{of} has no {name} any more: scripts start through the setsid program, which takes longer"
            self.log.warn(words, of=SPAWN.of, name=SPAWN.name)

    def spawnProcess(
        self,
        processProtocol: IProcessProtocol,
        executable: bytes | str,
        args: Sequence[bytes | str] = (),
        env: Mapping[AnyStr, AnyStr] | None = None,
        path: bytes | str | None = None,
        uid: int | None = None,
        gid: int | None = None,
        usePTY: bool | tuple[object, ...] = False,
        childFDs: Mapping[int, int | str] | None = None,
    ) -> IProcessTransport:
        """As the reactor's; without a directory, a user or a terminal, and stderr goes where stdout does.

        Raises OSError when it cannot be started.
        """
        if path is not None or uid is not None or gid is not None or usePTY:
            raise ValueError("neither directory, user nor terminal can be given")
        if not self.private:
            return self._by_setsid(processProtocol, [executable, *args[1:]], env, childFDs)
        process = SessionProcess(self, self.reactor, executable, args, env, None, processProtocol, None, None, childFDs)
        if not process.leads:
            process.signalProcess("KILL")
            raise OSError("this Twisted starts processes in another way than Jobsched knows")
        return process

    def _by_setsid(
        self,
        protocol: IProcessProtocol,
        argv: Sequence[bytes | str],
        env: Mapping[AnyStr, AnyStr] | None,
        descriptors: Mapping[int, int | str] | None,
    ) -> IProcessTransport:
        setsid = confinement.program("setsid")
        words = [setsid, "--", "/bin/sh", "-c", TO_ONE_PIPE, "sh", *argv]
        process = self.reactor.spawnProcess(protocol, setsid, words, env, childFDs=descriptors)
        assert isinstance(process, Process)
        _give(process.pipes[STDOUT].fileno(), self.owner)
        return process


def _give(pipe: int, owner: tuple[int, int] | None) -> None:
    if owner is not None:
        os.fchown(pipe, *owner)


def close_on_exec() -> None:
    """No child inherits the descriptors this process was started with, except the standard three."""
    for number in map(int, os.listdir("/proc/self/fd")):
        if number > 2:
            try:
                os.set_inheritable(number, False)
            except OSError:  # the one that listed them
                continue
