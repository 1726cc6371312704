"""The one way to the database: a synchronous function, in a transaction, in a thread, as a Deferred."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from ..model.errors import Unavailable
from .engine import connect

P = ParamSpec("P")
T = TypeVar("T")

READERS = 4


class Store(Service):
    """Runs questions and changes against one database.

    On SQLite there is one thread that writes, so that writers queue here and never meet inside the database.
    `pool` makes the pools of threads, from the least and the most threads and a name.
    """

    name = "store"

    def __init__(
        self, reactor: IReactorThreads, url: str, pool: Callable[[int, int, str], ThreadPool] = ThreadPool
    ) -> None:
        self._reactor = reactor
        self._engine: Engine = connect(url)
        writers = 1 if self._engine.dialect.name == "sqlite" else READERS
        self._readers = pool(0, READERS, "store-read")
        self._writers = pool(0, writers, "store-write")

    @property
    def dialect(self) -> str:
        """The database's kind: sqlite, postgresql or mysql."""
        return self._engine.dialect.name

    def startService(self) -> None:
        super().startService()
        self._readers.start()
        self._writers.start()

    def stopService(self) -> Deferred[None]:
        """Fires when every question and change under way has been answered and the files are closed."""
        super().stopService()
        stopped: Deferred[None] = maybeDeferred(self._close)
        return stopped

    def _close(self) -> None:
        self._readers.stop()
        self._writers.stop()
        self._engine.dispose()

    def read(self, question: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Ask `question(connection, ...)` in one consistent view of the store."""
        return self._ask(self._readers, False, question, *args, **kwargs)

    def write(self, change: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Make `change(connection, ...)`; the Deferred fires after the commit is on disk.

        Fails with `Unavailable` when the database cannot be reached or written; then nothing was changed.
        """
        return self._ask(self._writers, True, change, *args, **kwargs)

    def _ask(
        self,
        pool: ThreadPool,
        writes: bool,
        function: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Deferred[T]:
        def in_thread() -> T:
            try:
                with self._engine.connect().execution_options(writes=writes) as connection, connection.begin():
                    return function(connection, *args, **kwargs)
            except (OperationalError, PoolTimeout) as why:
                raise Unavailable(f"the store cannot be used now: {_words(why)}") from why

        return deferToThreadPool(self._reactor, pool, in_thread)


def _words(why: Exception) -> str:
    return str(why.orig) if isinstance(why, DBAPIError) else str(why)
