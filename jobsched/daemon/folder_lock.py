"""One daemon per state folder and per SQLite file: the kernel drops these locks when the process with them dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from .. import files
from ..model.errors import BadStore
from ..runner import keeper
from ..store.opening import file_of

LOCK = keeper.LOCK


class FolderLock:
    """Locks `folder`, or one file `name` in it, for this process and for the forked child that becomes the daemon."""

    def __init__(self, folder: Path, name: str = "") -> None:
        self._descriptor = files.opened(folder, f"{name}.lock" if name else LOCK, flags=os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, keeper.SHORT).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            remedy = "store" if name else "--state-dir"
            raise BadStore(
                f"{folder / name} is in use by another jobsched (pid {holder}); "
                f"stop that one, or give this one its own {remedy}"
            ) from None
        text = os.read(self._descriptor, keeper.SHORT).strip()
        self.before = int(text) if text.isdigit() else None  # the process id of the holder before; a stranger's by now?
        os.ftruncate(self._descriptor, 0)

    def sign(self) -> None:
        """Write our pid into the lock file: the error message of a second daemon shows it."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)


def locks(state_dir: Path, url: str) -> list[FolderLock]:
    """Lock the state folder and, if the store is an SQLite file in another folder, that file. Raises BadStore."""
    held = [FolderLock(state_dir)]
    file = file_of(url)
    if file is not None and file.parent.resolve() != state_dir.resolve():
        if not file.parent.is_dir():
            raise BadStore(f"store: {file}: there is no folder {file.parent}")
        held.append(FolderLock(file.parent, file.name))
    return held
