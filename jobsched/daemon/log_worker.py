"""The threads that write log lines: a queue before each, which takes lines without a wait from the reactor."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from logging.handlers import QueueHandler
from queue import Empty, Full, Queue
from select import select
from typing import TextIO, cast

from ..model.printable import shown

GATHER = 0.01  # seconds in which lines gather that are written together
TOGETHER = 1_000  # of them at most

Room = Queue[logging.LogRecord | None]  # None: no more will come

_thread = threading.local()


class PatientQueueHandler(QueueHandler):
    """Never waits in the main thread, which is the reactor's, nor in one that empties a queue; others wait for room."""

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self._room = room
        self.dropped = 0

    def createLock(self) -> None:
        """The queue has its own; with one here, a thread that waits for room would keep the reactor waiting too."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Python 3.13 and later would ask for the lock."""
        kept = self.filter(record)
        if kept:
            self.emit(kept if isinstance(kept, logging.LogRecord) else record)
        return bool(kept)

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """As Python's, which copies each record: but one that is only words is the same to everybody."""
        if record.args or record.exc_info or record.exc_text or record.stack_info:
            return cast("logging.LogRecord", super().prepare(record))
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        if threading.current_thread() is not threading.main_thread() and not hasattr(_thread, "log_worker"):
            self._room.put(record)
            return
        try:
            self._room.put_nowait(record)
        except Full:
            self.dropped += 1


class LogWorker:
    """Empties a queue into handlers. What one of them itself may log meanwhile must not wait for room in a queue."""

    def __init__(self, room: Room, handlers: list[logging.Handler]) -> None:
        self._room = room
        self._handlers = handlers
        self._thread: threading.Thread

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._tell, name="log", daemon=True)
        self._thread.start()

    def end(self, seconds: float) -> None:
        """Queue the end: no record follows. Records that were logged before are written first."""
        with suppress(Full):
            self._room.put(None, timeout=max(seconds, 0))

    def ended(self, seconds: float) -> bool:
        """Wait up to that time; whether all records are written."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _tell(self) -> None:
        _thread.log_worker = self
        records: list[logging.LogRecord | None] = []
        while None not in records:
            records = [self._room.get()]
            # Or it would be woken for each line, and keep the reactor waiting. `time.sleep` goes by a clock, and hangs
            # if that is set back meanwhile.
            select([], [], [], GATHER)
            with suppress(Empty):
                while len(records) < TOGETHER:
                    records.append(self._room.get_nowait())
            for handler in self._handlers:
                wanted = [each for each in records if each is not None and each.levelno >= handler.level]
                _say_together(handler, wanted) if type(handler) is logging.StreamHandler else _say(handler, wanted)


def _say(handler: logging.Handler, records: Iterable[logging.LogRecord]) -> None:
    for record in records:
        try:
            handler.handle(record)
        except Exception:  # of one that does not even call its own handleError
            unsaid(record)


def _say_together(handler: logging.StreamHandler[TextIO], records: Sequence[logging.LogRecord]) -> None:
    """What its `handle` does with each of them, with one write for all."""
    try:
        kept = [each for each in records if handler.filter(each)]
        text = "".join(f"{handler.format(each)}{handler.terminator}" for each in kept)
    except Exception:  # which of them it is, and that it is said, is seen one by one
        _say(handler, records)
        return
    handler.acquire()
    try:
        handler.stream.write(text)
        handler.flush()
    except Exception:
        unsaid(records[0])
    finally:
        handler.release()


def unsaid(_record: logging.LogRecord) -> None:
    """A handler failed, on a full disk perhaps. That goes to the real stderr: the log would only fail again."""
    with suppress(OSError, ValueError, AttributeError):
        sys.__stderr__.write(f"jobsched: a log line could not be written: {shown(str(sys.exc_info()[1]))}\n")  # type: ignore[union-attr]  # None: suppressed
