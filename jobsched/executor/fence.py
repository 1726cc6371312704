"""The time until which others believe that this node lives; past that, its runs may be started again elsewhere."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Fence:
    """Calls `end` when that time is over. The reactor counts elapsed seconds since this host was started, and so do
    all who tell of such a time."""

    def __init__(self, reactor: IReactorTime, end: Callable[[], object]) -> None:
        self._reactor = reactor
        self._end = end
        self._until: float | None = None  # None: there are no others
        self._ending: IDelayedCall | None = None

    @property
    def over(self) -> bool:
        """Whether nothing may run here now."""
        return self._until is not None and self._reactor.seconds() >= self._until

    def move(self, until: float | None) -> None:
        """A daemon tells what it knows."""
        self._until = until
        if self._ending is not None and self._ending.active():
            self._ending.cancel()
        if until is not None:
            self._ending = self._reactor.callLater(max(until - self._reactor.seconds(), 0.0), self._end)
