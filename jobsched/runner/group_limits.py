"""What all processes of a run may take together: the limits that its control group has.

The kernel gives the groups below another one controllers only while that one has no processes of its own (the root of
the tree aside). So it takes a group of ours above the one in which this process is: see `control_group.Tree`.
"""

from __future__ import annotations

from pathlib import Path

import attrs

from ..model.rlimits import UNITS, ResourceLimits

CONTROLLERS = {"memory_total": "memory", "pids": "pids", "cpu_share": "cpu"}  # a limit's, by the name of the limit
FILES = {"memory_total": "memory.max", "pids": "pids.max", "cpu_share": "cpu.weight"}
ALL_OF_IT = "memory.oom.group"  # with 1 in it, a group that has taken too much is killed as one
REFUSED = "limit {name}={value}: {hindrance}"
NO_GROUPS = "it takes an executor that may make control groups"
CROWDED = "this process is in {base} itself, which cannot have controllers then; see DelegateSubgroup in the docs"
NOT_OFFERED = "{base} has no controller {controller}"


@attrs.frozen
class GroupLimits:
    """Sets limits in groups of `folder`, which is in `base`. `crowded`: processes live in `base` itself, and it is not
    the root of all."""

    base: Path
    folder: Path
    crowded: bool

    def begin(self) -> None:
        """Have the memory of runs counted, where that can be had: with the first limit it would be late."""
        for controller in CONTROLLERS.values():
            self._enable(controller)

    def files(self, limits: ResourceLimits) -> dict[str, str]:
        """What is to be written into which files of a group. Raises OSError in words: some of it cannot be set here."""
        for name, value in limits.of_all.items():
            if hindrance := self._enable(CONTROLLERS[name]):
                raise OSError(REFUSED.format(name=name, value=value, hindrance=hindrance))
        found = {FILES[name]: str(value) for name, value in limits.of_all.items()}
        return found | ({ALL_OF_IT: "1"} if "memory.max" in found else {})

    def _enable(self, controller: str) -> str:
        """Why there is none of it in the groups of `folder`; "": there is. Asked for each time: with the last group of
        another executor the folder goes, and with it what was asked for in there."""
        if self.crowded:
            return CROWDED.format(base=self.base)
        try:
            if controller not in (self.base / "cgroup.controllers").read_text("ascii").split():
                return NOT_OFFERED.format(base=self.base, controller=controller)
            self.folder.mkdir(exist_ok=True)
            for each in (self.base, self.folder):
                (each / "cgroup.subtree_control").write_text(f"+{controller}", "ascii")
        except OSError as why:
            return str(why)
        return ""


def reached(events: bytes, maximum: bytes) -> str:
    """What `memory.events` and `memory.max` of a group say that became of a run; "": nothing."""
    counts = dict(line.split(b" ", 1) for line in events.splitlines() if b" " in line)
    if not int(counts.get(b"oom_kill", 0)) or not maximum.strip().isdigit():
        return ""
    size = int(maximum) / UNITS["M"]
    return f"its processes reached memory_total, {size:.0f} MiB together, and the kernel killed them"


def none(limits: ResourceLimits) -> dict[str, str]:
    """As `GroupLimits.files`, where there are no groups."""
    for name, value in limits.of_all.items():
        raise OSError(REFUSED.format(name=name, value=value, hindrance=NO_GROUPS))
    return {}
