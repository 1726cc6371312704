"""A daemon whose store is its own: the one node there is.

It says in the store that it lives, so that the next one knows since when none ran: with other changes, where there are
any, at most once a second; an idle daemon writes now and then for this alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import attrs
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..clock import elapsed, now
from ..loops import Loop
from ..model.downtime import NO_DAEMON, Downtime
from ..model.log_throttle import LogThrottle
from ..model.membership import Heartbeat
from ..model.node import Node
from ..store.contract.store import Store
from ..store.sign_of_life import SignOfLife

IDLE = 30.0  # seconds between signs of life when nothing else is written


class Alone(Service):
    """Stands where `Membership` does when there is nobody else. `entered` fires when the last sign of life of the
    daemon before this one is known, as far as it can be."""

    name = "alone"
    alone = True
    until: float | None = None  # as that of a member: there are no others
    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        store: Store,
        node: Node,
        heartbeat: Callable[[], Heartbeat],
        sign: SignOfLife,
        elapsed: Callable[[], float] = elapsed,
    ) -> None:
        self._clock = clock
        self._store = store
        self._node = node
        self._heartbeat = heartbeat
        self._sign = sign
        self._elapsed = elapsed
        self.entered: Deferred[None] = succeed(None)
        self.last_sign: datetime | None = None  # of the daemons before this one
        self.downtime: Downtime | None = None  # since then, until this one began
        self._loop = Loop(clock, IDLE, self._give, "the sign of life")
        self._giving: Deferred[None] = succeed(None)
        self._log_throttle = LogThrottle()

    @property
    def node(self) -> Node:
        """This node as it is now."""
        heartbeat = attrs.asdict(self._heartbeat(), recurse=False, filter=attrs.filters.exclude("id"))
        return attrs.evolve(self._node, seen=now(self._clock), **heartbeat)

    @property
    def node_id(self) -> str:
        """Its id, at less cost."""
        return self._node.id

    @property
    def alive(self) -> Sequence[Node]:
        """Itself."""
        return (self.node,)

    def tells(self) -> bool:
        """Whether this service itself reports an unreachable store, so that others need not. It never does."""
        return False

    def holds(self) -> bool:
        """Always true: no other node can take this one for dead."""
        return True

    async def hand_over(self, seconds: float) -> None:
        """Nobody waits for the daemon that comes after this one, and nobody has to."""

    def startService(self) -> None:
        super().startService()
        self.entered = Deferred.fromCoroutine(self._begin())

    def stopService(self) -> Deferred[None]:
        """Fires when the store knows that nothing runs from now on, if it can be told."""
        super().stopService()
        self._loop.stop()
        self._sign.end()
        return Deferred.fromCoroutine(self._end())

    async def _begin(self) -> None:
        node = attrs.evolve(self._node, since=now(self._clock), seen=now(self._clock))
        try:
            last = await self._store.signs.begin(node)
        except CancelledError:  # it ends before it could begin
            raise
        except Exception:  # what else there is to say of the store, others say
            self._unwritten(Failure())
        else:
            if last is not None:
                self.last_sign = last
                if last < node.seen:
                    self.downtime = Downtime(last, node.seen, NO_DAEMON)
            self._sign.begin(node.id)
        if self.running:
            self._loop.start(now=False)

    def _give(self) -> Deferred[None]:
        """Write a sign of life, unless another change has carried one lately."""
        if self._sign.age >= IDLE / 2 and self._giving.called:
            self._giving = self._store.signs.give().addCallbacks(self._written, self._unwritten)
        return self._giving

    async def _end(self) -> None:
        await self._giving
        try:
            await self._store.signs.end(self._node.id, now(self._clock))
        except Exception:
            self._unwritten(Failure())

    def _written(self, _: None) -> None:
        self._log_throttle.settled()

    def _unwritten(self, why: Failure) -> None:
        if self._log_throttle.should_log(words := why.getErrorMessage(), self._elapsed()):
            self.log.warn("no sign of life could be stored, so the next daemon will not know how long there was none:"
                          " {why}", why=words)  # fmt: skip
