"""The file with the outcomes that no daemon has taken: it is there for those that come after a killed executor."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from .. import files
from .frames import LENGTH, BadFrames, Ended, daemons_inbox, packed

FOLDER = "executors"  # in the state folder: sockets, logs, and outcomes that no daemon has taken
LOG = ".log"  # behind an executor's name
ENDED = ".ended"  # behind an executor's name
LARGE = 1024 * 1024  # bytes of the file above which it is written anew, if little of it is still needed
SPARSE = 4  # times as large as what is needed


class Journal:
    """Outcomes of one executor, each added with one write. It is not synced: what the process has written outlives
    the process, though not the host, and with the host all its runs are gone."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name + ENDED
        self._file = -1
        self._size = 0
        self._sizes: dict[str, int] = {}

    def begin(self) -> list[Ended]:
        """Be ready; the outcomes that an earlier executor of this name left. Raises OSError."""
        self._file = files.opened(self._folder, self._name, flags=os.O_RDWR | os.O_CREAT | os.O_APPEND)
        with os.fdopen(os.dup(self._file), "rb") as file:
            found, self._size = _read(file.read())
        os.ftruncate(self._file, self._size)  # nothing behind what was cut off could be read
        self._sizes = {ended.run_id: len(packed([ended])) for ended in found}
        return found

    def add(self, ended: Ended) -> None:
        """Keep an outcome. Raises OSError."""
        data = packed([ended])
        self._write(self._file, data, self._size)
        self._size += len(data)
        self._sizes[ended.run_id] = len(data)

    def taken(self, left: Mapping[str, Ended]) -> None:
        """All outcomes but those `left` are in the store. Raises OSError."""
        self._sizes = {run_id: size for run_id, size in self._sizes.items() if run_id in left}
        if not left:
            os.ftruncate(self._file, 0)
            self._size = 0
        elif self._size > max(LARGE, SPARSE * sum(self._sizes.values())):
            self._anew(left.values())

    def close(self) -> None:
        """Write no more. A file without outcomes goes."""
        os.close(self._file)
        if self._size == 0:
            (self._folder / self._name).unlink(missing_ok=True)

    def _anew(self, left: Iterable[Ended]) -> None:
        """Write the whole file anew, and put it in the place of the one before."""
        fresh = self._folder / (self._name + ".new")
        fresh.unlink(missing_ok=True)  # of one that was killed
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        file = files.opened(self._folder, fresh.name, flags=flags)
        each = {ended.run_id: packed([ended]) for ended in left}
        data = b"".join(each.values())
        try:
            self._write(file, data, 0)
            fresh.replace(self._folder / self._name)
        except BaseException:
            os.close(file)
            raise
        if self._file >= 0:
            os.close(self._file)
        self._file, self._size = file, len(data)
        self._sizes = {run_id: len(bytes_) for run_id, bytes_ in each.items()}

    def _write(self, file: int, data: bytes, size: int) -> None:
        written = os.write(file, data) if data else 0
        if written < len(data):  # the disk is full; nothing behind a piece of a frame could be read
            os.ftruncate(file, size)
            raise OSError(f"{self._name}: {written} of {len(data)} bytes were written")


def outcomes(folder: Path, name: str) -> list[Ended]:
    """The outcomes in a file. What was cut off, or makes no sense, ends the list. Raises OSError."""
    try:
        with files.reading(folder, name) as file:
            return _read(file.read())[0]
    except FileNotFoundError:
        return []


def _read(data: bytes) -> tuple[list[Ended], int]:
    """The outcomes, and how many of the bytes make sense."""
    inbox = daemons_inbox()
    found: dict[str, Ended] = {}
    begin = 0
    while begin < len(data):
        end = begin + LENGTH + int.from_bytes(data[begin : begin + LENGTH], "big")
        if end > len(data):
            break
        try:
            frames = inbox.take(data[begin:end])
        except BadFrames:
            break
        found |= {frame.run_id: frame for frame in frames if isinstance(frame, Ended)}
        begin = end
    return list(found.values()), begin


def shut(folder: Path, name: str) -> OSError | None:
    """Why a file of an executor cannot be opened, without which it could not say why it ends; None: all can."""
    for kept, flags in ((LOG, os.O_WRONLY | os.O_CREAT), (ENDED, os.O_RDWR)):
        try:
            os.close(files.opened(folder, f"{name}{kept}", flags=flags))
        except FileNotFoundError:  # no outcome is kept
            continue
        except OSError as why:
            return why
    return None


def lives(folder: Path, name: str) -> bool:
    """Whether there is an executor of this name: its log is locked. Raises OSError."""
    try:
        file = files.opened(folder, f"{name}{LOG}", flags=os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def is_empty(folder: Path, name: str) -> bool:
    """Whether an executor of this name has left no outcomes."""
    try:
        return (folder / (name + ENDED)).stat().st_size == 0
    except FileNotFoundError:
        return True


def numbers_in(folder: Path) -> Iterable[int]:
    """The names of executors that are there, or have left outcomes."""
    found = folder.iterdir() if folder.is_dir() else ()
    return (int(each.stem) for each in found if each.suffix in (".sock", ENDED) and each.stem.isdecimal())
