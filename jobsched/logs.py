"""Where log lines go: `logging.cfg` decides, Twisted's own log included, and no slow handler holds up the reactor."""

from __future__ import annotations

import configparser
import logging
import logging.config
import sys
import threading
from contextlib import suppress
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path
from queue import Full, Queue

from twisted.application.service import Service
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent
from zope.interface import implementer

from .model.errors import BadConfig

MOST = 20_000  # records that wait for a slow handler

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


class PatientQueueHandler(QueueHandler):
    """Never waits in the main thread, which is the reactor's, nor in one that empties a queue; others wait for room."""

    def __init__(self, room: Queue[logging.LogRecord]) -> None:
        super().__init__(room)
        self._room = room
        self.dropped = 0

    def createLock(self) -> None:
        """The queue has its own; with one here, a thread that waits for room would keep the reactor waiting too."""
        self.lock = None

    def enqueue(self, record: logging.LogRecord) -> None:
        if threading.current_thread() is not threading.main_thread() and not hasattr(_telling, "listener"):
            self._room.put(record)
            return
        try:
            self._room.put_nowait(record)
        except Full:
            self.dropped += 1


_telling = threading.local()


class Teller(QueueListener):
    """Empties a queue into the handlers. What a handler itself may log meanwhile must not wait for room in a queue."""

    def handle(self, record: logging.LogRecord) -> None:
        _telling.listener = self
        super().handle(record)

    def enqueue_sentinel(self) -> None:
        """The end waits for its turn: what was logged before is out before."""
        self.queue.put(None)  # type: ignore[attr-defined]


def unsaid(_record: logging.LogRecord) -> None:
    """A handler failed, on a full disk perhaps. That goes to the real stderr: the log would only fail again."""
    with suppress(OSError, ValueError, AttributeError):
        sys.__stderr__.write(f"jobsched: a log line could not be written: {sys.exc_info()[1]}\n")  # type: ignore[union-attr]


class Behind(Service):
    """Puts every configured handler behind a queue and a thread of its own, until stopped."""

    name = "logs"

    def __init__(self) -> None:
        self._moved: list[tuple[logging.Logger, list[logging.Handler], PatientQueueHandler, QueueListener]] = []

    def startService(self) -> None:
        super().startService()
        names = list(logging.root.manager.loggerDict)
        for logger in [logging.root, *map(logging.getLogger, names)]:
            if logger.handlers:
                self._move(logger)

    def stopService(self) -> None:
        """What was logged so far is out when this returns; what follows goes straight to the handlers."""
        super().stopService()
        for logger, handlers, queued, listener in self._moved:
            logger.handlers[:] = handlers
            listener.stop()
            if queued.dropped:
                logger.warning("%d log lines were dropped: the handlers were too slow", queued.dropped)
        self._moved.clear()

    def _move(self, logger: logging.Logger) -> None:
        queue: Queue[logging.LogRecord] = Queue(MOST)
        handlers = list(logger.handlers)
        queued = PatientQueueHandler(queue)
        for handler in handlers:
            handler.handleError = unsaid  # type: ignore[method-assign, assignment]
        listener = Teller(queue, *handlers, respect_handler_level=True)
        listener.start()
        logger.handlers[:] = [queued]
        self._moved.append((logger, handlers, queued, listener))
