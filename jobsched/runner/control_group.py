"""A control group of the kernel's for each run: no process leaves it unless somebody with the right to do so moves it.

So what a run has started is read and not guessed, whatever its session, user and environment; it can be killed as one,
and the CPU that it used is that of all its processes. It takes a cgroup v2 tree in which this process may make groups.
A process is in the group of its parent from its first instruction on: so this process is in the run's group for as long
as it takes to start the first one. To move that one in afterwards would be too late for what it has started by then.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs
from twisted.logger import Logger

from ..clock import elapsed
from ..model.rlimits import ResourceLimits
from . import procfs
from .group_limits import GroupLimits, none, reached
from .group_tree import Tree
from .procfs import Found
from .session import Usage

SLOW = 0.005  # seconds for a move: where it takes longer, as on many a kernel before Linux 6.18, the reactor would wait
TRIAL = "trial"  # name of a group, no id of a run
TRIALS = 5  # of which one must be fast enough: a busy machine makes any of them slow


class ControlGroup:
    """The processes of one run. Where there are no control groups it is of no use, and harmless."""

    log = Logger()

    def __init__(
        self,
        folder: Path | None = None,
        home: Path | None = None,
        left: list[Path] | None = None,
        limits: GroupLimits | None = None,
        born: bool = False,
    ) -> None:
        self._folder = folder
        self._home = home  # where this process belongs
        self._left = [] if left is None else left  # groups that are not empty yet, though their runs are over
        self._limits = limits
        self._limit = ResourceLimits()  # of the run
        self._born = born  # the run began in here

    def limit(self, limits: ResourceLimits) -> None:
        """Have these for all processes of the run together. Raises OSError: they cannot be set here."""
        self._limit = limits
        self._files()

    def _files(self) -> dict[str, str]:
        """What is to be written into which files of this group."""
        return (none if self._limits is None else self._limits.files)(self._limit)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """What is started meanwhile begins in here. It must be one process, and nothing else of this process's.

        Raises OSError: what the run may take at most could not be set.

        Each thread of this process is moved too, which interrupts the processor where it ran last: with three of them
        that took as long as the start itself. So an executor has one, as long as it needs no more.
        """
        if self._folder is None or self._home is None:
            yield
            return
        try:
            try:
                self._enter(self._folder)
            except OSError:  # another executor may have cleared the folder away at this moment
                self._enter(self._folder)
        except OSError as why:
            if self._limit.of_all:
                self.close()
                raise OSError(f"the limits of its control group could not be set: {why}") from why
            self.log.warn("{group} could not be used as a control group: {why}", group=str(self._folder), why=str(why))
        else:
            self._born = True
        try:
            yield
        except BaseException:
            self._come_home(self._home)
            self.close()
            raise
        self._come_home(self._home)

    def _enter(self, folder: Path) -> None:
        files = self._files()
        folder.mkdir(parents=True, exist_ok=True)
        for name, value in files.items():
            (folder / name).write_text(value, "ascii")
        _move(folder)

    def take(self, pid: int) -> None:
        """A process that waits for its first instruction, and that was started elsewhere, is of the run too."""
        if self._born and self._folder is not None:
            try:
                (self._folder / "cgroup.procs").write_bytes(b"%d" % pid)
            except OSError as why:
                words = "process {pid} could not be moved into the control group {group}: {why}"
                self.log.warn(words, pid=pid, group=str(self._folder), why=str(why))
                self._born = False

    def _come_home(self, home: Path) -> None:
        try:
            _move(home)
        except OSError as why:  # to kill the group would be to end this process
            self._born = False
            words = "this process is in the control group of a run, {group}, and cannot leave it: {why}"
            self.log.error(words, group=str(self._folder), why=str(why))

    @property
    def of_use(self) -> bool:
        """Whether there are control groups here."""
        return self._folder is not None

    @property
    def kills(self) -> bool:
        """Whether `kill` ends what is in here."""
        return self._born

    def empty(self) -> bool:
        """Whether it is certain that no process of the run lives, of all that it ever started."""
        return self._born and b"populated 0" in self._read("cgroup.events")

    def with_members(self, found: Iterable[Found], first: int) -> list[Found]:
        """Those, and what else is in the group but the run's `first` process."""
        there = {each.pid: each for each in found}
        for pid in self._pids():
            if pid not in there and pid not in (first, os.getpid()) and (seen := procfs.found(pid, first)) is not None:
                there[pid] = seen
        return list(there.values())

    def holds(self, pid: int) -> bool:
        """Whether `kill` ends this process."""
        return pid in self._pids()

    def _pids(self) -> list[int]:
        return [int(pid) for pid in self._read("cgroup.procs").split()] if self._born else []

    def kill(self) -> None:
        """KILL for all that is in here, and for what one of these starts meanwhile."""
        if self._born and self._folder is not None:
            with suppress(OSError):
                (self._folder / "cgroup.kill").write_bytes(b"1")

    def usage(self, waited_for: Usage | None) -> Usage | None:
        """What the run has used: all its processes, and not only the first one and those that it waited for; of memory,
        where this group has that controller."""
        fields = self._read("cpu.stat").split()
        peak = b"" if self._limits is None or self._limits.crowded else self._read("memory.peak")
        seconds = int(fields[1]) / 1e6 if fields[:1] == [b"usage_usec"] else 0.0
        used = waited_for or (Usage(cpu_seconds=seconds, max_rss=None) if seconds else None)
        if used is None:
            return None
        most = int(peak) if peak else used.max_rss
        return attrs.evolve(used, cpu_seconds=max(seconds, used.cpu_seconds), max_rss=most)

    def hint(self) -> str:
        """What the run came to by its limits; "": nothing."""
        return reached(self._read("memory.events"), self._read("memory.max")) if self._limit.of_all else ""

    def close(self) -> None:
        """The run is over. While processes live on, so does their group."""
        if self._folder is not None and not _remove(self._folder):
            self._left.append(self._folder)

    def _read(self, name: str) -> bytes:
        if self._folder is None:
            return b""
        try:
            with open(f"{self._folder}/{name}", "rb", buffering=0) as file:
                return file.read()
        except OSError:
            return b""


