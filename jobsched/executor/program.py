"""The executor as a process of its own: its parts, its start and its end.

Everything is imported at the start, for an upgrade replaces files under an executor that runs.
"""

from __future__ import annotations

import fcntl
import gc
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO, cast

import re2  # type: ignore[import-untyped]  # noqa: F401  # else the first pattern would load it
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IListeningPort
from twisted.logger import (
    FilteringLogObserver,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogBeginner,
    textFileLogObserver,
)
from twisted.python.failure import Failure

from .. import files
from ..clock import LOOK, count_elapsed
from ..loops import Loop
from ..reactor_types import Reactor
from ..runner.control_group import ControlGroups
from .executor import Executor
from .journal import FOLDER, LOG, Journal
from .link import Link, listen

RARELY = 10_000  # objects until Python looks for circles, as a burst makes thousands of them and few circles
TAKEN = 75  # exit code: there is another of this name, which may be about to end
ALONE = 60.0  # seconds without a run and without a daemon until the executor ends


class LineHandler(logging.Handler):
    """Passes the lines that runs print to the daemon's log."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link

    def emit(self, record: logging.LogRecord) -> None:
        title, _ = record.args  # type: ignore[misc]  # as `OutputFile` logs: the job's name and the run's id, then a line
        self._link.line(record.getMessage(), str(title).rpartition(" ")[2])


def detach() -> None:
    """Hold nothing of the daemon that started this process: no descriptor, terminal or session."""
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)
    if os.getpgrp() != os.getpid():
        os.setsid()
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def log_to(file: TextIO) -> None:
    """Warnings and worse go to a file, and why there are no control groups."""
    predicate = LogLevelFilterPredicate(LogLevel.warn)
    predicate.setLogLevelForNamespace(ControlGroups.log.namespace, LogLevel.info)
    observer = FilteringLogObserver(textFileLogObserver(file), [predicate])
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
    logging.basicConfig(stream=file, level=logging.WARNING)


class Program:
    """The parts of an executor, its start and its end."""

    def __init__(self, reactor: Reactor, state: Path, name: str, settings: Sequence[str], alone: float = ALONE) -> None:
        folder = state / FOLDER
        self._reactor = reactor
        self._alone = alone
        self._folder, self._name = folder, f"{name}.sock"
        self._link = Link(reactor, state, " ".join(settings), self._look)
        outcomes = Journal(folder, name)
        self._executor = Executor(reactor, state / "output", int(settings[0]), outcomes, self._link.tell, self._look)
        # The reactor's wait for a timer does not count the time for which the machine sleeps. No thread looks at the
        # clock here, as one does in a daemon: see `ControlGroup.inside`.
        self._awake = Loop(reactor, LOOK, lambda: None, "the look at the clock")
        self._ending: IDelayedCall | None = None

    def begin(self) -> None:
        """Be ready for a daemon."""
        lines = logging.getLogger("jobsched.output")
        lines.addHandler(LineHandler(self._link))
        lines.setLevel(logging.INFO)
        lines.propagate = False
        self._link.serve(self._executor)
        self._executor.begin()
        self._awake.start()
        port = listen(self._reactor, self._folder, self._name, self._link)
        self._reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(self._end(port)))
        self._look()

    def _look(self) -> None:
        """Nobody may need this process any more: if that stays so for a while, it ends."""
        needed = self._executor.busy or self._link.connected
        if needed and self._ending is not None:
            self._ending.cancel()
            self._ending = None
        elif not needed and self._ending is None:
            self._ending = self._reactor.callLater(self._alone, self._go)

    def _go(self) -> None:
        self._ending = None
        self._reactor.stop()

    async def _end(self, port: IListeningPort) -> None:
        await maybeDeferred(port.stopListening)  # its file goes too
        await self._executor.end()
        self._awake.stop()


def main(argv: list[str]) -> None:
    """Run until the end."""
    state, name, output_limit, umask, *alone = argv
    detach()
    os.umask(int(umask, 8))
    from twisted.internet import reactor as installed  # it opens a descriptor, which `detach` would close

    log = files.opened(Path(state) / FOLDER, f"{name}{LOG}", flags=os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(TAKEN)
    log_to(os.fdopen(log, "w", buffering=1))
    reactor = cast("Reactor", installed)
    count_elapsed(reactor)
    gc.collect()
    gc.freeze()  # what was imported stays
    gc.set_threshold(RARELY)
    program = Program(reactor, Path(state), name, [output_limit, umask], *map(float, alone))
    failed: list[Failure] = []
    reactor.callWhenRunning(lambda: maybeDeferred(program.begin).addErrback(failed.append))
    reactor.callWhenRunning(lambda: reactor.stop() if failed else None)
    reactor.run()
    if failed:
        Logger().failure("the executor could not begin", failed[0])
        sys.exit(1)
