"""A run as a process of its own: started by `spawnProcess`, watched to its end and beyond, its output read."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any

import psutil
from twisted.internet import main
from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessTerminated
from twisted.internet.interfaces import IDelayedCall, IReactorProcess, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from .deadline import AGAIN, Deadline
from .ending import Ending
from .group import Group, began
from .output import Output
from .session import Sessions

PATIENCE = 1.0  # seconds that what a finished script left behind may go on printing
LOOK = 0.05  # seconds between looks at a group that is not empty yet
DYING = 0.2  # seconds that a killed process is given to be gone
PASSES = 5  # kills in a row before the thread is given back
CHUNK = 64 * 1024
FULL_PIPE = 1024 * 1024  # bytes that a pipe can hold at most, as Linux comes

log = Logger()


class OutputPipe(FileDescriptor):
    """The reading end of the pipe that is a run's stdout and stderr, in the order they were written."""

    def __init__(self, reactor: Any, output: Output, closed: Callable[[], None]) -> None:
        super().__init__(reactor)
        self._end, self.writing_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._end, False)
        self._output = output
        self._closed = closed

    def fileno(self) -> int:
        return self._end

    def begin(self) -> None:
        """The child has its end; read ours."""
        os.close(self.writing_end)
        self.connected = 1
        self.startReading()

    def discard(self) -> None:
        """There is no child after all."""
        os.close(self.writing_end)
        os.close(self._end)

    def doRead(self) -> Exception | None:
        try:
            data = os.read(self._end, CHUNK)
        except BlockingIOError:
            return None
        except OSError:
            return main.CONNECTION_LOST
        if not data:
            return main.CONNECTION_DONE
        self._output.write(data)
        if self._output.full:
            self.stopReading()
            self._output.when_room(self._resume)
        return None

    def finish(self) -> None:
        """Take what is in the pipe, then close it, whoever still holds the other end."""
        for _ in range(FULL_PIPE // CHUNK):
            if not self.connected or self.doRead() is not None:
                break
        if self.connected:
            self.connectionLost(Failure(main.CONNECTION_DONE))

    def connectionLost(self, reason: Failure) -> None:
        if self.connected:
            super().connectionLost(reason)
            os.close(self._end)
            self._closed()

    def _resume(self) -> None:
        if self.connected:
            self.startReading()


class ScriptProcess(ProcessProtocol):
    """One process, its group and its pipe. `ended` fires with its `Ending` when nothing of it is left."""

    log = Logger()

    def __init__(
        self,
        reactor: IReactorProcess,
        clock: IReactorTime,
        in_thread: Callable[..., Deferred[Any]],
        run_id: str,
        output: Output,
        grace: float,
    ) -> None:
        self.ended: Deferred[Ending] = Deferred()
        self.deadline = Deadline(clock, self._send, grace, monotonic)
        self.pid: int | None = None
        self.pid_started: float | None = None
        self._sessions = Sessions(reactor)
        self._clock = clock
        self._in_thread = in_thread
        self._run_id = run_id
        self._output = output
        self._pipe = OutputPipe(reactor, output, self._look)
        self._group: Group | None = None
        self._launchers: tuple[str, ...] = ()
        self._status: Ending | None = None
        self._exited = 0.0
        self._looking = False
        self._next: IDelayedCall | None = None

    def spawn(self, argv: Sequence[str], env: Mapping[str, str], stdin: int, launchers: tuple[str, ...] = ()) -> None:
        """Start `argv`, which `launchers` lead, in a session of its own.

        Raises OSError when it cannot be started; then nothing is left.
        """
        self._launchers = launchers
        try:
            try:
                self._start(argv, env, stdin)
            except FileNotFoundError as why:
                gone = "no such program" if not os.path.exists(argv[0]) else "the interpreter of its #! line is missing"
                raise OSError(f"{argv[0]}: {gone}") from why
            except OSError as why:
                if why.errno != errno.ENOEXEC:
                    raise
                self._start(["/bin/sh", *argv], env, stdin)  # a script without #!, as execvp and cron take it
        except BaseException:
            self._pipe.discard()
            raise
        self._pipe.begin()

    def _start(self, argv: Sequence[str], env: Mapping[str, str], stdin: int) -> None:
        prints = self._pipe.writing_end
        self._sessions.spawnProcess(self, argv[0], list(argv), dict(env), childFDs={0: stdin, 1: prints, 2: prints})

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.pid = self.transport.pid
        assert self.pid is not None
        self.pid_started = began(self.pid)
        self._group = Group(self.pid, self._run_id)

    def processExited(self, reason: Failure) -> None:
        value = reason.value
        ended_by = value.signal if isinstance(value, ProcessTerminated) else None
        code = value.exitCode if isinstance(value, ProcessTerminated) else 0
        name = _name(ended_by) if ended_by else None
        self._status = Ending(
            exit_code=None if name else code,
            signal=name,
            stopped=self.deadline.stopped,
            launchers=self._launchers,
        )
        self._exited = monotonic()
        if self.deadline.stopped is None:
            self.deadline.disarm()
        self._look_in(0)

    def look_again(self) -> None:
        """The wall clock was stepped: what waits on it must be armed again."""
        self.deadline.look_again()
        if self._next is not None and self._next.active():
            self._look_in(LOOK)

    def _send(self, number: int) -> None:
        if self._group is not None:
            if self._status is None:
                self._group.send(number)
            elif number == signal.SIGKILL:
                self._group.sweep_up()

    def _look(self) -> None:
        """After the first process has exited: is anything left, and is it time to end that too?"""
        if self._status is None or self._looking or self.ended.called:
            return
        assert self._group is not None
        empty = self._group.empty()
        stopped = self.deadline.stopped
        if empty and not self._pipe.connected and stopped is None:
            self._finish()
        elif (empty and stopped is not None) or self._out_of_patience():
            self._hunt(stopped is not None or bool(self._pipe.connected))
        elif empty:
            self._look_in(LOOK)
        else:
            self._look_closer()

    def _look_closer(self) -> None:
        """The group has members; where nobody reaps orphans, they may all be dead."""
        self._looking = True
        assert self._group is not None
        self._in_thread(self._group.survivors, False).addCallbacks(self._looked, self._hunt_failed)

    def _looked(self, left: list[psutil.Process]) -> None:
        self._looking = False
        if not left and (self.deadline.stopped is not None or not self._pipe.connected):
            self._hunt(self.deadline.stopped is not None)
        else:
            self._look_in(LOOK)

    def _look_in(self, seconds: float) -> None:
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = self._clock.callLater(seconds, self._look)

    def _hunt(self, everywhere: bool) -> None:
        self._looking = True
        self.deadline.disarm()  # from here on the hunt kills, and only what it has looked at
        assert self._group is not None
        self._in_thread(_end_all, self._group, everywhere).addCallbacks(self._hunted, self._hunt_failed)

    def _hunted(self, nothing_left: bool) -> None:
        self._looking = False
        if nothing_left:
            self._finish()
        else:
            self._look_in(AGAIN)

    def _hunt_failed(self, why: Failure) -> None:
        self.log.failure("what {run} left could not be looked for", why, run=self._run_id)
        self._finish()

    def _out_of_patience(self) -> bool:
        if self.deadline.stopped is not None:
            return self.deadline.killed
        return monotonic() - self._exited >= PATIENCE

    def _finish(self) -> None:
        assert self._status is not None
        self._looking = True
        self.deadline.disarm()
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._pipe.finish()
        if not self.ended.called:
            self.ended.callback(self._status)


def _end_all(group: Group, everywhere: bool) -> bool:
    """Kill what is left of a run; whether nothing is. In a thread: it reads all of /proc and waits for the dead."""
    for _ in range(PASSES):
        group.sweep_up()
        left = [process for process in group.survivors(everywhere) if _kill(process, group.run_id)]
        if not left:
            return True
        psutil.wait_procs(left, timeout=DYING)
    return False


def _kill(process: psutil.Process, run_id: str) -> bool:
    """Whether its end can be waited for."""
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        log.error("process {pid} of run {run} may not be signalled by this user", pid=process.pid, run=run_id)
        return False
    return True


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
