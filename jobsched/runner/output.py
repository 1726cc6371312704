"""What runs print: into one file a run and, line by line, to the logger `jobsched.output`.

One thread writes. The reactor never waits for a disk or a log; when one of them is slow, the run's pipe is paused.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import BinaryIO

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorFromThreads

from .. import files
from ..model.success import OutputCheck

log = logging.getLogger("jobsched.output")

HIGH = 1024 * 1024  # bytes of one run under way to the thread: above it the run is paused
LOW = HIGH // 4
LONGEST_LINE = 64 * 1024
STUCK = 10.0  # seconds that the end waits for a log or a disk that takes nothing
Redact = Callable[[str], str]  # takes secrets out
TAIL = 200  # bytes of the last line that are kept for the reason of a failure
LONGEST_SECRET = 8192  # bytes before these that are kept too: no end of a secret may be shown
REMEMBERED = LONGEST_SECRET + TAIL


@attrs.frozen(kw_only=True)
class Printed:
    """What became of a run's output, in bytes; `cut` says in words why some of it was not kept."""

    total: int = 0
    kept: int = 0
    cut: str = ""
    last_line: str = ""
    fault: str = ""  # in words, why the output makes a failure of the run; "": it does not


def output_path(folder: Path, run_id: str) -> Path:
    """Where the output of a run is kept; spread over 256 folders."""
    return Path(output_name(folder, run_id))


def output_name(folder: Path, run_id: str) -> str:
    """`output_path` as a string, for code that runs once per run: a Path interns its parts in the interpreter.

    The parts are removed again, but the table of interned strings grows meanwhile, and growing copies it whole.
    """
    return "/".join((str(folder), *output_names(run_id)))


def output_names(run_id: str) -> tuple[str, str]:
    """The names of the run's subfolder and of its file in it."""
    return run_id[-2:], f"{run_id}.log"


def open_output(folder: Path, run_id: str) -> BinaryIO:
    """What was kept of a run's output, to be read. Raises OSError: FileNotFoundError where nothing was printed."""
    return files.reading(folder, *output_names(run_id))


class Output:
    """The output of one run. `write` may be called from any thread, but one at a time."""

    def __init__(
        self, writer: OutputWriter, run_id: str, job_name: str, redact: Redact = str, check: OutputCheck | None = None
    ) -> None:
        self.redact = redact  # takes secrets out of what is said of the run; what it printed itself is kept as it is
        self.sink = _Sink(writer.folder, run_id, job_name, writer.limit, redact, check)
        self._writer = writer
        self._given = 0
        self._done = 0
        self._room = threading.Event()
        self._room.set()
        self._on_room: Callable[[], None] | None = None
        self._closed = False
        self._turn = threading.Lock()

    @property
    def last_line(self) -> str:
        """The last whole line so far that is not empty, without secrets; "": there is none."""
        return self.sink.last_line

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
            self._writer.put(self, data)

    def write_patiently(self, data: bytes) -> None:
        """Take bytes, and wait while too much is under way. Not for the reactor's thread."""
        self.write(data)
        if self.full:
            self._room.clear()
            self._wake()
            self._room.wait()

    def when_room(self, resume: Callable[[], None]) -> None:
        """Call `resume` in the reactor once less is under way."""
        self._on_room = resume
        self._room.clear()
        self._wake()

    def close(self) -> Deferred[Printed]:
        """Fires when all that was written is in the file."""
        with self._turn:
            self._closed = True
        return self._writer.finish(self) if self._given else succeed(self.sink.printed())

    def consumed(self, size: int) -> None:
        """The thread has dealt with `size` bytes."""
        self._done += size
        self._wake()

    def _wake(self) -> None:
        if not self._room.is_set() and self._given - self._done <= LOW:
            self._room.set()
            resume, self._on_room = self._on_room, None
            if resume is not None:
                self._writer.in_reactor(resume)


class OutputWriter:
    """The thread that writes, and its queue."""

    def __init__(self, reactor: IReactorFromThreads, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit
        self.in_reactor: Callable[..., None] = reactor.callFromThread
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="output", daemon=True)

    def start(self) -> None:
        """Begin writing."""
        self._thread.start()

    def stop(self) -> None:
        """Write what was given, then end; returns when the thread has."""
        self._queue.put(None)
        self._thread.join(STUCK)
        if self._thread.is_alive():
            logging.getLogger(__name__).error("a log handler or the disk is stuck; the last output is not written")

    def put(self, output: Output, data: bytes) -> None:
        """Queue bytes of one run."""

        def write() -> None:
            try:
                output.sink.write(data)
            finally:
                output.consumed(len(data))

        self._queue.put(write)

    def finish(self, output: Output) -> Deferred[Printed]:
        """Queue the end of one run's output."""
        printed: Deferred[Printed] = Deferred()

        def close() -> None:
            try:
                output.sink.close()
            finally:
                self.in_reactor(printed.callback, output.sink.printed())

        self._queue.put(close)
        return printed

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            try:
                job()
            except Exception:
                logging.getLogger(__name__).exception("output could not be written")


