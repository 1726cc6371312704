"""Where in the kernel's tree of control groups (version 2) runs may have theirs."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

import attrs

from .group_limits import GroupLimits

FOLDER = "jobsched"  # in the group `base`; holds a group for each run
UNIFIED = b"0::"  # in front of the path of a group in the tree of version 2
SYSTEMD = Path("/run/systemd/system")  # there if systemd owns all groups
DELEGATED = ("user.delegate", "trusted.delegate")  # how systemd marks a group that it leaves to its unit


@attrs.frozen
class Tree:
    """Where groups may be made (`base`), and where this process is (`home`): in there itself, or in a group below."""

    base: Path
    home: Path

    @property
    def crowded(self) -> bool:
        """Whether this process keeps the groups below `base` from having controllers; the root of all, which has no
        type, may have both."""
        return self.base == self.home and (self.base / "cgroup.type").exists()

    @property
    def folder(self) -> Path:
        """The group that holds those of runs."""
        return self.base / FOLDER

    @property
    def limits(self) -> GroupLimits:
        """What sets the limits of runs."""
        return GroupLimits(self.base, self.folder, self.crowded)


def _own_group(pid: int) -> bytes:
    """The path of a process's group in the tree of version 2. Raises OSError: the process is gone, or no such tree."""
    with open(f"/proc/{pid}/cgroup", "rb") as lines:
        for line in lines:
            if line.startswith(UNIFIED):
                return line[len(UNIFIED) :].rstrip(b"\n")
    raise FileNotFoundError(errno.ENOENT, "no control groups of version 2")


def tree_here() -> Tree | None:
    """Where this process may make groups; None: it may not, or there is no such tree.

    Under systemd that takes `Delegate=yes`: the tree is systemd's otherwise, also where root could write. A process
    that was put into a group below, by `DelegateSubgroup=` or in a container, leaves the one above to the runs.
    """
    try:
        path = os.fsdecode(_own_group(os.getpid()))
        mounts = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    for words in (line.split(" ") for line in mounts):
        root, point = words[3:5]
        if words[words.index("-") + 1] == "cgroup2" and path.startswith(root):
            home, top = Path(point) / path[len(root) :].lstrip("/"), Path(point)
            return next((Tree(base, home) for base in (home.parent, home) if _is_ours(base, home, top)), None)
    return None


def _is_ours(base: Path, home: Path, top: Path) -> bool:
    """Whether groups may be made in there, and this process may be in `home`."""
    if not base.is_relative_to(top) or not os.access(base, os.W_OK):
        return False
    if base != home and (base / "cgroup.procs").read_bytes():  # others live there
        return False
    return _is_delegated(base) if SYSTEMD.is_dir() else base in (home, top)


def _is_delegated(base: Path) -> bool:
    for name in DELEGATED:
        with suppress(OSError):
            return os.getxattr(base, name) == b"1"
    return False
