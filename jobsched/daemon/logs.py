"""Where log lines go: `logging.cfg` decides, Twisted's own log included, and no slow handler holds up the reactor."""

from __future__ import annotations

import atexit
import configparser
import json
import logging
import logging.config
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from queue import Queue
from select import select

import attrs
from twisted.application.service import Service
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent
from zope.interface import implementer

from ..clock import elapsed
from ..model.errors import BadConfig
from ..model.printable import shown
from .log_worker import LogWorker, PatientQueueHandler, Room, unsaid

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
        text = _words(event)
        failure = event.get("log_failure")
        if failure is not None:
            text = f"{text}\n{failure.getTraceback()}" if text else failure.getTraceback()
        logger.handle(logger.makeRecord(logger.name, level, "", 0, text, (), None))  # nobody asks for the line of code


def _words(event: LogEvent) -> str:
    """As `formatEvent`, which looks at each name for a call: in a tenth of its time where there is none."""
    words = event.get("log_format")
    if isinstance(words, str) and "(" not in words and "log_flattened" not in event:
        with suppress(Exception):  # then Twisted says what is wrong with it
            return words.format_map(event)
    return formatEvent(event)


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
