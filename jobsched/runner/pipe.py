"""The way of what a run prints, from Twisted's reader of the pipe to the run's `Output`."""

from __future__ import annotations

from twisted.internet.main import CONNECTION_DONE
from twisted.internet.process import Process, ProcessReader
from twisted.python.failure import Failure

from .output import Output
from .session import STDOUT

OPENING = 1000  # bytes: at least so much of the beginning is kept in `opening`
FULL_PIPE = 1024 * 1024  # bytes that a pipe can hold at most, by Linux's default


class OutputPipe:
    """The pipe that is a run's stdout and stderr. The process protocol passes what was printed to `received`.

    While too much is under way to the output, the reader of the pipe is paused.
    """

    def __init__(self, output: Output) -> None:
        self.opening = b""  # the first bytes that were printed
        self._output: Output | None = output
        self._process: Process | None = None
        self._received = 0

    def begin(self, process: Process) -> None:
        """The process was started, and Twisted reads what the process prints."""
        self._process = process

    @property
    def connected(self) -> bool:
        """Whether the pipe is still open, so that processes may print to it."""
        return self._reader is not None

    @property
    def _reader(self) -> ProcessReader | None:
        return None if self._process is None else self._process.pipes.get(STDOUT)

    def received(self, data: bytes) -> None:
        """The run printed `data`."""
        self._received += len(data)
        if self._output is None:
            return
        if len(self.opening) < OPENING:
            self.opening += data[:OPENING]
        self._output.write(data)
        if self._output.full and self._process is not None:
            self._process.pauseProducing()
            self._output.when_room(self._process.resumeProducing)

    def finish(self) -> None:
        """Take what is in the pipe, then close the pipe, even if a process still holds its other end."""
        self.drain()
        if (reader := self._reader) is not None:
            reader.connectionLost(Failure(CONNECTION_DONE))

    def drain(self) -> None:
        """Take what is in the pipe; close the pipe if no process holds its other end."""
        begun = self._received
        while (reader := self._reader) is not None and self._received - begun < FULL_PIPE:
            before = self._received
            if (why := reader.doRead()) is not None:
                reader.connectionLost(Failure(why))
            elif self._received == before:
                return

    def let_go(self, kept: set[OutputPipe]) -> None:
        """The run is over and its processes live on: what these print from now on is thrown away.

        If the pipe were closed, the next line they print would kill them. It is in `kept` until they close their end.
        """
        self.drain()
        self._output = None
        if self._process is not None and self.connected:
            kept.add(self)
            self._process.resumeProducing()
