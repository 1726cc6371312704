"""What a dead predecessor left behind: its processes are ended, its runs become `lost`."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import attrs
from twisted.logger import Logger

from ..clock import elapsed
from ..model.printable import many
from ..model.run import Run
from . import procfs
from .control_group import ControlGroup, ControlGroups
from .deadline import AGAIN, HOPELESS
from .group import is_first
from .group_tree import tree_here
from .keeper import keeper
from .outcome import ProcessExit, lives_on
from .procfs import Found, Key

LOOK = 0.02  # seconds between looks at what was told to end
KEPT = "the daemon of"

log = Logger()


class Marked(Protocol):
    """A run, as its processes are known by."""

    @property
    def id(self) -> str: ...
    @property
    def pid(self) -> int | None: ...
    @property
    def pid_started(self) -> float | None: ...


@attrs.define
class Orphans:
    """What lived of one run."""

    run: Marked
    first: list[Found] = attrs.field(factory=list)  # what was there when it was looked for first
    left: list[Found] = attrs.field(factory=list)  # what still is
    refused: dict[Key, Found] = attrs.field(factory=dict)  # what we may not signal
    killed: bool = False
    keeper: str | None = None  # the state folder of the daemon that executes it, where that lives
    control: ControlGroup = attrs.field(factory=ControlGroup)

    def leader(self) -> int:
        """The pid whose group and session are the run's: 0, if another process has it by now.

        They are still the run's, though its first process has ended, while one lives that was found in them before:
        nobody is given a pid that is a group's or a session's.
        """
        pid = self.run.pid or 0
        known = any(each.inside and procfs.lives(each) for each in self.left)
        return pid if known or is_first(pid, self.run.pid_started) else 0

    def words(self) -> str:
        """What was found, and what became of it."""
        if self.keeper is not None:
            return f"{KEPT} {self.keeper} lives and goes on with it: this store is a copy of that one's"
        if not self.first:
            return "its process had ended, how is not known"
        pids = ", ".join(str(process.pid) for process in self.first)
        found = f"its processes ({pids}) were still there and were {'killed' if self.killed else 'ended'}"
        stuck = tuple(attrs.evolve(each, state=procfs.state(each.pid)) for each in self.left)
        more = lives_on(ProcessExit(given_up=stuck, refused=tuple(self.refused.values())))
        return f"{found}; {more}" if more else found


def end_orphans(runs: Sequence[Marked], grace: float) -> dict[str, str]:
    """As `end_marked`; says per run, in words, what was found."""
    return {run_id: each.words() for run_id, each in end_marked(runs, grace).items()}


def end_marked(runs: Sequence[Marked], grace: float, own: str = "") -> dict[str, Orphans]:
    """TERM, grace, KILL for what still lives of those runs, also if others have the state folder `own`.

    In a thread: it reads all of /proc, once for all runs, and waits. A process counts as the run's only if it carries
    the run's mark, is in its control group, or in the group whose first process began when the run's did: a stranger
    with the same pid is safe. So are the runs of another daemon that lives, of whose store this one is a copy.
    """
    groups = ControlGroups(tree_here())
    every = {run.id: Orphans(run, control=groups.left_by(run.id)) for run in runs}
    for run_id, found in _look(every).items():
        every[run_id].first, every[run_id].keeper = found, keeper(found, own)
    orphans = {run_id: each for run_id, each in every.items() if each.keeper is None}
    _signal(orphans, signal.SIGTERM)
    _wait(orphans, grace)
    end = elapsed() + HOPELESS
    while any(each.left for each in orphans.values()) and elapsed() < end:
        for run_id in _look(orphans):
            orphans[run_id].killed = True
            orphans[run_id].control.kill()
        _signal(orphans, signal.SIGKILL)
        _wait(orphans, AGAIN)
    for each in orphans.values():
        each.control.close()
    return every


def tell_lost(runs: list[Run], found: dict[str, str], now: datetime) -> list[Run]:
    """Their outcomes, also for the log."""
    log.warn("an earlier daemon left {runs} behind", runs=many(len(runs), "run"))
    ended = [lost(run, found[run.id], now) for run in runs]
    for run in ended:
        log.warn("run {run} of {job}: {state}, {reason}",
                 run=run.id, job=run.job_name, state=run.state, reason=run.reason)  # fmt: skip
    return ended


def lost(run: Run, found: str, now: datetime) -> Run:
    """The run with its outcome, `lost`."""
    return run.lost(found if found.startswith(KEPT) else f"the daemon that ran it is gone; {found}", now)


def _look(orphans: Mapping[str, Orphans]) -> dict[str, list[Found]]:
    """Look for all of them; those of whom anything was found."""
    found = procfs.survey({run_id: each.leader() for run_id, each in orphans.items()})
    for run_id, each in orphans.items():
        there = each.control.with_members(found[run_id], first=0)
        each.left = [process for process in there if process.key not in each.refused]
    return {run_id: each.left for run_id, each in orphans.items() if each.left}


def _signal(orphans: Mapping[str, Orphans], number: int) -> None:
    for each in orphans.values():
        for process in each.left:
            try:
                if procfs.lives(process):
                    os.kill(process.pid, number)
            except ProcessLookupError:
                continue
            except PermissionError:
                if each.control.holds(process.pid):
                    continue
                each.refused[process.key] = process
                log.error("process {pid} of a lost run may not be signalled by this user", pid=process.pid)


def _wait(orphans: Mapping[str, Orphans], seconds: float) -> None:
    """Until nothing of what was found, and may be signalled, lives any longer, or the time is over."""
    end = elapsed() + seconds
    signalled = [process for each in orphans.values() for process in each.left if process.key not in each.refused]
    while any(map(procfs.lives, signalled)) and elapsed() < end:
        time.sleep(LOOK)
