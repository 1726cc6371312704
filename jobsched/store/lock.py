"""One daemon per state folder: a lock that the kernel drops when its holder dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from ..model.errors import BadStore


class FolderLock:
    """Holds `folder` for this process, and for the child it becomes when twistd turns into a daemon."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "jobsched.lock"
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise BadStore(
                f"{folder} is in use by another jobsched (pid {holder}); "
                "stop that one, or give this one its own --state-dir"
            ) from None

    def sign(self) -> None:
        """Write our pid into the file, for the message that a second daemon shows."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)
