"""The user and the limits of a run. Small programs set them, which are put in front of the run's own program.

These programs run one after the other in the same process (`prlimit`, `nice`, `setpriv`, then the run's own), so
nothing stands between the daemon and the run, and the daemon is not forked.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import attrs

from ..model.rlimits import ResourceLimits
from . import program as programs

# The packages of the small programs; all others are in coreutils.
PACKAGES = {"prlimit": "util-linux", "setpriv": "util-linux", "setsid": "util-linux", "sh": "dash"}
PATIENCE = 20  # seconds that a trial may take: looking up a user may need another host
AT_ONCE = 200  # paths in one command line
LAST_SECONDS = 5  # of CPU beyond the limit, for a program that ends in order when it has reached it


@attrs.frozen(kw_only=True)
class Confinement:
    """The words before those of a run's program (`chain`), and the variables for its user (`environment`)."""

    user: str | None = None  # None: the daemon's own
    owner: tuple[int, int] | None = None  # the ids of that user and of its group
    resource_limits: ResourceLimits = attrs.field(factory=ResourceLimits)
    new_privileges: bool = True  # whether its processes may gain rights through setuid programs, such as sudo
    chain: tuple[str, ...] = ()
    environment: Mapping[str, str] = MappingProxyType({})

    @property
    def is_free(self) -> bool:
        """Whether nothing holds for a run that does not hold for the daemon."""
        return not self.chain and self.owner is None and self.resource_limits == ResourceLimits()

    @property
    def launchers(self) -> tuple[str, ...]:
        """The names of the programs in front."""
        return tuple(Path(word).name for word in self.chain if word.startswith("/"))


FREE = Confinement()


def confine(user: str | None, resource_limits: ResourceLimits, new_privileges: bool | None = None) -> Confinement:
    """The confinement, tried out with a program that does nothing. Raises ValueError in words.

    `new_privileges` None: not for a run with a user or limits, which it could escape by a setuid program.
    """
    who = None if user is None else account(user)
    if new_privileges is None:
        new_privileges = who is None and resource_limits == ResourceLimits()
    chain: list[str] = []
    try:
        if limits := list(_resources(resource_limits)):
            chain += [program("prlimit"), *limits, "--"]
        if resource_limits.nice is not None:
            chain += [program("nice"), "-n", str(resource_limits.nice), "--"]
        kept = [] if new_privileges else ["--no-new-privs"]
        if who is not None:
            ids = [f"--reuid={who.pw_uid}", f"--regid={who.pw_gid}", "--init-groups", "--inh-caps=-all"]
            # setpriv has root's rights until it starts another program. So `nice` comes first, with the user's rights.
            chain += [program("setpriv"), *ids, *kept, "--", program("nice"), "-n", "0", "--"]
        elif kept:
            chain += [program("setpriv"), *kept, "--"]
        if chain:
            _try([*chain, program("true")])
    except OSError as why:
        raise ValueError(str(why)) from why
    environment = {} if who is None else _environment(who)
    owner = None if who is None else (who.pw_uid, who.pw_gid)
    return Confinement(
        user=user,
        owner=owner,
        resource_limits=resource_limits,
        new_privileges=new_privileges,
        chain=tuple(chain),
        environment=MappingProxyType(environment),
    )


def hindrances(asked: Sequence[tuple[object, Confinement]]) -> list[str | None]:
    """Why the programs of tasks cannot be started, in words, for each task in turn. Tasks name theirs in `program`.

    None: nothing wrong can be seen, or the task names no program. The command of a run cannot be checked before there
    is a run.
    """
    seen = [_look_at(task) for task, _ in asked]
    users: dict[str, tuple[Confinement, set[str]]] = {}
    for (_, confined), (path, why) in zip(asked, seen, strict=True):
        if confined.user is not None and path and why is None:
            users.setdefault(confined.user, (confined, set()))[1].add(path)
    closed = {(user, path) for user, (confined, paths) in users.items() for path in _closed(confined, sorted(paths))}
    return [
        f"{path}: user {confined.user} may not start it" if (confined.user, path) in closed else why
        for (_, confined), (path, why) in zip(asked, seen, strict=True)
    ]


