"""The pipe that is a run's stdout and stderr."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from twisted.internet import main
from twisted.internet.abstract import FileDescriptor
from twisted.python.failure import Failure

from .output import Output

CHUNK = 64 * 1024
OPENING = 1000  # bytes
FULL_PIPE = 1024 * 1024  # bytes that a pipe can hold at most, as Linux comes


class OutputPipe(FileDescriptor):
    """The reading end of the pipe that is a run's stdout and stderr, in the order they were written."""

    def __init__(self, reactor: Any, output: Output, closed: Callable[[], None]) -> None:
        super().__init__(reactor)
        self._end, self.writing_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._end, False)
        self.opening = b""  # the first that was printed
        self._output: Output | None = output
        self._closed = closed

    def fileno(self) -> int:
        return self._end

    def give(self, user: int, group: int) -> None:
        """To that user: `/dev/stdout` is the pipe opened once more, which only its owner may."""
        os.fchown(self.writing_end, user, group)

    def begin(self) -> None:
        """The child has its end; read ours."""
        os.close(self.writing_end)
        self.connected = 1
        self.startReading()

    def discard(self) -> None:
        """There is no child after all."""
        os.close(self.writing_end)
        os.close(self._end)

    def doRead(self) -> Exception | None:
        try:
            data = os.read(self._end, CHUNK)
        except BlockingIOError:
            return None
        except OSError:
            return main.CONNECTION_LOST
        if not data:
            return main.CONNECTION_DONE
        if self._output is None:
            return None
        if len(self.opening) < OPENING:
            self.opening += data[:OPENING]
        self._output.write(data)
        if self._output.full:
            self.stopReading()
            self._output.when_room(self._resume)
        return None

    def finish(self) -> None:
        """Take what is in the pipe, then close it, whoever still holds the other end."""
        self.drain()
        if self.connected:
            self.connectionLost(Failure(main.CONNECTION_DONE))

    def drain(self) -> None:
        """Take what is in the pipe; close it if nobody holds the other end."""
        for _ in range(FULL_PIPE // CHUNK):
            if not self.connected:
                return
            if (why := self.doRead()) is not None:
                self.connectionLost(Failure(why))

    def let_go(self, kept: set[OutputPipe]) -> None:
        """The run is over and its processes live on: what they print from now on is thrown away, and harms nobody.

        Were it closed, they would die of the next line that they print.
        """
        self.drain()
        self._output = None
        self._closed = lambda: kept.discard(self)
        if self.connected:
            kept.add(self)
            self.startReading()

    def connectionLost(self, reason: Failure) -> None:
        if self.connected:
            super().connectionLost(reason)
            os.close(self._end)
            self._closed()

    def _resume(self) -> None:
        if self.connected:
            self.startReading()
