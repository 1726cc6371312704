"""One question to the store, however many want to know: its last answer, and whether the store answers at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..clock import elapsed
from ..model.errors import Unavailable

T = TypeVar("T")


class CachedProbe(Generic[T]):
    """Asks at most once in `fresh` seconds, never twice at once, and lets nobody wait longer than `patience` seconds.

    So those who watch a store that hangs take one of its threads, not all of them.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        ask: Callable[[], Deferred[T]],
        *,
        fresh: float,
        patience: float,
        elapsed: Callable[[], float] = elapsed,
    ) -> None:
        self._clock = clock
        self._ask = ask
        self._fresh = fresh
        self._patience = patience
        self._elapsed = elapsed
        self._asked: float | None = None  # elapsed time when it was asked last
        self._under_way = False
        self._why = "it was not asked yet"
        self._waiters: list[Deferred[None]] = []
        self.answer: T | None = None  # the last that came, be it old

    def look(self) -> Deferred[None]:
        """Fires when what is known is fresh, or when patience ends."""
        if not self._under_way and self._age() >= self._fresh:
            self._begin()
        left = self._patience - self._age()
        if not self._under_way or left <= 0:
            return succeed(None)
        waiter: Deferred[None] = Deferred()
        self._waiters.append(waiter)
        return waiter.addTimeout(left, self._clock, lambda _given_up, _seconds: None)

    @property
    def trouble(self) -> str | None:
        """Why there is no answer as it stands, in words; None: there is one."""
        if self._under_way and self._age() >= self._patience:
            return f"no answer came in {self._patience:g} s"
        return self._why or None

    def _age(self) -> float:
        """Seconds since the question was asked."""
        return float("inf") if self._asked is None else self._elapsed() - self._asked

    def _begin(self) -> None:
        self._asked = self._elapsed()
        self._under_way = True
        self._ask().addCallbacks(self._answered, self._failed).addErrback(self._broken).addBoth(self._done)

    def _answered(self, answer: T) -> None:
        self.answer, self._why = answer, ""

    def _failed(self, why: Failure) -> None:
        self._why = why.getErrorMessage()
        why.trap(Unavailable)

    def _broken(self, why: Failure) -> None:
        self.log.failure("the state of the store could not be found out", why)

    def _done(self, _: None) -> None:
        self._under_way = False
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.callback(None)
