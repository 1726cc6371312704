"""What other nodes changed, heard of soon: this node looks when they tell of it, or often where none can tell."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from ..events import Events
from ..loops import Alarm, Loop
from ..reactor_types import TimeAndThreads
from ..store.contract.store import Listener, Store
from ..store.opening import listener as open_listener

EVERY = 0.5  # seconds between looks where the database cannot tell
GATHER = 0.02  # seconds from one call to the next, at least


class Wakeup(Service):
    """Tells whenever another node may have changed something; never on SQLite, which has one node. `tells()`
    says whether the log has it already that the store cannot be reached."""

    name = "wakeup"
    log = Logger()

    def __init__(
        self,
        reactor: TimeAndThreads,
        store: Store,
        url: str,
        node_id: Callable[[], str],
        events: Events,
        tells: Callable[[], bool],
        listener: Callable[..., Listener] = open_listener,
    ) -> None:
        self._reactor = reactor
        self._store = store
        self._url = url
        self._node_id = node_id
        self._events = events
        self._tells = tells
        self._make = listener
        self._listener: Listener | None = None
        self._loop = Loop(reactor, EVERY, self._tell, "the look for news")
        self._soon = Alarm(reactor, self._tell)
        self._quiet_until = 0.0
        self._deaf = False
        self._gone: Deferred[None] = Deferred()

    def startService(self) -> None:
        super().startService()
        if self._store.notifies:
            told, cut, left = (
                partial(self._reactor.callFromThread, call) for call in (self._told, self._cut, self._left)
            )
            self._listener = self._make(self._url, self._node_id, told, cut, left)
            self._listener.start()
        elif self._store.shared:
            self._loop.start(now=False)

    def stopService(self) -> Deferred[None] | None:
        """Nothing is heard any more; fires when the listener's thread has ended."""
        super().stopService()
        self._soon.cancel()
        self._loop.stop()
        if self._listener is None:
            return None
        self._listener.stop()
        return self._gone

    def renew(self) -> None:
        """Listen on a new connection: the server of this one takes no changes any more."""
        if self._listener is not None and self.running:
            self._listener.renew()

    def _told(self) -> None:
        """Another node has news. The first is passed on at once; news that follow closely are passed on together."""
        if self._deaf:
            self._deaf = False
            self.log.info("news comes in from other nodes again")
        if self.running:
            self._soon.within(min(max(self._quiet_until - self._reactor.seconds(), 0), GATHER))

    def _cut(self, why: str) -> None:
        if self.running and not self._deaf and not self._tells():
            self._deaf = True
            self.log.warn("no news comes in from other nodes: {why}", why=why)

    def _left(self) -> None:
        assert self._listener is not None
        self._listener.join(1)
        self._gone.callback(None)

    def _tell(self) -> None:
        self._quiet_until = self._reactor.seconds() + GATHER
        with self.log.failuresHandled("news from another node could not be passed on"):
            self._events.others_changed()
