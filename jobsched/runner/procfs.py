"""The processes of this machine, as /proc tells of them: one pass over all of them serves any number of runs.

A process belongs to a run if it is in the session or the group that the run's first process led, or if it carries the
run's mark: `JOBSCHED_RUN_ID` in its environment, which children inherit. The mark also tells what an earlier daemon
left from a stranger that was given the same pid.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from functools import cache

import attrs

from ..clock import elapsed

Key = tuple[int, int]

MARK = "JOBSCHED_RUN_ID"
TICKS = os.sysconf("SC_CLK_TCK")  # in a second
DEAD = "ZXx"  # states of what has ended, reaped or not
STUCK = "D"  # uninterruptible sleep: no signal ends it, not even KILL
FEW = 500  # descendants that are looked for; to list /proc takes longer from some such number on
ASLEEP = 6  # looks at the environment of a process that sleeps such that it cannot be read
LOOKS = 20  # and of one that is about to run another program: it may have to wait for a processor in the midst of that
MOMENT = 0.01  # seconds between them
BETWEEN = "\0"  # in place of a mark, which cannot hold it: the process is about to run another program


@attrs.frozen(kw_only=True)
class Stat:
    """What /proc/PID/stat says of a process. `began`, in ticks since boot, tells it from any other of its pid."""

    pid: int
    name: str
    state: str
    group: int
    session: int
    began: int

    @property
    def dead(self) -> bool:
        """Whether the process has ended; /proc lists it until it is reaped."""
        return self.state in DEAD

    @property
    def key(self) -> Key:
        """A value that no other process has."""
        return self.pid, self.began


@attrs.frozen(kw_only=True)
class Found(Stat):
    """A live process of a run; `inside`: it is in the session or the group of the run's first process."""

    inside: bool


def stat(pid: int) -> Stat | None:
    """What the kernel says of a process; None: there is none."""
    try:
        name, fields = _stat(pid)
    except OSError:  # it has gone, before the file was opened or after
        return None
    return Stat(
        pid=pid,
        name=name.decode("utf-8", "replace"),
        state=fields[0].decode("ascii"),
        group=int(fields[2]),
        session=int(fields[3]),
        began=int(fields[19]),
    )


def now() -> int:
    """The tick that it is, as `Stat.began` counts them."""
    return int(elapsed() * TICKS)


def lives(process: Stat) -> bool:
    """Whether that very process still lives, and its pid was not given to another one."""
    now = stat(process.pid)
    return now is not None and now.began == process.began and not now.dead


def survey(wanted: Mapping[str, int]) -> dict[str, list[Found]]:
    """What lives of each of those runs, given as their ids with the pids that their first processes have or had.

    0 in place of a pid: go by the mark alone. One pass over /proc, however many are asked for; not for the reactor.
    """
    found: dict[str, list[Found]] = {run_id: [] for run_id in wanted}
    led = {pid: run_id for run_id, pid in wanted.items() if pid}
    ours, me = {0, os.getpgrp()}, os.getpid()  # 0: the kernel's threads
    unclear = []
    for pid in _pids():
        seen = stat(pid)
        if seen is None or seen.dead or pid == me:
            continue
        inside = led.get(seen.session) or (led.get(seen.group) if seen.group not in ours else None)
        if inside is not None:
            found[inside].append(_found(seen, inside=True))
        elif seen.state == STUCK or (mark := variable(pid, MARK)) == BETWEEN:
            unclear.append(seen)
        elif mark in found:
            found[mark].append(_found(seen, inside=False))
    for seen, mark in _cleared(unclear):
        if mark in found:
            found[mark].append(_found(seen, inside=False))
    return found


def found(pid: int, first: int | None) -> Found | None:
    """A live process that is a run's, whose first process has or had the pid `first`; None: it is gone."""
    seen = stat(pid)
    return None if seen is None or seen.dead else _found(seen, inside=first in (seen.session, seen.group))


def sessions() -> frozenset[int]:
    """Ids of all sessions that have members; unreaped dead processes count. Quick: no file is read."""
    members = set()
    for pid in _pids():
        try:
            members.add(os.getsid(pid))
        except OSError:  # it has gone
            continue
    return frozenset(members)


