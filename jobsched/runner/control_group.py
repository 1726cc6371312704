"""A control group of the kernel's for each run: no process leaves it unless somebody with the right to do so moves it.

So what a run has started is read and not guessed, whatever its session, user and environment; it can be killed as one,
and the CPU that it used is that of all its processes. It takes a cgroup v2 tree in which this process may make groups.
A process is in the group of its parent from its first instruction on: so this process is in the run's group for as long
as it takes to start the first one. To move that one in afterwards would be too late for what it has started by then.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs
from twisted.logger import Logger

from ..clock import elapsed
from . import procfs
from .procfs import Found
from .session import Usage

FOLDER = "jobsched"  # below the group of this process; holds a group for each run
UNIFIED = b"0::"  # in front of the path of a group in the tree of version 2
SYSTEMD = Path("/run/systemd/system")  # there if systemd owns all groups
DELEGATED = ("user.delegate", "trusted.delegate")  # how systemd marks a group that it leaves to its unit
SLOW = 0.005  # seconds for a move: where it takes longer, as on many a kernel before Linux 6.18, the reactor would wait
TRIAL = "trial"  # name of a group, no id of a run


class ControlGroup:
    """The processes of one run. Where there are no control groups it is of no use, and harmless."""

    log = Logger()

    def __init__(
        self,
        folder: Path | None = None,
        home: Path | None = None,
        left: list[Path] | None = None,
        born: bool = False,
    ) -> None:
        self._folder = folder
        self._home = home  # where this process belongs
        self._left = [] if left is None else left  # groups that are not empty yet, though their runs are over
        self._born = born  # the run began in here

    @contextmanager
    def inside(self) -> Iterator[None]:
        """What is started meanwhile begins in here. It must be one process, and nothing else of this process's."""
        if self._folder is None or self._home is None:
            yield
            return
        try:
            self._folder.mkdir(parents=True)
            _move(self._folder)
        except OSError as why:
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
        """What the run has used: of CPU all its processes, and not only the first one and those that it waited for."""
        fields = self._read("cpu.stat").split()
        seconds = int(fields[1]) / 1e6 if fields[:1] == [b"usage_usec"] else 0.0
        if waited_for is None:
            return Usage(cpu_seconds=seconds, max_rss=None) if seconds else None
        return attrs.evolve(waited_for, cpu_seconds=max(seconds, waited_for.cpu_seconds))

    def close(self) -> None:
        """The run is over. While processes live on, so does their group."""
        if self._folder is not None and not _remove(self._folder):
            self._left.append(self._folder)

    def _read(self, name: str) -> bytes:
        if self._folder is None:
            return b""
        try:
            return (self._folder / name).read_bytes()
        except OSError:
            return b""


class ControlGroups:
    """Makes them, in the folder `base` of a group; None: there are none."""

    log = Logger()

    def __init__(self, base: Path | None) -> None:
        self._base = base
        self._left: list[Path] = []

    def begin(self) -> None:
        """Be ready. Groups that a killed daemon left go, if they are empty."""
        if self._base is None:
            return
        begun = elapsed()
        folder = self._base / FOLDER / f"{TRIAL}-{os.getpid()}"
        trial = ControlGroup(folder, self._base)
        with trial.inside():
            took = elapsed() - begun
            can_kill = (folder / "cgroup.kill").exists()  # since Linux 5.14
        trial.close()
        self._clear()
        if not trial.kills or not can_kill or took > SLOW:
            words = "runs have no control groups: those of this kernel cannot be killed, or a move takes {took:.1f} ms"
            self.log.info(words, took=took * 1000)
            self._base = None

    def end(self) -> None:
        """No run is left."""
        self._clear()
        if self._base is not None:
            _remove(self._base / FOLDER)  # unless others go on

    def group(self, run_id: str) -> ControlGroup:
        """The one of a run. It is there once the run is."""
        if self._base is None:
            return ControlGroup()
        if self._left and not _remove(oldest := self._left.pop(0)):
            self._left.append(oldest)
        return ControlGroup(self._base / FOLDER / run_id, self._base, self._left)

    def left_by(self, run_id: str) -> ControlGroup:
        """The one that an earlier daemon made for a run, if it is there."""
        folder = None if self._base is None else self._base / FOLDER / run_id
        return ControlGroup() if folder is None or not folder.is_dir() else ControlGroup(folder, born=True)

    def _clear(self) -> None:
        for group in [] if self._base is None else (self._base / FOLDER).glob("*/"):
            _remove(group)


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
    """Move this process, with all its threads."""
    (group / "cgroup.procs").write_bytes(b"0")


def _own_group(pid: int) -> bytes:
    """The path of a process's group in the tree of version 2. Raises OSError: the process is gone, or no such tree."""
    with open(f"/proc/{pid}/cgroup", "rb") as lines:
        for line in lines:
            if line.startswith(UNIFIED):
                return line[len(UNIFIED) :].rstrip(b"\n")
    raise FileNotFoundError(errno.ENOENT, "no control groups of version 2")


def base_here() -> Path | None:
    """The folder of this process's own group, if groups may be made in there; None: they may not, or there is none.

    Under systemd that takes `Delegate=yes`: the tree is systemd's otherwise, also where root could write.
    """
    try:
        path = os.fsdecode(_own_group(os.getpid()))
        mounts = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    for words in (line.split(" ") for line in mounts):
        root, point = words[3:5]
        if words[words.index("-") + 1] == "cgroup2" and path.startswith(root):
            base = Path(point) / path[len(root) :].lstrip("/")
            return base if os.access(base, os.W_OK) and (not SYSTEMD.is_dir() or _is_delegated(base)) else None
    return None


def _is_delegated(base: Path) -> bool:
    for name in DELEGATED:
        with suppress(OSError):
            return os.getxattr(base, name) == b"1"
    return False
