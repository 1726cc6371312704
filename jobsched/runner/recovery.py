"""What a dead predecessor left behind: its processes are ended, its runs become `lost`."""

from __future__ import annotations

import os
from datetime import datetime

import psutil
from twisted.logger import Logger

from ..model.run import Run
from .group import Group, is_first

TRIES = 10  # looks for what keeps starting processes, a second each at most

log = Logger()


def end_orphans(runs: list[Run], grace: float) -> dict[str, str]:
    """TERM, grace, KILL for what still lives of those runs; says per run, in words, what was found.

    In a thread: it reads all of /proc and waits. A process counts as the run's only if it carries the run's mark, or
    is in the group whose first process began when the run's did: a stranger with the same pid is safe.
    """
    orphans = {run.id: _survivors(run, []) for run in runs}
    everyone = [process for found in orphans.values() for process in found]
    for process in everyone:
        _signal(process, "terminate")
    psutil.wait_procs(everyone, timeout=grace)
    killed: set[str] = set()
    for run in runs:
        left = orphans[run.id]
        for _ in range(TRIES):
            left = _survivors(run, left)
            if not left:
                break
            killed.add(run.id)
            for process in left:
                _signal(process, "kill")
            psutil.wait_procs(left, timeout=1)
    return {run_id: _words(found, run_id in killed) for run_id, found in orphans.items()}


def tell_lost(runs: list[Run], found: dict[str, str], now: datetime) -> list[Run]:
    """Their outcomes, also for the log."""
    log.warn("{count} runs were left behind by a daemon that is gone", count=len(runs))
    ended = [lost(run, found[run.id], now) for run in runs]
    for run in ended:
        log.warn("run {run} of {job}: {state}, {reason}",
                 run=run.id, job=run.job_name, state=run.state, reason=run.reason)  # fmt: skip
    return ended


def lost(run: Run, found: str, now: datetime) -> Run:
    """The run's outcome."""
    return run.lost(f"the daemon that ran it is gone; {found}", now)


def _survivors(run: Run, before: list[psutil.Process]) -> list[psutil.Process]:
    """What lives of a run. The group is still the run's, though its first process has ended, while one that was found
    there `before` is: nobody is given a pid that is a group's.
    """
    pid = run.pid or 0
    first = is_first(pid, run.pid_started)
    return Group(pid if first or any(_is_in(pid, process) for process in before) else 0, run.id).survivors()


def _is_in(group: int, process: psutil.Process) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.is_running()
    except ProcessLookupError:
        return False


def _signal(process: psutil.Process, what: str) -> None:
    try:
        getattr(process, what)()
    except psutil.NoSuchProcess:
        return
    except psutil.AccessDenied:
        log.error("process {pid} of a lost run may not be signalled by this user", pid=process.pid)


def _words(found: list[psutil.Process], killed: bool) -> str:
    if not found:
        return "its process had ended, how is not known"
    pids = ", ".join(str(process.pid) for process in found)
    return f"its processes ({pids}) were still there and were {'killed' if killed else 'ended'}"
