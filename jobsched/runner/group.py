"""The processes of one run: its process group, and whatever left the group but still carries the run's mark.

The mark is `JOBSCHED_RUN_ID` in the environment, which children inherit; it also tells a survivor of an earlier
daemon from a stranger that was given the same pid.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress

import attrs
import psutil

MARK = "JOBSCHED_RUN_ID"
BOOT = "/proc/sys/kernel/random/boot_id"
LONGEST_UP = 2.0**32  # seconds: no machine is up for so long


@attrs.frozen
class Group:
    """The group that the first process of a run leads: its id is that process's pid."""

    pid: int
    run_id: str

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

    def survivors(self, everywhere: bool = True) -> list[psutil.Process]:
        """Every live process in the run's group; `everywhere`: also those that left it but carry the mark.

        Reads all of /proc: not for the reactor.
        """
        return list(_survivors(self, everywhere))


def _survivors(run: Group, everywhere: bool) -> Iterator[psutil.Process]:
    ours = {0, os.getpgrp()}  # 0: the kernel's threads
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            group = os.getpgid(process.pid)
            if (group == run.pid and group not in ours) or (everywhere and _has_mark(process, run.run_id)):
                yield process


def _has_mark(process: psutil.Process, run_id: str) -> bool:
    try:
        return bool(process.environ().get(MARK) == run_id)
    except psutil.AccessDenied:
        return False


def began(pid: int) -> float | None:
    """When a process began: unlike that of any other process with this pid, after a reboot too, and whatever the wall
    clock does. Seconds since the machine booted, and far beyond them a number that is this boot's.
    """
    seconds = boot_seconds(pid)
    return None if seconds is None else _boot() * LONGEST_UP + seconds


def is_first(pid: int, recorded: float | None) -> bool:
    """Whether a process is the one that began when the record says: of older daemons, by seconds alone."""
    return recorded is not None and recorded in (began(pid), boot_seconds(pid))


def boot_seconds(pid: int) -> float | None:
    """When a process began, in seconds since the machine booted."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _boot() -> int:
    """One of 8,192: with seconds and ticks that is all that a double holds exactly."""
    try:
        with open(BOOT) as text:
            return int(text.read(8), 16) % 8192
    except (OSError, ValueError):  # /proc is cut down here: then the seconds must do
        return 0
