"""Processes that lead a session, and so a process group, of their own from their first instruction.

The `setsid` program would do it too, at the price of one more program started for each run: with 200 jobs a second
that is half of what their children cost (`bench/punctuality.py`). posix_spawn can do it itself; Twisted does not ask it
to, so the one method of `Process` that calls it is replaced here. `tests/process/test_script.py` watches that.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.interfaces import IProcessProtocol, IReactorProcess
from twisted.internet.process import Process
from zope.interface import implementer


class SessionProcess(Process):
    """A process of Twisted's in all but the call that starts it."""

    leads = False

    def _trySpawnInsteadOfFork(
        self, path: Any, uid: Any, gid: Any, executable: str, args: Any, environment: Any, kwargs: Any
    ) -> bool:
        self.pid = os.posix_spawn(
            executable,
            args,
            environment,
            file_actions=[(os.POSIX_SPAWN_DUP2, ours, theirs) for theirs, ours in kwargs["fdmap"].items()],
            setsid=True,
            setsigdef=ignored(),
        )
        self.status = -1
        self.leads = True
        return True


@implementer(IReactorProcess)
class Sessions:
    """`spawnProcess` for processes in sessions of their own; all other descriptors must be close-on-exec."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def spawnProcess(
        self,
        processProtocol: IProcessProtocol,
        executable: bytes | str,
        args: Sequence[bytes | str] = (),
        env: Mapping[Any, Any] | None = None,
        path: bytes | str | None = None,
        uid: int | None = None,
        gid: int | None = None,
        usePTY: bool | tuple[Any, ...] = False,
        childFDs: Mapping[int, int | str] | None = None,
    ) -> SessionProcess:
        """As the reactor's; without a directory, a user or a terminal. Raises OSError when it cannot be started."""
        if path is not None or uid is not None or gid is not None or usePTY:
            raise ValueError("neither directory, user nor terminal can be given")
        process = SessionProcess(self._reactor, executable, args, env, None, processProtocol, None, None, childFDs)
        if not process.leads:
            process.signalProcess("KILL")
            raise OSError("this Twisted starts processes in another way than Jobsched knows")
        return process


def ignored() -> list[int]:
    """The signals that we ignore and a program expects not to be."""
    return [number for number in _ALL if signal.getsignal(number) == signal.SIG_IGN]


def close_on_exec() -> None:
    """Keep for ourselves what descriptors we were started with, but for the standard three."""
    for number in map(int, os.listdir("/proc/self/fd")):
        if number > 2:
            try:
                os.set_inheritable(number, False)
            except OSError:  # the one that listed them
                continue


_ALL = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