def _look_at(task: object) -> tuple[str, str | None]:
    """The path of a task's program, "" for none, and what is wrong with it for any user; None: nothing."""
    path, directory = getattr(task, "program", None), getattr(task, "directory", None)
    if not isinstance(path, str) or "/" not in path:
        return "", None
    if isinstance(directory, str):
        if not os.path.isdir(directory):
            return "", f"{directory}: no such directory"
        path = os.path.join(directory, path)
    why = programs.fault(path)
    return path, None if why is None else f"{path}: {why}"


def _closed(confinement: Confinement, paths: Sequence[str]) -> list[str]:
    """The paths that a user may not start, found out by a shell that runs as that user: only so it is certain."""
    script = 'for path; do if test -x "$path"; then echo yes; else echo no; fi; done'
    closed = []
    for begin in range(0, len(paths), AT_ONCE):
        some = paths[begin : begin + AT_ONCE]
        try:
            done = _run([*confinement.chain, program("sh"), "-c", script, "sh", *some])
        except (OSError, subprocess.TimeoutExpired):  # not known then: the first run will tell
            continue
        answers = done.stdout.decode("utf-8", "replace").split()
        closed += [path for path, answer in zip(some, answers, strict=False) if answer == "no"]
    return closed


def account(name: str) -> pwd.struct_passwd:
    """The entry of a user of this machine. Raises ValueError: no such user, or the daemon may not run tasks as one."""
    try:
        found = pwd.getpwnam(name)
    except (KeyError, ValueError):  # none of that name; a NUL in it
        raise ValueError(f"there is no user {name!r} on this machine") from None
    if os.geteuid() != 0:
        raise ValueError("only a daemon that root has started can run a task as a user")
    return found


def program(name: str) -> str:
    """Where one of the small programs is. Raises OSError."""
    found = shutil.which(name, path=os.defpath + ":/usr/local/bin")
    if found is None:
        raise OSError(f"{name}: not found ({PACKAGES.get(name, 'coreutils')} is needed)")
    return found


def _resources(resource_limits: ResourceLimits) -> list[str]:
    limits = {
        "as": None if resource_limits.memory is None else f"{resource_limits.memory}",
        "cpu": None if resource_limits.cpu is None else f"{resource_limits.cpu}:{resource_limits.cpu + LAST_SECONDS}",
        "nofile": None if resource_limits.files is None else f"{resource_limits.files}",
    }
    return [f"--{name}={value}" for name, value in limits.items() if value is not None]


def _environment(who: pwd.struct_passwd) -> dict[str, str]:
    """The variables that a login sets for the user."""
    return {"HOME": who.pw_dir, "USER": who.pw_name, "LOGNAME": who.pw_name, "SHELL": who.pw_shell or "/bin/sh"}


def _try(words: list[str]) -> None:
    """Check that a program can be started so: this host may lack a right, or the limits be too small for all."""
    try:
        done = _run(words)
    except subprocess.TimeoutExpired:
        raise ValueError(f"a program that does nothing did not end in {PATIENCE} s") from None
    said = " ".join(done.stdout.decode("utf-8", "replace").split())
    if done.returncode or said:  # where `nice` is refused, it only prints that and goes on
        raise ValueError(f"no program can be started so: {said or f'it ended with {done.returncode}'}")


def _run(words: list[str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        words,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={"PATH": os.defpath, "LC_ALL": "C"}, timeout=PATIENCE, check=False,
    )  # fmt: skip


@attrs.frozen
class Confinements:
    """The confinements asked for so far: each is tried out once, however many tasks have it."""

    run_as: str | None
    known: dict[tuple[str | None, ResourceLimits, bool | None], Confinement] = attrs.field(factory=dict)

    def get(self, user: str | None, limits: ResourceLimits, new_privileges: bool | None) -> Confinement:
        """Raises ValueError in words."""
        asked = user, limits, new_privileges
        if asked not in self.known:
            self.known[asked] = confine(*asked)
        return self.known[asked]
