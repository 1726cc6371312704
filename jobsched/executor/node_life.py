"""What executors know of the life of their node: what its daemon is told, and until when others believe in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime


@attrs.frozen(kw_only=True)
class NodeLife:
    """How executors ask their daemon about it."""

    patience: float  # seconds that an executor may be silent
    until: Callable[[], float | None]  # others believe that this node lives; elapsed seconds, None: there are no others
    leaves: Callable[[], bool]  # whether the end of the daemon leaves runs to executors
    hand_over: Callable[[], Awaitable[None]]  # have others wait for the daemon that comes after this one


class Fence:
    """The time until which others believe that this node lives; past that, its runs may be started again elsewhere.
    Calls `end` when it is over. The reactor counts elapsed seconds since this host was started, and so do all that tell
    of such a time."""

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