def _open(folder: Path, run_id: str) -> int:
    """Create a new file for the run. A file that exists already is not ours, and is an error."""
    inner, name = output_names(run_id)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
    try:
        return files.opened(folder, inner, name, flags=flags)
    except FileNotFoundError:  # the first of its folder
        os.makedirs(f"{folder}/{inner}", mode=0o700, exist_ok=True)
        return files.opened(folder, inner, name, flags=flags)


class _Sink:
    """The thread's side of one run: the file, the limit, the lines. An error of the disk ends the file, not the run."""

    def __init__(
        self, folder: Path, run_id: str, job_name: str, limit: int, redact: Redact, check: OutputCheck | None
    ) -> None:
        self._folder, self._run_id = folder, run_id
        self._title = f"{job_name} {run_id}"
        self._limit = limit
        self._redact = redact
        self._check = check
        self._file: int | None = None
        self._total = 0
        self._kept = 0
        self._cut = ""
        self._line = b""
        self._logged = b""  # the end of what was logged of a line that goes on
        self._last_line = b""

    def write(self, data: bytes) -> None:
        self._total += len(data)
        if self._cut:
            return
        kept = data[: self._limit - self._kept]
        self._keep(kept)
        if self._check is not None:
            self._check.write(kept)
        if log.isEnabledFor(logging.INFO):
            self._log_lines(kept)
        else:
            self._remember(kept[-REMEMBERED:])
        if len(kept) < len(data) and not self._cut:
            self._cut = f"output beyond {self._limit} bytes is not kept"
            self._log_rest()
            log.info("%s | [%s]", self._title, self._cut)

    def close(self) -> None:
        file, self._file = self._file, None
        try:
            self._log_rest()
        finally:
            if file is not None:
                self._close(file)

    @property
    def last_line(self) -> str:
        """Its end, as far as a reason may quote it. Any thread may ask."""
        return self._shown(self._last_line).encode()[-TAIL:].decode("utf-8", "replace")

    def printed(self) -> Printed:
        fault = "" if self._check is None else self._check.fault(self._shown, TAIL)
        return Printed(total=self._total, kept=self._kept, cut=self._cut, last_line=self.last_line, fault=fault)

    def _shown(self, line: bytes) -> str:
        return self._redact(line.decode("utf-8", "replace"))

    def _close(self, file: int) -> None:
        try:
            os.close(file)
        except OSError as why:  # a disk that is not here may tell so late
            self._fail(why)

    def _keep(self, data: bytes) -> None:
        try:
            if self._file is None:
                self._file = _open(self._folder, self._run_id)
            view = memoryview(data)
            while view:
                written = os.write(self._file, view)
                self._kept += written
                view = view[written:]
        except OSError as why:
            self._fail(why)

    def _fail(self, why: OSError) -> None:
        self._cut = f"output was cut: {errno.errorcode.get(why.errno or 0, '')} {why.strerror}"
        path = output_name(self._folder, self._run_id)
        logging.getLogger(__name__).error("%s: %s (%s)", self._title, self._cut, path)

    def _log_lines(self, data: bytes) -> None:
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            self._log(line)
        while len(self._line) > LONGEST_LINE:
            piece, self._line = self._line[:LONGEST_LINE], self._line[LONGEST_LINE:]
            self._logged = (self._logged + piece)[-REMEMBERED:]
            self._log_piece(piece)

    def _log_rest(self) -> None:
        """A last line without a line end is logged too."""
        rest, self._line = self._line, b""
        if rest:
            self._log(rest)

    def _log(self, line: bytes) -> None:
        """Log a line, or the rest of one; the last line is all of it."""
        whole, self._logged = self._logged + line, b""
        self._last_line = whole.strip()[-REMEMBERED:] or self._last_line
        for start in range(0, len(line) or 1, LONGEST_LINE):
            self._log_piece(line[start : start + LONGEST_LINE])

    def _log_piece(self, piece: bytes) -> None:
        log.info("%s | %s", self._title, self._redact(piece.decode("utf-8", "replace")))

    def _remember(self, data: bytes) -> None:
        """Without a log only the last line matters."""
        *lines, self._line = (self._line + data)[-REMEMBERED:].split(b"\n")
        self._last_line = next((line.strip() for line in reversed(lines) if line.strip()), self._last_line)
