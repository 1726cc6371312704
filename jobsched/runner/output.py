"""The way of what runs print: through a queue to the one thread that writes it to files and logs.

The reactor of a daemon never waits for a disk or a log; when one of them is slow, the run's pipe is paused. An executor
writes the beginning of each output itself, as it does with outcomes: to hand a line over to a thread, and its end after
it, costs more than to write both.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import ParamSpec

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorFromThreads

from ..model.redaction import Secrets
from ..model.success import OutputCheck
from .output_file import OutputFile, Printed

P = ParamSpec("P")

NONE = Secrets()
HIGH = 1024 * 1024  # bytes of one run under way to the thread: above it the run is paused
LOW = HIGH // 4
STUCK = 10.0  # seconds that the end waits for a log or a disk that takes nothing


class Output:
    """The output of one run. `write` may be called from any thread, but one at a time."""

    def __init__(
        self,
        writer: OutputWriter,
        run_id: str,
        job_name: str,
        secrets: Secrets = NONE,
        check: OutputCheck | None = None,
    ) -> None:
        self.redact = secrets  # takes secrets out of what is said of the run; what it printed itself is kept as it is
        self.file = OutputFile(writer.folder, run_id, job_name, writer.limit, secrets, check)
        self._writer = writer
        self._given = 0
        self._done = 0
        self._room: threading.Event | None = None  # somebody waits for it
        self._on_room: Callable[[], None] | None = None
        self._closed = False
        self._turn = threading.Lock()
        self._printed: Printed | None = None
        self._last_line = ""

    @property
    def last_line(self) -> str:
        """The last whole line so far that is not empty, without secrets; "": there is none."""
        return self._last_line or self.file.last_line

    def heard(self, last_line: str) -> None:
        """An executor, which has the file, tells what it is."""
        self._last_line = last_line

    @property
    def _short(self) -> bool:
        """Whether nothing of it was given to the thread."""
        return self._given <= self._writer.short

    @property
    def full(self) -> bool:
        """Whether more is under way to the file than should be."""
        return self._given - self._done > HIGH

    def write(self, data: bytes) -> None:
        """Take bytes as they come; never waits. What comes after the end is dropped: nothing would close its file."""
        with self._turn:  # or the end, which comes in the reactor, could be given to the thread before this
            if self._closed:
                return
            self._given += len(data)
            if self._short:
                self._writer.at_once(self.file.write, data)
                self._done += len(data)
            else:
                self._writer.put(self, data)

    def write_patiently(self, data: bytes) -> None:
        """Take bytes, and wait while too much is under way. Not for the reactor's thread."""
        self.write(data)
        if self.full:
            room = self._room = threading.Event()
            self._wake()
            room.wait()

    def when_room(self, resume: Callable[[], None]) -> None:
        """Call `resume` in the reactor once less is under way."""
        self._on_room = resume
        self._room = threading.Event()
        self._wake()

    def came(self, printed: Printed) -> None:
        """An executor has written the output, and says what became of it."""
        self._printed = printed

    def close(self) -> Deferred[Printed]:
        """Fires when all that was written is in the file."""
        if self._printed is not None:
            return succeed(self._printed)
        with self._turn:
            self._closed = True
        if not self._short:
            return self._writer.finish(self)
        if self._given:
            self._writer.at_once(self.file.close)
        return succeed(self.file.printed())

    def consumed(self, size: int) -> None:
        """The thread has dealt with `size` bytes."""
        self._done += size
        self._wake()

    def _wake(self) -> None:
        room = self._room
        if room is not None and self._given - self._done <= LOW:
            self._room = None
            room.set()
            resume, self._on_room = self._on_room, None
            if resume is not None:
                self._writer.in_reactor(resume)


class OutputWriter:
    """The thread that writes, and its queue. `limit`: bytes of an output that are kept; `short`: of those, so many are
    written without the thread, which then is there from the first longer output on: see `ControlGroup.inside`."""

    def __init__(self, reactor: IReactorFromThreads, folder: Path, limit: int, short: int = 0) -> None:
        self.folder = folder
        self.limit = limit
        self.short = short
        self.in_reactor: Callable[..., None] = reactor.callFromThread
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._beginning = threading.Lock()

    def start(self) -> None:
        """Begin writing."""
        if not self.short:
            self._begin()

    def _begin(self) -> None:
        with self._beginning:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="output", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Write what was given, then end; returns when the thread has."""
        if self._thread is None:
            return
        self._queue.put(None)
        self._thread.join(STUCK)
        if self._thread.is_alive():
            logging.getLogger(__name__).error("a log handler or the disk is stuck; the last output is not written")

    def put(self, output: Output, data: bytes) -> None:
        """Queue bytes of one run."""

        def write() -> None:
            try:
                output.file.write(data)
            finally:
                output.consumed(len(data))

        self._give(write)

    def _give(self, job: Callable[[], None]) -> None:
        if self.short and self._thread is None:
            self._begin()
        self._queue.put(job)

    def finish(self, output: Output) -> Deferred[Printed]:
        """Queue the end of one run's output."""
        printed: Deferred[Printed] = Deferred()

        def close() -> None:
            try:
                output.file.close()
            finally:
                self.in_reactor(printed.callback, output.file.printed())

        self._give(close)
        return printed

    def at_once(self, job: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Do it here and now."""
        try:
            job(*args, **kwargs)
        except Exception:
            logging.getLogger(__name__).exception("output could not be written")

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            self.at_once(job)
