"""Runs inside the daemon: a plain task in the thread pool, an `async` one in the reactor."""

from __future__ import annotations

import io
import signal
import sys
import traceback
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from threading import Lock
from types import TracebackType
from typing import Any, Self, TextIO

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from ..task import Info
from .deadline import Deadline
from .outcome import ProcessExit
from .output import Output

_write: ContextVar[Callable[[bytes], None] | None] = ContextVar("jobsched_write", default=None)


class RunPrint(io.TextIOBase):
    """Replaces stdout and stderr: text printed by a run in this process goes to that run, other text to `otherwise`."""

    def __init__(self, otherwise: TextIO) -> None:
        self._otherwise = otherwise

    @property
    def encoding(self) -> str:  # type: ignore[override]  # TextIO has a variable
        return "utf-8"

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        write = _write.get()
        if write is None:
            return self._otherwise.write(text)
        write(text.encode("utf-8", "backslashreplace"))
        return len(text)

    def flush(self) -> None:
        if _write.get() is None:
            self._otherwise.flush()


class PrintCapture:
    """Puts `RunPrint` in place of stdout and stderr while runs may print."""

    def __enter__(self) -> Self:
        self._before = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = RunPrint(sys.stdout), RunPrint(sys.stderr)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, why: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.stdout, sys.stderr = self._before


class Call:
    """A task called in this process; `ended` fires with its `ProcessExit`. Subclasses say where it runs."""

    pid: int | None = None
    pid_started: float | None = None

    def __init__(self, clock: IReactorTime, output: Output, grace: float) -> None:
        self.ended: Deferred[ProcessExit] = Deferred()
        self.deadline = Deadline(clock, self._send, grace)
        self._output = output

    def _send(self, number: int) -> None:
        raise NotImplementedError

    def _abandoned(self, number: int) -> bool:
        """Whether this call, which cannot be killed, is not waited for any longer."""
        return number == signal.SIGKILL and self.deadline.abandoned

    def _end(self, error: str | None) -> None:
        self.deadline.end()
        if not self.ended.called:
            self.ended.callback(ProcessExit(error=error, stopped=self.deadline.stopped))


class ThreadCall(Call):
    """A plain task. Python cannot kill a thread: a stop is recorded, and the run ends when the task returns."""

    def __init__(self, clock: IReactorTime, output: Output, grace: float) -> None:
        super().__init__(clock, output, grace)
        self._turn = Lock()  # taken once: by the thread at its beginning, or by a stop that comes first

    def start(self, in_thread: Callable[..., Deferred[str | None]], call: Callable[[Info], object], info: Info) -> None:
        """Call the task in the pool."""
        context = copy_context()
        context.run(_write.set, self._output.write_patiently)
        running = in_thread(context.run, self._call, call, info)
        running.addCallbacks(self._end, lambda why: self._end(words(why.value)))

    def _call(self, call: Callable[[Info], object], info: Info) -> str | None:
        return _call(call, info) if self._turn.acquire(blocking=False) else None

    def _send(self, number: int) -> None:
        """A thread takes no signals. But a call that waits for a thread ends now, and an abandoned one at KILL."""
        if self._turn.acquire(blocking=False) or self._abandoned(number):
            self._end(None)


class CoroutineCall(Call):
    """An `async` task, or one that returns a Deferred; it is cancelled at its deadline."""

    def start(self, call: Callable[[Info], object], info: Info) -> None:
        """Call the task in the reactor."""
        self._context = copy_context()
        self._context.run(_write.set, self._output.write)
        self._running: Deferred[Any] = self._context.run(maybeDeferred, call, info)
        self._running.addCallbacks(lambda _: self._end(None), self._failed)

    def _send(self, number: int) -> None:
        self._context.copy().run(self._running.cancel)  # text printed while the task is cancelled is the run's too
        if self._abandoned(number):
            self._end(None)

    def _failed(self, why: Failure) -> None:
        if isinstance(why.value, SystemExit):
            self._end(given_up(why.value))
            return
        stopped = self.deadline.stopped is not None and why.check(CancelledError)
        if not stopped:
            self._output.write(why.getTraceback().encode("utf-8", "backslashreplace"))
        self._end(None if stopped else words(why.value))


def _call(call: Callable[[Info], object], info: Info) -> str | None:
    """Call the task, in its thread. The exception in words, its traceback printed into the run; None: no exception."""
    try:
        call(info)
    except SystemExit as why:
        return given_up(why)
    except BaseException as why:
        trace = why.__traceback__
        traceback.print_exception(type(why), why, trace and trace.tb_next)
        return words(why)
    return None


def given_up(why: SystemExit) -> str | None:
    """A task's own words, in SystemExit, for why it failed: no traceback is needed. None: it exited with success."""
    if why.code in (None, 0):
        return None
    return why.code if isinstance(why.code, str) else f"SystemExit: {why.code}"


def words(why: BaseException | None) -> str:
    """An exception in one line: the last line that Python prints of it."""
    return traceback.format_exception_only(type(why), why)[-1].strip() if why else "unknown"


STOPPED_THREAD = "a task in a thread cannot be killed; put @watchdog() on it to run it in a process"
