"""Opens files in folders that other users may write: follows no link there, waits for nothing, and checks the file that
was opened.

A user who may write such a folder can put something else in the place of a file: a FIFO, at which an `open` waits for
ever, or a link to a file that only the daemon may read or write. Runs without a `user` can do that, for they run as the
daemon's own user; so can other users, if the folder was there before the daemon and its mode lets them.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

OTHERS = stat.S_IWGRP | stat.S_IWOTH

_NEVER = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_LISTED = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def room(folder: Path) -> tuple[int, int]:
    """The bytes of the disk with that folder, and how many of them are free. Raises OSError."""
    found = shutil.disk_usage(folder)
    return found.total, found.free


class Replaced(OSError):
    """Something else is in the place of a file of ours, or of a folder on the way to that file."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(errno.EPERM, what, path)


def opened(folder: str | Path, *names: str, flags: int = os.O_RDONLY) -> int:
    """A descriptor of the plain file at `names` below `folder`. If `flags` create the file, its mode is 0600.

    `folder` itself may be a link, which the administrator made. Raises OSError, Replaced among them.
    """
    path = os.path.join(folder, *names)
    with _entered(folder, *names[:-1]) as at:
        try:
            found = os.open(names[-1], flags | _NEVER, 0o600, dir_fd=at)
        except OSError as why:
            if why.errno in {errno.ELOOP, errno.ENXIO}:  # a link; a FIFO or a socket
                raise Replaced(path, "is not a plain file") from None
            raise OSError(why.errno, why.strerror, path) from None
        if flags & os.O_EXCL:  # it was not there before, so it is ours
            return found
        try:
            _check(path, os.fstat(found), os.fstat(at), os.stat(folder).st_uid)
        except BaseException:
            os.close(found)
            raise
        return found


def reading(folder: str | Path, *names: str) -> BinaryIO:
    """The file that `opened` opens, to be read."""
    return os.fdopen(opened(folder, *names), "rb")


def plain(path: Path) -> bytes:
    """The content of a file that an operator named: a link is followed, a FIFO is not waited for. Raises OSError."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "is not a plain file", str(path))
        return file.read()


def delete(folder: str | Path, *names: str) -> None:
    """Delete the file or link at `names` below `folder`. Raises OSError."""
    *inner, last = names
    with _entered(folder, *inner) as at:
        os.unlink(last, dir_fd=at)


def listed(folder: str | Path, name: str) -> list[tuple[str, os.stat_result]]:
    """Entries of the folder `name` in `folder`; links are not followed. Empty if `name` is missing.

    Raises OSError; Replaced if `name` is a link or a file.
    """
    try:
        with _entered(folder, name, how=_LISTED) as at:
            return list(_entries(at))
    except FileNotFoundError:
        return []


def open_to_others(folder: Path) -> bool:
    """Whether users other than its owner may put files into a folder."""
    return bool(folder.stat().st_mode & OTHERS)


@contextmanager
def _entered(folder: str | Path, *names: str, how: int = _FOLDER) -> Iterator[int]:
    """A descriptor of the folder at `names` below `folder`. Raises OSError; Replaced if one of `names` is a link."""
    at = _inner(None, os.path.join(folder, names[0]), how) if names else os.open(folder, how)
    try:
        for name in names[1:]:
            inner = _inner(at, name, how)
            os.close(at)
            at = inner
        yield at
    finally:
        os.close(at)


def _inner(at: int | None, name: str, how: int) -> int:
    """A folder in the folder `at`, or None: at that path. What is above it may be a link."""
    try:
        return os.open(name, how | os.O_NOFOLLOW, dir_fd=at)
    except OSError as why:
        if why.errno in {errno.ELOOP, errno.ENOTDIR} and (at is not None or os.path.isdir(os.path.dirname(name))):
            raise Replaced(name, "is not a folder") from None
        raise


def _check(path: str, found: os.stat_result, folder: os.stat_result, keeper: int) -> None:
    """Raises Replaced for a file that is not plain, or not of ours, root or `keeper`, the outermost folder's owner.

    Also for a file with several links, if the folder is open to others or belongs to neither us nor root.
    """
    ours = (os.geteuid(), 0)
    if not stat.S_ISREG(found.st_mode):
        raise Replaced(path, "is not a plain file")
    if found.st_uid not in (*ours, keeper):
        raise Replaced(path, "belongs to another user")
    if found.st_nlink > 1 and (folder.st_mode & OTHERS or folder.st_uid not in ours):  # else it may be a backup's link
        raise Replaced(path, "is a file that lies elsewhere too")


def _entries(at: int) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(at) as found:
        for entry in found:
            try:
                yield entry.name, entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # the entry was deleted meanwhile
                continue