def is_free(number: int) -> bool:
    """Whether it is certain that no process has this pid, and none is in a group or session of that number.

    The kernel gives a number out again only then, and says so to whoever would have that number signalled about a file:
    quick however many processes there are. It says nothing of the kind before Linux 4.13, and then this is False.
    """
    try:
        fcntl.fcntl(_nothing(), fcntl.F_SETOWN, number)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return False


@cache
def _nothing() -> int:
    """A file about which nobody is ever signalled, open as long as this process lives."""
    return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)


def descendants(first: int) -> list[Found]:
    """What a live process has started, and so on, by the links to parents. A parent that ends takes its links along."""
    known: dict[int, Found] = {}
    parents = [first]
    while parents and len(known) < FEW:
        children = [pid for parent in parents for pid in _children(parent) if pid not in known]
        there = [seen for pid in children if (seen := found(pid, first)) is not None]
        known |= {seen.pid: seen for seen in there}
        parents = [seen.pid for seen in there]
    return list(known.values())


def _children(pid: int) -> list[int]:
    pids: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            pids += map(int, _read(f"/proc/{pid}/task/{thread}/children").split())
    except OSError:  # it has gone, or this kernel does not tell
        pass
    return pids


def state(pid: int) -> str:
    """Of a process and its threads the one that keeps it alive; "" if it is gone.

    A thread in uninterruptible sleep keeps a process there whose first thread, which stands for it, has ended.
    """
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return ""
    states = [each.state for thread in threads if (each := stat(int(thread))) is not None]
    return STUCK if STUCK in states else next((each for each in states if each not in DEAD), "".join(states[:1]))


def is_gone(pid: int) -> bool:
    """Whether nothing of a process lives any more, no thread of it either."""
    return state(pid) in ("", *DEAD)


def _found(seen: Stat, inside: bool) -> Found:
    return Found(**attrs.asdict(seen), inside=inside)


def _cleared(unclear: list[Stat]) -> Iterator[tuple[Stat, str | None]]:
    """The marks of processes that were in uninterruptible sleep or about to run another program, once they are not.

    Nearly all wait for a disk, or not even that, and are clear at the next look. To read the environment of one that
    stays asleep could put us to sleep beside it: it is left out.
    """
    for look in range(LOOKS):
        if look == ASLEEP:
            unclear = [each for each in unclear if each.state != STUCK]
        if not unclear:
            return
        time.sleep(MOMENT)
        still = []
        for before in unclear:
            seen = stat(before.pid)
            if seen is None or seen.began != before.began or seen.dead:
                continue
            if seen.state == STUCK or (mark := variable(seen.pid, MARK)) == BETWEEN:
                still.append(seen)
            else:
                yield seen, mark
        unclear = still


def variable(pid: int, name: str) -> str | None:
    """What a process was given as that variable; None: nothing, or it is another user's or gone; BETWEEN: it cannot say
    so now."""
    try:
        environment = _environment(pid)
    except OSError:
        return None
    if environment is None:
        return BETWEEN
    sign = f"{name}=".encode()
    begin = 0 if environment.startswith(sign) else environment.find(b"\0" + sign) + 1
    if begin == 0 and not environment.startswith(sign):
        return None
    value = environment[begin + len(sign) :].partition(b"\0")[0]
    return value.decode("utf-8", "replace")


def _environment(pid: int) -> bytes | None:
    """What a process was given at its last `execve`; None: it is in the midst of another, and the kernel shows nothing.

    Its memory is new then, and not yet told where in it the environment is; a thread of the kernel has no memory.
    """
    if environment := _read(f"/proc/{pid}/environ"):
        return environment
    _, fields = _stat(pid)
    size, begin, end = int(fields[20]), int(fields[47]), int(fields[48])
    if not size or begin == end != 0:
        return b""
    return _read(f"/proc/{pid}/environ") or None  # it may have got there in between, and be in the midst of the next


def _stat(pid: int) -> tuple[bytes, list[bytes]]:
    """The name of a process, and the fields of its /proc/PID/stat from the third on, see proc(5)."""
    text = _read(f"/proc/{pid}/stat", whole=False)
    begin, end = text.find(b"("), text.rfind(b")")  # a name may hold anything, brackets and blanks too
    return text[begin + 1 : end], text[end + 2 :].split()


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _read(path: str, whole: bool = True) -> bytes:
    """A file of /proc: as long as it turns out to be, or what one read gives, which is all of a line."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.read(file, 65536)
        while whole and data and (more := os.read(file, 65536)):
            data += more
        return data
    finally:
        os.close(file)
