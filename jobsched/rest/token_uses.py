"""Notes when each token was used last, and has the store keep that, at most once a minute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..loops import Alarm, FailureLog

APART: Final = 60.0  # seconds


class TokenUses(Service):
    """Takes the uses of tokens; `write` stores the last of each. The first use is stored at once, and what comes within
    a minute after that is stored together."""

    name = "token uses"
    log = Logger()

    def __init__(
        self, reactor: IReactorTime, now: Callable[[], datetime],
        write: Callable[[Mapping[str, datetime]], Deferred[None]],
    ) -> None:  # fmt: skip
        self._reactor = reactor
        self._now = now
        self._write = write
        self._uses: dict[str, datetime] = {}
        self._again = 0.0  # when the store may be asked again, by the reactor
        self._alarm = Alarm(reactor, self._store)
        self._under_way: Deferred[None] = succeed(None)
        self._failure_log = FailureLog(self.log, reactor)

    def note(self, fingerprint: str) -> None:
        """A token was used now."""
        self._uses[fingerprint] = self._now()
        if self.running:
            self._alarm.within(max(0.0, self._again - self._reactor.seconds()))

    def stopService(self) -> Deferred[None]:
        """Store what is left. Fires when that is done, or has failed."""
        super().stopService()
        self._alarm.cancel()
        return self._store() if self._uses else self._under_way

    def _store(self) -> Deferred[None]:
        uses, self._uses = self._uses, {}
        self._again = self._reactor.seconds() + APART

        def failed(why: Failure) -> None:
            self._uses = {**uses, **self._uses}
            self._failure_log.say("the last uses of tokens are not stored, trying again in a minute: {why}", why)
            if self.running:
                self._alarm.within(APART)

        self._under_way = self._write(uses).addCallbacks(lambda _: self._failure_log.settled(), failed)
        return self._under_way
