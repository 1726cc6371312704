"""The one way to a database, whichever: a synchronous function, run in a transaction, in a thread, as a Deferred."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Concatenate, Generic, ParamSpec, TypeVar

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..clock import elapsed
from ..events import Events
from ..model.errors import Unavailable
from ..reactor_types import WithTimers
from ..threads import Pool
from .telling import Telling

P = ParamSpec("P")
T = TypeVar("T")
X = TypeVar("X", bound=Telling)


class Asking(Service, Generic[X]):
    """Runs questions and changes in threads, and tells afterwards what they did. A kind of database says how a
    transaction is made, and which failures are its own (`failures`).

    `readers` and `writers` are the threads; `tells()`, called in the reactor, says whether the log already says that
    the store cannot be reached.
    """

    name = "store"
    log = Logger()
    failures: ClassVar[tuple[type[Exception], ...]]

    def __init__(
        self, reactor: WithTimers, readers: Pool, writers: Pool, events: Events | None, tells: Callable[[], bool]
    ) -> None:
        self._reactor = reactor
        self._readers = readers
        self._writers = writers
        self._events = events or Events()
        self._tells = tells

    def startService(self) -> None:
        super().startService()
        self._readers.start()
        self._writers.start()

    def stopService(self) -> Deferred[None]:
        """Fires when every question and change under way has been answered and nothing is open any more."""
        super().stopService()
        self._writers.refuse()
        return self._readers.end(self._reactor, self._close)

    def _close(self) -> None:
        """Runs outside the reactor: what is under way may take long, and its answer needs the reactor."""
        self._writers.stop()
        self._disconnect()

    def read(self, question: Callable[Concatenate[X, P], T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Ask `question(transaction, ...)` in one consistent view of the store."""
        return self._ask(self._readers, False, question, *args, **kwargs)

    def write(self, change: Callable[Concatenate[X, P], T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Make `change(transaction, ...)`. The Deferred fires after the commit is on disk.

        Fails with `Unavailable` when the database cannot be reached or written. Then nothing was changed, unless the
        words of the failure say that this is not known, because the connection broke after the commit was asked for.
        `change` may be called more than once, after the database undid what it did: it must have no other effect.
        """
        return self._ask(self._writers, True, change, *args, **kwargs)

    def _disconnect(self) -> None:
        """Close all connections."""
        raise NotImplementedError

    def _insist(self, writes: bool, work: Callable[[X], T]) -> T:
        """`work` in a transaction. It is done again, a few times, when it was undone by no fault of ours."""
        raise NotImplementedError

    def _ask(
        self,
        pool: Pool,
        writes: bool,
        function: Callable[Concatenate[X, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Deferred[T]:
        def work(transaction: X) -> T:
            return function(transaction, *args, **kwargs)

        asked: Deferred[T] = deferToThreadPool(self._reactor, pool, self._timed, writes, elapsed(), work)
        return asked.addErrback(self._failed)

    def _failed(self, why: Failure) -> Failure:
        if isinstance(why.value, Unavailable) and why.value.unreachable:
            why.value.logged = self._tells()
        return why

    def _timed(self, writes: bool, begun: float, work: Callable[[X], T]) -> T:
        """Tell how long the work took since it was asked for, and what kind of trouble there was with the database."""
        fault, why = None, ""
        try:
            return self._insist(writes, work)
        except Unavailable as failed:
            fault, why = "unavailable", str(failed)
            raise
        except self.failures:
            fault = "fault"
            raise
        finally:
            self._events.store_asked(writes, elapsed() - begun, fault, why)

    def _tell(self, transaction: Telling) -> None:
        """Tell what was committed."""
        with self.log.failuresHandled("a change was stored, and not told at once"):  # or it would be made again
            if transaction.ended:
                self._events.runs_ended(transaction.ended)
            if transaction.notified:
                self._reactor.callFromThread(self._events.notification_stored)
