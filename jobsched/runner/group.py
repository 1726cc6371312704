"""The process group and the session that a run's first process leads, and how that process is recognised later."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from functools import cache

import attrs

from . import procfs

BOOT = "/proc/sys/kernel/random/boot_id"
LONGEST_UP = 2.0**32  # seconds; no machine stays up for that long


@attrs.frozen
class Group:
    """The process group that a run's first process leads: that process's pid is also the group's and session's id."""

    pid: int

    def send(self, number: int) -> None:
        """Signal the whole group, or the first process if there is no such group."""
        try:
            os.killpg(self.pid, number)
        except PermissionError:  # the processes are another user's, as with sudo: they end by themselves
            return
        except ProcessLookupError:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, number)

    def sweep_up(self) -> None:
        """Kill the processes that a finished first process left in its group.

        Signals only the group: the pid may belong to another process by now.
        """
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def empty(self) -> bool:
        """Whether no process is in the group; a dead process that is not reaped yet counts as being in it."""
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False

    def leader(self, waited_for: bool) -> int:
        """The pid that leads this run's session and group; 0: another process has that pid now, as may be once the
        first one has been waited for."""
        return 0 if waited_for and procfs.stat(self.pid) is not None else self.pid


def began(ticks: int) -> float:
    """The number that the record keeps for the start of a process: seconds since boot, plus a multiple of `LONGEST_UP`
    that stands for this boot. So no other process with the same pid has the same number, not even after a reboot, and
    the wall clock plays no part in it.
    """
    return _boot(BOOT) * LONGEST_UP + _seconds(ticks)


def start_of(pid: int | None) -> float | None:
    """That number for this process; None: there is none."""
    seen = None if pid is None else procfs.stat(pid)
    return None if seen is None else began(seen.began)


def is_first(pid: int, recorded: float | None) -> bool:
    """Whether the process `pid` is the one that the record means: the number `recorded` for its start must match.

    Older daemons recorded only the seconds since boot; that number matches too.
    """
    now = None if recorded is None else procfs.stat(pid)
    return now is not None and recorded in (began(now.began), _seconds(now.began))


def _seconds(ticks: int) -> float:
    return ticks / procfs.TICKS


@cache  # the value stays until the next boot, and each run needs it
def _boot(path: str) -> int:
    """A number from 0 to 8,191 for this boot: beside a larger one, a double cannot hold seconds and ticks exactly."""
    try:
        with open(path) as text:
            return int(text.read(8), 16) % 8192
    except (OSError, ValueError):  # /proc is restricted here: then the seconds alone must do
        return 0
