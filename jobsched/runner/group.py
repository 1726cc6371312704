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


@attrs.frozen
class Group:
    """A group that was made by `setsid`: its id is the pid of the run's first process."""

    pid: int
    run_id: str

    def send(self, number: int) -> None:
        """Signal the whole group; before `setsid` has made it, the first process."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            with suppress(ProcessLookupError):
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

    def survivors(self) -> list[psutil.Process]:
        """Every live process of the run, in its group or out of it. Reads all of /proc: not for the reactor."""
        return list(_marked(self.run_id, self.pid))


def _marked(run_id: str, pgid: int) -> Iterator[psutil.Process]:
    mine = os.getpgrp()
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            group = os.getpgid(process.pid)
            if _has_mark(process, run_id) or (group == pgid and group != mine and _unreadable(process)):
                yield process


def _has_mark(process: psutil.Process, run_id: str) -> bool:
    try:
        return bool(process.environ().get(MARK) == run_id)
    except psutil.AccessDenied:
        return False


def _unreadable(process: psutil.Process) -> bool:
    """A process of another user cannot show its mark; being in the run's group must do."""
    try:
        process.environ()
    except psutil.AccessDenied:
        return True
    return False


def boot_seconds(pid: int) -> float | None:
    """When a process began, in seconds since the machine booted: the same whatever the wall clock does."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            fields = stat.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")
