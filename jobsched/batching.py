"""Gathers items that come close together, so that they share one transaction."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from math import inf
from typing import Generic, TypeVar

import attrs
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from .loops import FailureLog
from .model.errors import Unavailable

T = TypeVar("T")

LONGEST = 60.0  # seconds between two tries of an item that the store refuses, at most


async def apart(items: Sequence[T], give: Callable[[list[T]], object], refused: Callable[[T, Failure], object]) -> None:
    """Hand all of `items` to `give` together. A refused group is split in halves, until the items that are refused
    alone are found: these go to `refused(item, why)`. All items are given in order.

    Raises Unavailable when the store cannot be used at all, for that says nothing about the items; also raises what
    `refused` raises. In both cases the remaining items are not given.
    """
    groups = deque([list(items)])
    while groups:
        group = groups.popleft()
        try:
            await maybeDeferred(give, group)
        except Unavailable:
            raise
        except Exception:
            if len(group) == 1:
                await maybeDeferred(refused, group[0], Failure())
            else:
                middle = len(group) // 2
                groups.extendleft((group[middle:], group[:middle]))


@attrs.define
class _Suspect(Generic[T]):
    """An item that was refused alone; it is tried again `pause` seconds later."""

    item: T
    pause: float


class Batch(Generic[T]):
    """Hands items to `give` together: all of one reactor turn, and all that come while a hand-over is under way.

    Only one hand-over is under way at a time, and `spacing` seconds at least lie between two, so batches grow under
    load. Items are sorted by `order`, if given, and at most `most` are given at once. `give` returns False if it did
    not try: that says nothing about the store.

    If `give` raises Unavailable, the items are dropped; with `keep` they are given again after a pause, together with
    newer ones. After any other exception `apart` finds the refused items, and the others are given without them:

    - Without `keep`, a refused item goes to `refused(item, why)` at once, which does what can be done instead.
    - With `keep`, the item is first tried once more, alone, after a pause: the fault may have been the store's. If
      `refused` then fails too, the item stays, and is tried again after longer and longer pauses.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        give: Callable[[list[T]], Deferred[bool] | Deferred[None]],
        refused: Callable[[T, Failure], object],
        *,
        keep: bool,
        order: Callable[[T], datetime] | None = None,
        most: int = 500,
        pause: float = 1.0,
        spacing: float = 0.0,
    ) -> None:
        self._clock = clock
        self._give = give
        self._refused = refused
        self._keep = keep
        self._order = order
        self._most = most
        self._pause = pause
        self._spacing = spacing
        self._not_before = -inf
        self._items: list[T] = []
        self._under_way: list[T] = []  # items of this hand-over that are not given yet
        self._said = False  # a refusal in this hand-over was logged
        self._suspects: list[_Suspect[T]] = []  # suspects whose pause is over
        self._resting: list[IDelayedCall] = []  # timers; each brings a suspect back after its pause
        self._call: IDelayedCall | None = None
        self._busy = False
        self._idle: list[Deferred[None]] = []
        self._failure_log = FailureLog(self.log, clock)

    def add(self, item: T) -> None:
        """Hand `item` over soon."""
        self._items.append(item)
        self._soon(0)

    def settled(self) -> Deferred[None]:
        """Fires when no item is left: none gathered, none under way, none in a pause."""
        waiter: Deferred[None] = Deferred(self._idle.remove)
        self._idle.append(waiter)
        self._tell_idle()
        return waiter

    def _soon(self, delay: float) -> None:
        if not (self._items or self._suspects) or self._busy:
            return
        if self._call is None:
            spacing = min(self._not_before - self._clock.seconds(), self._spacing)  # the clock may have been set back
            self._call = self._clock.callLater(max(delay, spacing), self._flush)

    def _flush(self) -> None:
        self._call = None
        self._busy = True
        handed_over = Deferred.fromCoroutine(self._hand_over())
        handed_over.addErrback(self._broken).addCallback(self._done)

    async def _hand_over(self) -> float:
        """Give the gathered items; returns the seconds to wait before the next hand-over."""
        if self._order is not None:
            self._items.sort(key=self._order)
        self._under_way, self._items = self._items[: self._most], self._items[self._most :]
        self._said = False
        try:
            await self._try_suspects()
            if self._under_way:
                await apart(self._under_way, self._give_some, self._found)
        except Unavailable:
            return self._unavailable(Failure())
        return 0.0

    async def _give_some(self, items: list[T]) -> None:
        try:
            tried = await self._give(items)
        except Unavailable:
            raise
        except Exception:
            if not self._said:
                self._say("were refused by the store; they are tried one by one", Failure(), len(items))
                self._said = True
            raise
        del self._under_way[: len(items)]
        if tried is not False:
            self._failure_log.settled()

    async def _found(self, item: T, why: Failure) -> None:
        """The store refused `item` alone too."""
        del self._under_way[0]
        if self._keep:
            self._rest(_Suspect(item, self._pause))
        else:
            with self.log.failuresHandled("a refused change could not be handled"):
                await maybeDeferred(self._refused, item, why)

    def _broken(self, why: Failure) -> float:
        """After a bug of ours in a hand-over, the items are handed over again."""
        self.log.failure("changes could not be handed over, trying again in {seconds} s", why, seconds=self._pause)
        self._items = self._under_way + self._items
        return self._pause

    def _unavailable(self, why: Failure) -> float:
        left, self._under_way = self._under_way, []
        if not self._keep:
            self._say("were not stored; the sweep will find them again", why, len(left))
            return 0.0
        self._say("were not stored; trying again", why, len(left) + len(self._suspects))
        self._items = left + self._items
        return self._pause

    async def _try_suspects(self) -> None:
        """Give each suspect alone. If the store still refuses one, `_set_aside` deals with it."""
        while self._suspects:
            suspect = self._suspects[0]
            await apart([suspect.item], self._give, partial(self._set_aside, suspect))
            self._suspects.remove(suspect)

    async def _set_aside(self, suspect: _Suspect[T], _item: T, why: Failure) -> None:
        try:
            await maybeDeferred(self._refused, suspect.item, why)
        except Unavailable:
            raise
        except Exception:
            self._say("are refused, and nothing can be stored in their place; trying again", Failure(), 1)
            self._rest(_Suspect(suspect.item, min(suspect.pause * 2, LONGEST)))

    def _rest(self, suspect: _Suspect[T]) -> None:
        def again() -> None:
            self._resting.remove(call)
            self._suspects.append(suspect)
            self._soon(0)

        call = self._clock.callLater(suspect.pause, again)
        self._resting.append(call)

    def _say(self, fate: str, why: Failure, count: int) -> None:
        reason = ": {why}" if why.check(Unavailable) else ""  # any other failure is logged with its traceback
        self._failure_log.say(f"{{count}} changes {{fate}}{reason}", why, count=count, fate=fate)

    def _done(self, delay: float) -> None:
        self._busy = False
        self._not_before = self._clock.seconds() + self._spacing
        self._soon(delay)
        self._tell_idle()

    def _tell_idle(self) -> None:
        if not (self._items or self._suspects or self._resting or self._busy):
            idle, self._idle = self._idle, []
            for waiter in idle:
                waiter.callback(None)
