"""Gathering what happens close together, so that it shares one transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..model.complaint import Complaint
from ..model.errors import Unavailable, told

T = TypeVar("T")


class Batch(Generic[T]):
    """Hands all items of one reactor turn, and all that come while a hand-over is under way, to `give` together.

    There is never more than one hand-over at a time: under load batches grow by themselves. They go out in `order`, if
    given, `most` at once. When `give` fails and `keep` is set, its items go in again, with what came since, after a
    pause; else they are dropped. `give` tells False where it did not try, which says nothing of the store.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        give: Callable[[list[T]], Deferred[Any]],
        *,
        keep: bool,
        order: Callable[[T], Any] | None = None,
        most: int = 500,
        pause: float = 1.0,
    ) -> None:
        self._clock = clock
        self._give = give
        self._keep = keep
        self._order = order
        self._most = most
        self._pause = pause
        self._items: list[T] = []
        self._call: IDelayedCall | None = None
        self._busy = False
        self._idle: list[Deferred[None]] = []
        self._complaint = Complaint()

    def add(self, item: T) -> None:
        """Hand `item` over soon."""
        self._items.append(item)
        self._soon(0)

    def nudge(self) -> None:
        """The wall clock was stepped: a pause that ends by the old one is over."""
        self._soon(0)

    def settled(self) -> Deferred[None]:
        """Fires when nothing is gathered and nothing is under way."""
        waiter: Deferred[None] = Deferred()
        self._idle.append(waiter)
        self._tell_idle()
        return waiter

    def _soon(self, delay: float) -> None:
        if not self._items or self._busy:
            return
        if self._call is None:
            self._call = self._clock.callLater(delay, self._flush)
        elif self._call.getTime() > self._clock.seconds() + self._pause:  # the wall clock was set back
            self._call.reset(delay)

    def _flush(self) -> None:
        self._call = None
        self._busy = True
        if self._order is not None:
            self._items.sort(key=self._order)
        items, self._items = self._items[: self._most], self._items[self._most :]
        given = maybeDeferred(self._give, items)
        given.addCallback(lambda tried: None if tried is False else self._complaint.settled())
        given.addCallbacks(lambda _: self._done(0), lambda why: self._done(self._failed(why, items)))

    def _failed(self, why: Failure, items: list[T]) -> float:
        """How long to wait before the next try, in seconds."""
        if not self._keep:
            self._say("were not stored; the sweep will find them again", why, len(items))
            return 0.0
        self._say("were not stored; trying again", why, len(items))
        self._items = items + self._items
        return self._pause

    def _say(self, fate: str, why: Failure, count: int) -> None:
        words = why.getErrorMessage()
        if why.check(Unavailable):
            if not told(why.value) and self._complaint.worth_saying(words, self._clock.seconds()):
                self.log.error("{count} changes {fate}: {why}", count=count, fate=fate, why=words)
        else:
            self.log.failure("{count} changes {fate}", why, count=count, fate=fate)

    def _done(self, delay: float) -> None:
        self._busy = False
        self._soon(delay)
        self._tell_idle()

    def _tell_idle(self) -> None:
        if not self._items and not self._busy:
            idle, self._idle = self._idle, []
            for waiter in idle:
                waiter.callback(None)
