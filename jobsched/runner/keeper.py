"""Whose a run's process is. A copy of a store tells of runs that the daemon of the original still executes: whoever
starts on the copy must not end these.

A run has the state folder of its daemon in its environment. That daemon lives if the process whose id stands in the
folder's lock has the lock open, for an id may be another process's by now; or if an executor of the folder does, which
is the run's parent.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from .. import files
from . import procfs
from .procfs import Stat

FOLDER = "JOBSCHED_STATE_DIR"
LOCK = "jobsched.lock"  # in a state folder; its holder's process id stands in it, once that has begun
SHORT = 32  # bytes of such an id


def mark(state_dir: Path) -> dict[str, str]:
    """What the environment of a run says of its daemon."""
    return {FOLDER: os.path.realpath(state_dir)}


def keeper(processes: Iterable[Stat], own: str = "") -> str | None:
    """The state folder of another daemon, if that lives and has one of these processes; None: there is none. The state
    folder `own` is not another's."""
    for process in processes:
        folder = _told(process.pid)
        if not folder or folder == own or (holder := holder_of(folder)) == os.getpid() or not _is_ours_or_roots(folder):
            continue
        if any(_has_open(pid, folder) for pid in (holder, _parent(process.pid)) if pid is not None):
            return folder
    return None


def holder_of(folder: str | Path) -> int | None:
    """The process id in the lock of a state folder; None: there is none."""
    try:
        with files.reading(folder, LOCK) as file:
            return int(file.read(SHORT))
    except (OSError, ValueError):
        return None


def folders_of(pid: int) -> list[Path]:
    """The state folders whose locks a process has open."""
    return [Path(path).parent for path in _open_files(pid) if os.path.basename(path) == LOCK]


def _told(pid: int) -> str | None:
    """The state folder that a process was given; one that is about to run another program is looked at again."""
    for _ in range(procfs.LOOKS):
        if (folder := procfs.variable(pid, FOLDER)) != procfs.BETWEEN:
            return folder
        time.sleep(procfs.MOMENT)
    return None


def _is_ours_or_roots(folder: str) -> bool:
    """A run of another user says what it likes, and could name a folder of its own."""
    with suppress(OSError):
        return os.stat(folder).st_uid in (os.geteuid(), 0)
    return False


def _parent(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
    except OSError:
        return None


def _has_open(pid: int, folder: str) -> bool:
    return any(path.startswith(f"{folder}/") for path in _open_files(pid))


def _open_files(pid: int) -> Iterator[str]:
    """The paths of what a process has open; none of one that is gone, or another user's."""
    with suppress(OSError):
        for number in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                yield os.readlink(f"/proc/{pid}/fd/{number}")
