"""What one run printed: its file, which the limit ends, and its lines, which go to the logger `jobsched.output`."""

from __future__ import annotations

import errno
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import attrs

from .. import files
from ..model.redaction import HIDDEN, LONGEST, SHORTEST, Secrets
from ..model.success import OutputCheck

log = logging.getLogger("jobsched.output")

LONGEST_LINE = 64 * 1024
TAIL = 200  # bytes of the last line that are kept for the reason of a failure
FULL = (errno.ENOSPC, errno.EDQUOT)
GIVEN_BACK = 8 * 1024 * 1024  # bytes of an output that has filled the disk; SQLite's file of changes takes half of it
REMEMBERED = LONGEST + TAIL  # bytes that are kept of it: no end of a secret may be shown


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


def _open(folder: Path, run_id: str) -> int:
    """Create a new file for the run. A file that exists already is not ours, and is an error."""
    inner, name = output_names(run_id)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
    try:
        return files.opened(folder, inner, name, flags=flags)
    except FileNotFoundError:  # the first of its folder
        os.makedirs(f"{folder}/{inner}", mode=0o700, exist_ok=True)
        return files.opened(folder, inner, name, flags=flags)


class OutputFile:
    """The file of one run, its limit, and its lines. An error of the disk ends the file, not the run."""

    def __init__(
        self, folder: Path, run_id: str, job_name: str, limit: int, secrets: Secrets, check: OutputCheck | None
    ) -> None:
        self._folder, self._run_id = folder, run_id
        self._title = f"{job_name} {run_id}"
        self._limit = limit
        self._redact = secrets
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
            self._hide_half()
            self._log_rest()
            self._say(f"[{self._cut}]")

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

    def _give_back(self, file: int) -> None:
        """Make room on a disk that this output has filled. The store may be on it, and has to take what becomes of this
        run and of the others."""
        with suppress(OSError):
            os.ftruncate(file, self._kept - GIVEN_BACK)
            self._kept -= GIVEN_BACK

    def _fail(self, why: OSError) -> None:
        if why.errno in FULL and self._file is not None and self._kept > GIVEN_BACK:
            self._give_back(self._file)
        self._cut = f"output was cut: {errno.errorcode.get(why.errno or 0, '')} {why.strerror}"
        path = output_name(self._folder, self._run_id)
        logging.getLogger(__name__).error("%s: %s (%s)", self._title, self._cut, path)

    def _log_lines(self, data: bytes) -> None:
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            self._log(line)
        while len(self._line) > LONGEST_LINE:
            piece, self._line = self._log_piece(self._line)
            self._logged = (self._logged + piece)[-REMEMBERED:]

    def _log_rest(self) -> None:
        """A last line without a line end is logged too."""
        rest, self._line = self._line, b""
        if rest:
            self._log(rest)

    def _log(self, line: bytes) -> None:
        """Log a line, or the rest of one; the last line is all of it."""
        whole, self._logged = self._logged + line, b""
        self._last_line = whole.strip()[-REMEMBERED:] or self._last_line
        while len(line) > LONGEST_LINE:
            _, line = self._log_piece(line)
        self._say(self._shown(line))

    def _log_piece(self, line: bytes) -> tuple[bytes, bytes]:
        """Log the first piece of a long line, which divides no secret and no character; the piece, and the rest. What
        is nothing but secrets that overlap has no end that divides none: it is hidden whole."""
        ends = range(LONGEST_LINE, max(LONGEST_LINE - 4, 0), -1)
        end = next((end for end in ends if line[end] & 0xC0 != 0x80), LONGEST_LINE)
        text = line[:end].decode("utf-8", "replace")
        begun = self._redact.begun(text)
        if 0 < begun < len(text):
            end -= len(text[-begun:].encode())
        self._say(HIDDEN if begun == len(text) else self._shown(line[:end]))
        return line[:end], line[end:]

    def _hide_half(self) -> None:
        """The line ends at the limit, maybe within a secret: hide what there is of it."""
        text = self._line.decode("utf-8", "ignore")
        if (begun := self._redact.begun(text)) >= SHORTEST:
            self._line = (text[:-begun] + HIDDEN).encode()

    def _say(self, line: str) -> None:
        if log.isEnabledFor(logging.INFO):  # by hand: to find out which line of code says it takes longer than all else
            log.handle(log.makeRecord(log.name, logging.INFO, "", 0, "%s | %s", (self._title, line), None))

    def _remember(self, data: bytes) -> None:
        """Without a log only the last line matters."""
        *lines, self._line = (self._line + data)[-REMEMBERED:].split(b"\n")
        self._last_line = next((line.strip() for line in reversed(lines) if line.strip()), self._last_line)
