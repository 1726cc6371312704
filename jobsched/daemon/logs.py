"""Where log lines go: `logging.cfg` decides, Twisted's own log included, and no slow handler holds up the reactor."""

from __future__ import annotations

import atexit
import configparser
import json
import logging
import logging.config
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from logging.handlers import QueueHandler
from pathlib import Path
from queue import Full, Queue
from select import select

import attrs
from twisted.application.service import Service
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent
from zope.interface import implementer

from ..clock import elapsed
from ..model.errors import BadConfig
from ..model.printable import shown

MOST = 20_000  # records that wait for a slow handler
STUCK = 10.0  # seconds that the end waits for a handler that takes nothing
LEAST = 1.0  # seconds of it that each logger has, whatever others took
STDERR = 2
INDENT = "\n    "
HALF = re.compile("[\ud800-\udfff]")
IDLE_TALK = "twisted.web.client._HTTP11ClientFactory"  # two lines for each request that we send, and no word of it

LEVELS = {
    LogLevel.debug: logging.DEBUG,
    LogLevel.info: logging.INFO,
    LogLevel.warn: logging.WARNING,
    LogLevel.error: logging.ERROR,
    LogLevel.critical: logging.CRITICAL,
}


def load(path: Path) -> None:
    """Set up `logging` from a file in its own format. Raises BadConfig in one line."""
    if not path.is_file():
        raise BadConfig(f"{path}: no such file; copy the shipped conf folder, or name yours with --conf-dir")
    try:
        logging.config.fileConfig(path, disable_existing_loggers=False, encoding="utf-8")
    except (KeyError, ValueError, OSError, ImportError, AttributeError, TypeError, NameError, SyntaxError,
            RuntimeError, configparser.Error) as why:  # fmt: skip
        words = " ".join(str(why).split()) or type(why).__name__
        raise BadConfig(f"{path}: {words}{f': {why.__cause__}' if why.__cause__ else ''}") from why
    for handler in _handlers():
        _escaping(handler)
    talker = logging.getLogger(IDLE_TALK)
    if talker.level == logging.NOTSET:  # the file may want it
        talker.setLevel(logging.WARNING)


@implementer(ILogObserver)
class ToLogging:
    """Hands Twisted's events to `logging`, under the name of their namespace."""

    def __call__(self, event: LogEvent) -> None:
        logger = logging.getLogger(event.get("log_namespace") or "twisted")
        level = LEVELS.get(event.get("log_level", LogLevel.info), logging.INFO)
        if not logger.isEnabledFor(level):
            return
        text = formatEvent(event)
        failure = event.get("log_failure")
        if failure is not None:
            text = f"{text}\n{failure.getTraceback()}" if text else failure.getTraceback()
        logger.log(level, "%s", text)


def _handlers() -> Iterator[logging.Handler]:
    """All handlers of all loggers, and the handlers to which those pass records on."""
    loggers = [logging.root, *map(logging.getLogger, list(logging.root.manager.loggerDict))]
    for handler in (each for logger in loggers for each in logger.handlers):
        behind: logging.Handler | None = handler
        while behind is not None:
            yield behind
            behind = getattr(behind, "target", None)  # of a MemoryHandler


def _escaping(handler: logging.Handler) -> None:
    """Let a handler write nothing that is not to be seen, whatever formatter it was given."""
    if not isinstance(handler.formatter, (Escaping, JsonFormatter)):
        handler.setFormatter(Escaping(handler.formatter or logging.Formatter()))


class Escaping(logging.Formatter):
    """What another formatter makes of a record, with all escaped that is not to be seen, whoever said it.

    A record of several lines, with a traceback say, has those after the first indented: no text in it can begin a line
    as a record does.
    """

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        text = self._inner.format(record)
        return text if text.isprintable() else INDENT.join(shown(line, tabs=True) for line in text.split("\n"))


class JsonFormatter(logging.Formatter):
    """For `logging.cfg`: each record is one line, a JSON object, whatever is in it."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        # In ASCII; and not every reader takes half of a surrogate pair.
        return json.dumps({name: HALF.sub(lambda half: ascii(half[0])[1:-1], text) for name, text in line.items()})


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
        while (record := self._room.get()) is not None:
            for handler in self._handlers:
                if record.levelno >= handler.level:
                    try:
                        handler.handle(record)
                    except Exception:  # of one that does not even call its own handleError
                        unsaid(record)


def unsaid(_record: logging.LogRecord) -> None:
    """A handler failed, on a full disk perhaps. That goes to the real stderr: the log would only fail again."""
    with suppress(OSError, ValueError, AttributeError):
        sys.__stderr__.write(f"jobsched: a log line could not be written: {shown(str(sys.exc_info()[1]))}\n")  # type: ignore[union-attr]  # None: suppressed


def last_words(text: str) -> None:
    """To the real stderr, when nothing else can be written to; not if that is a pipe which nobody empties either."""
    with suppress(OSError, ValueError):
        if select([], [STDERR], [], 0)[1]:
            os.write(STDERR, text.encode())


@attrs.frozen
class _Moved:
    """A logger, and what stands between it and its handlers."""

    logger: logging.Logger
    handlers: list[logging.Handler]
    queued: PatientQueueHandler
    log_worker: LogWorker


class QueuedLogging(Service):
    """Puts every configured handler behind a queue and a thread of its own, until stopped."""

    name = "logs"

    def __init__(self) -> None:
        self._moved: list[_Moved] = []

    def startService(self) -> None:
        super().startService()
        names = list(logging.root.manager.loggerDict)
        for logger in [logging.root, *map(logging.getLogger, names)]:
            if logger.handlers:
                self._move(logger)

    def stopService(self) -> None:
        """What was logged so far is out when this returns; what follows goes straight to the handlers.

        But for a handler that is stuck: then what it was to write is lost.
        """
        super().stopService()
        end = elapsed() + STUCK
        for moved in self._moved:
            moved.logger.handlers[:] = moved.handlers
            moved.log_worker.end(end - elapsed())
        stuck = [moved for moved in self._moved if not moved.log_worker.ended(max(end - elapsed(), LEAST))]
        if stuck:
            self._give_up([handler for moved in stuck for handler in moved.handlers])
        for moved in self._moved:
            if moved.queued.dropped:
                moved.logger.warning("%d log lines were dropped: the handlers were too slow", moved.queued.dropped)
        self._moved.clear()

    def _give_up(self, stuck: list[logging.Handler]) -> None:
        """Let nobody wait for these any more: neither who logs, nor the interpreter, which flushes all at its end."""
        for moved in self._moved:
            moved.logger.handlers[:] = [each for each in moved.handlers if each not in stuck] or [logging.NullHandler()]
        last_words(f"jobsched: a log handler is stuck, the last lines are lost: {shown(', '.join(map(repr, stuck)))}\n")
        atexit.register(os._exit, 1)  # what is registered last is called first

    def _move(self, logger: logging.Logger) -> None:
        room: Room = Queue(MOST)
        handlers = list(logger.handlers)
        for handler in handlers:
            handler.handleError = unsaid  # type: ignore[method-assign, assignment]  # see `unsaid`
        moved = _Moved(logger, handlers, PatientQueueHandler(room), LogWorker(room, handlers))
        moved.log_worker.start()
        logger.handlers[:] = [moved.queued]
        self._moved.append(moved)
