"""The group and the session that the first process of a run leads, and how that process is known again."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from functools import cache

import attrs

from . import procfs

BOOT = "/proc/sys/kernel/random/boot_id"
LONGEST_UP = 2.0**32  # seconds: no machine is up for so long


@attrs.frozen
class Group:
    """The group that the first process of a run leads: its id is that process's pid, and its session's id too."""

    pid: int
    began: int | None = None  # ticks since boot, of that process

    def send(self, number: int) -> None:
        """Signal the whole group, or the first process if there is no such group."""
        try:
            os.killpg(self.pid, number)
        except PermissionError:  # another user's, as with sudo: it ends when it ends
            return
        except ProcessLookupError:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, number)

    def sweep_up(self) -> None:
        """Kill what a finished first process left in its group. Its pid may be another's by now: groups only."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def empty(self) -> bool:
        """Whether no process is in the group; a dead one that nobody reaped counts as there."""
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False

    @property
    def leader(self) -> int:
        """Whose session and group are this run's; 0: that pid was given to another process by now."""
        now = procfs.stat(self.pid)
        return 0 if now is not None and now.began != self.began else self.pid


def began(ticks: int) -> float:
    """When a process began, for the record: unlike that of any other process with its pid, after a reboot too, and
    whatever the wall clock does. Seconds since the machine booted, and far beyond them a number that is this boot's.
    """
    return _boot(BOOT) * LONGEST_UP + _seconds(ticks)


def is_first(pid: int, recorded: float | None) -> bool:
    """Whether a process is the one that began when the record says: of older daemons, by seconds alone."""
    now = None if recorded is None else procfs.stat(pid)
    return now is not None and recorded in (began(now.began), _seconds(now.began))


def _seconds(ticks: int) -> float:
    return ticks / procfs.TICKS


@cache  # it stays until the next boot, and is asked for at each run
def _boot(path: str) -> int:
    """One of 8,192: with seconds and ticks that is all that a double holds exactly."""
    try:
        with open(path) as text:
            return int(text.read(8), 16) % 8192
    except (OSError, ValueError):  # /proc is cut down here: then the seconds must do
        return 0
