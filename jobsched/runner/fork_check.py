"""Whether forks of a process that has loaded a task's file would be like processes that load the file themselves.

Stdlib only, for it is part of a fork server.
"""

from __future__ import annotations

import os
import platform
import signal

AT_FORK = (b"__register_atfork\0", b"pthread_atfork\0")  # what a C library lets others do when a process forks
TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)


class Seen:
    """What a process holds that its forks would share, or lack."""

    def __init__(self) -> None:
        self.descriptors: set[tuple[str, str]] = set()
        self.shared: set[bytes] = set()  # places of memory
        self.libraries: set[bytes] = set()  # paths
        for name in os.listdir("/proc/self/fd"):
            if os.path.exists(path := f"/proc/self/fd/{name}"):
                self.descriptors.add((name, os.readlink(path)))
        with open("/proc/self/maps", "rb") as lines:
            for line in lines:
                place, access, _, _, _, *file = line.rstrip(b"\n").split(maxsplit=5)
                if b"w" in access and b"s" in access:
                    self.shared.add(place)
                elif b"x" in access and file and file[0].startswith(b"/"):
                    self.libraries.add(file[0])


def unfit(before: Seen, known: bool) -> str:
    """Why forks of this process would differ from processes that load the file themselves; "": they do not.

    `known`: the C library and the kernel are such that forks can be made.
    """
    if not known:
        return f"not on {platform.machine()}, or not with this C library"
    if len(os.listdir("/proc/self/task")) > 1:
        return "it starts threads when it is loaded"
    with open(f"/proc/self/task/{os.getpid()}/children", "rb") as children:
        if children.read() or not _is_alone():
            return "it starts processes when it is loaded"
    now = Seen()
    if now.descriptors - before.descriptors:
        return "it opens files or connections when it is loaded"
    if now.shared - before.shared:
        return "it makes memory or locks that processes share when it is loaded"
    if any(signal.getitimer(timer) != (0.0, 0.0) for timer in TIMERS):
        return "it sets a timer when it is loaded"
    for library in now.libraries - before.libraries:
        if _minds_forks(library):
            return f"it loads {os.fsdecode(library)}, which may have to be told of forks"
    return ""


def _is_alone() -> bool:
    """Whether no other process is in this one's session, as one would be whose parent has gone."""
    for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
        try:
            if pid != os.getpid() and os.getsid(pid) == os.getsid(0):
                return False
        except OSError:  # it has ended
            continue
    return True


def _minds_forks(library: bytes) -> bool:
    """Whether a library may ask the C library to be called in each fork: without that, GnuTLS and others would give
    the same random numbers in each run. `_fork` cannot do it, and nobody can ask who is to be called."""
    try:
        with open(library, "rb") as file:
            content = file.read()
    except OSError:
        return True
    return any(name in content for name in AT_FORK)
