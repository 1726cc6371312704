"""Starting programs as processes of their own: what all of them need, and what each is told."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from ..config.catalog import Leftovers
from ..config.confinement import FREE, Confinement
from ..reactor_types import Reactor
from ..threads import InThread
from .outcome import ProcessExit
from .output import Output
from .pipe import OutputPipe
from .process import ScriptProcess
from .process_survey import ProcessSurvey
from .session import Sessions, close_on_exec


@attrs.frozen(kw_only=True)
class Script:
    """What is started for a run: words, variables, and what becomes of processes that it leaves behind."""

    run_id: str
    argv: Sequence[str]  # with the programs that apply the confinement
    env: Mapping[str, str]
    grace: float  # seconds from TERM to KILL
    confinement: Confinement = FREE
    leftovers: Leftovers | None = None
    path: str = ""  # of the program that the run starts
    starters: tuple[str, ...] = ()  # names of the programs in front of that program, which may start it


class Scripts:
    """Has what all processes of runs share. `base` is the folder in which runs get control groups; None: they get none.

    What other threads start while a run is started would be born in its group: so a daemon, with its tasks in threads,
    gives none.
    """

    def __init__(self, reactor: Reactor, in_thread: InThread, base: Path | None = None) -> None:
        self._reactor = reactor
        self._sessions = Sessions(reactor)
        self._survey = ProcessSurvey(in_thread, reactor.seconds, base)
        self._kept: set[OutputPipe] = set()  # pipes of ended runs, to which processes that live on may still print

    def start(self) -> None:
        """Be ready."""
        close_on_exec()
        self._sessions.check()
        self._survey.groups.begin()
        self._stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def stop(self) -> None:
        """Call it when no run is left."""
        for pipe in list(self._kept):
            pipe.finish()
        self._survey.groups.end()
        os.close(self._stdin)

    def begin(self, script: Script, output: Output) -> ScriptProcess:
        """Start a program. Raises OSError when it cannot be started; then no process is left."""
        process = ScriptProcess(
            self._sessions,
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
        process.spawn(script.argv, script.env, self._stdin, script.confinement)
        return process


def refused(why: OSError) -> ProcessExit:
    """The end of a run whose program could not be started."""
    told = f"{why.filename}: {why.strerror}" if why.filename and why.strerror else why
    return ProcessExit(error=f"could not start: {told}", busy=why.errno == errno.ETXTBSY)
