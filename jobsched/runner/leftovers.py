"""What lives of one run beside its first process: who that is, what it was told, and what may not be signalled."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable

import attrs
from twisted.logger import Logger

from . import procfs
from .control_group import ControlGroup
from .group import Group
from .procfs import Found, Key, Stat


class RemainingProcesses:
    """Kept up by looks at all processes, and asked in between: whether what was there then still lives is soon seen."""

    log = Logger()

    def __init__(self, run_id: str, control: ControlGroup) -> None:
        self._first: int | None = None  # the pid of the first process, until that has ended
        self.known: list[Found] = []  # what lived at the last look, and may be signalled
        self.by_itself = False  # the first process ended before it was told to
        self._met: dict[Key, Found] = {}  # what it left behind
        self.refused: dict[Key, Found] = {}  # what we may not signal
        self._run_id = run_id
        self._told = False  # TERM went to what was there
        self._every = False  # the control group is killed too
        self.control = control

    def began(self, pid: int) -> None:
        """The first process has this pid."""
        self._first = pid

    def exited(self, by_itself: bool) -> None:
        """The first process has ended, before it was told to or not: its pid may be another's from now on."""
        self._first = None
        self.by_itself = by_itself

    def live(self) -> bool:
        """Whether any known process still lives."""
        return any(map(procfs.lives, self.known))

    def seen(self, found: Iterable[Found]) -> list[Found]:
        """A look found these; what of the others still lives is there too: see `procfs.survey` on those that sleep."""
        there = {each.key: each for each in found}
        there |= {each.key: each for each in self.known if each.key not in there and procfs.lives(each)}
        self.known = [each for key, each in there.items() if key not in self.refused]
        return self.known

    def count(self) -> None:
        """Count the processes known now as left behind, if the first one ended by itself."""
        if self.by_itself:
            self._met |= {each.key: each for each in self.known if procfs.lives(each)}

    @property
    def left(self) -> tuple[Found, ...] | None:
        """All that a script left behind which ended by itself; None: it did not."""
        return tuple(self._met.values()) if self.by_itself else None

    def stuck(self) -> bool:
        """Whether all of it sleeps such that nothing ends it, and the first process too."""
        pids = [each.pid for each in self.known] + ([] if self._first is None else [self._first])
        return all(procfs.state(pid) == procfs.STUCK for pid in pids)

    def given_up(self) -> tuple[Stat, ...]:
        """All of it, and the first process, as they are now."""
        there = None if self._first is None else procfs.stat(self._first)
        every = [*self.known, *([] if there is None else [there])]
        return tuple(attrs.evolve(each, state=procfs.state(each.pid)) for each in every)

    def sending(self, number: int, first: bool, every: bool) -> None:
        """A signal is about to be sent, also to the `first` process, and to `every` process that comes from it."""
        self._every = every
        if number == signal.SIGKILL and every:
            self.control.kill()
        elif number == signal.SIGTERM and first and self._first is not None:
            self.seen(procfs.descendants(self._first))  # what ends now takes along who its children are

    def signal(self, group: Group, kill: bool, had_it: bool, asked: int) -> None:
        """TERM once, and after the grace KILL; `had_it`: the group was signalled as a whole, in the tick `asked`.

        What began after that may be the work of a trap, and is not told to end.
        """
        told, self._told = self._told, True
        if told and not kill:
            return
        for process in self.known:
            if not had_it or (process.group != group.pid and (kill or process.began < asked)):
                self._signal(process, signal.SIGKILL if kill else signal.SIGTERM)
        if kill and not had_it and any(process.group == group.pid for process in self.known):
            group.sweep_up()  # as one: nobody in it can bring another meanwhile
        self.known = [each for each in self.known if each.key not in self.refused]

    def _signal(self, process: Found, number: int) -> None:
        try:
            if procfs.lives(process):
                os.kill(process.pid, number)
        except ProcessLookupError:
            return
        except PermissionError:
            if self._every and self.control.holds(process.pid):  # the kernel does it in our place
                return
            self.refused[process.key] = process
            self.log.error("process {pid} of run {run} may not be signalled by this user",
                           pid=process.pid, run=self._run_id)  # fmt: skip
