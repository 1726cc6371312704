"""Starting programs as processes of their own: what all of them need, and what each is told."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from typing import cast

import attrs

from ..config.catalog import Leftovers
from ..config.confinement import FREE, Confinement
from ..reactor_types import Reactor
from ..threads import InThread
from .group_tree import Tree
from .outcome import ProcessExit
from .output import Output
from .pipe import OutputPipe
from .process import ScriptProcess
from .process_survey import ProcessSurvey
from .session import Environment, Sessions, close_on_exec
from .warm import ForkServers, Loaded


@attrs.frozen(kw_only=True)
class Script:
    """What is started for a run: words, variables, and what becomes of processes that it leaves behind."""

    run_id: str
    argv: Sequence[str]  # with the programs that apply the confinement
    env: Environment  # of text if it may start warm
    grace: float  # seconds from TERM to KILL
    confinement: Confinement = FREE
    leftovers: Leftovers | None = None
    path: str = ""  # of the program that the run starts
    starters: tuple[str, ...] = ()  # names of the programs in front of that program, which may start it
    keep: bool = False  # whether an executor lets it go on when others may take the node for dead
    loaded: Loaded | None = None  # the file of a Python task that may start warm


class Scripts:
    """Has what all processes of runs share. `tree` is where runs get control groups; None: they get none.
    `warm`: Python tasks start from processes that have loaded them.

    What other threads start while a run is started would be born in its group: so a daemon, with its tasks in threads,
    gives none.
    """

    def __init__(self, reactor: Reactor, in_thread: InThread, tree: Tree | None = None, warm: bool = False) -> None:
        self._reactor = reactor
        self._sessions = Sessions(reactor)
        self._servers = ForkServers(reactor, self._sessions) if warm else None
        self._survey = ProcessSurvey(in_thread, reactor.seconds, tree)
        self._kept: set[OutputPipe] = set()  # pipes of ended runs, to which processes that live on may still print

    def start(self) -> None:
        """Be ready."""
        close_on_exec()
        self._sessions.check()
        self._survey.groups.begin()
        self._stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        if self._servers is not None:
            self._servers.start()

    def stop(self) -> None:
        """Call it when no run is left."""
        if self._servers is not None:
            self._servers.stop()
        for pipe in list(self._kept):
            pipe.finish()
        self._survey.groups.end()
        os.close(self._stdin)

    def begin(self, script: Script, output: Output) -> ScriptProcess:
        """Start a program. Raises OSError when it cannot be started; then no process is left."""
        sessions, env = self._sessions, cast("Mapping[str, str]", script.env)  # a process is given bytes as well
        if self._servers is not None and script.loaded is not None:
            sessions = self._servers.sessions(script.loaded, env)
        process = ScriptProcess(
            sessions,
            self._reactor,
            self._survey,
            script.run_id,
            output,
            script.grace,
            script.leftovers,
            self._kept,
            script.path,
            script.starters,
        )
        process.spawn(script.argv, env, self._stdin, script.confinement)
        return process


def refused(why: OSError) -> ProcessExit:
    """The end of a run whose program could not be started."""
    told = f"{why.filename}: {why.strerror}" if why.filename and why.strerror else why
    return ProcessExit(error=f"could not start: {told}", busy=why.errno == errno.ETXTBSY)