class ControlGroups:
    """Makes them; None: there are none."""

    log = Logger()

    def __init__(self, tree: Tree | None) -> None:
        self._tree = tree
        self._limits = None if tree is None else tree.limits  # once: it looks at the tree, and each run needs it
        self._left: list[Path] = []

    def begin(self) -> None:
        """Be ready. Groups that a killed daemon left go, if they are empty."""
        if self._tree is None:
            return
        folder = self._tree.folder / f"{TRIAL}-{os.getpid()}"
        for _ in range(TRIALS):
            took = _try(ControlGroup(folder, self._tree.home), folder)
            if took is None or took <= SLOW:
                break
        self._clear()
        if took is None:
            self.log.info("runs have no control groups: this kernel lets nobody be moved into them, or be killed there")
            self._tree = None
        elif took > SLOW:
            self.log.info("runs have no control groups: a move takes {took:.1f} ms", took=took * 1000)
            self._tree = None
        else:
            self._tree.limits.begin()

    def end(self) -> None:
        """No run is left."""
        self._clear()
        if self._tree is not None:
            _remove(self._tree.folder)  # unless others go on

    def group(self, run_id: str) -> ControlGroup:
        """The one of a run. It is there once the run is."""
        tree = self._tree
        if tree is None:
            return ControlGroup()
        if self._left and not _remove(oldest := self._left.pop(0)):
            self._left.append(oldest)
        return ControlGroup(tree.folder / run_id, tree.home, self._left, self._limits)

    def left_by(self, run_id: str) -> ControlGroup:
        """The one that an earlier daemon made for a run, if it is there."""
        folder = None if self._tree is None else self._tree.folder / run_id
        return ControlGroup() if folder is None or not folder.is_dir() else ControlGroup(folder, born=True)

    def _clear(self) -> None:
        for group in [] if self._tree is None else self._tree.folder.glob("*/"):
            _remove(group)


def _try(trial: ControlGroup, folder: Path) -> float | None:
    """How many seconds it takes to be in a group; None: it cannot be done, or what is in there cannot be killed."""
    begun = elapsed()
    with trial.inside():
        took = elapsed() - begun
        can_kill = (folder / "cgroup.kill").exists()  # since Linux 5.14
    trial.close()
    return took if trial.kills and can_kill else None


def _remove(group: Path) -> bool:
    """Whether a group is gone: one with processes in it stays."""
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _move(group: Path) -> None:
    """Move this process, with all its threads. By the shortest way, for each run takes two moves."""
    file = os.open(f"{group}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(file, b"0")
    finally:
        os.close(file)
