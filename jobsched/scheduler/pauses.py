"""Pauses that end by themselves: carried out at their instant, by whichever node is there first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..clock import now
from ..loops import Alarm, FailureLog
from ..model.errors import Unavailable
from ..model.ids import Ids
from ..store.contract.store import Store
from .peers import Peers
from .sweeps import EVERY

MOST = 500  # pauses that end in one change
AFTER = 0.001  # seconds: the alarm must not ring the moment before
ANEW = 0.02  # seconds until it is looked again, where it is not over yet by the clock of the database


class PauseEnds:
    """Part of each sweep, which comes at `ring` too: what is due at the end of a pause is claimed by the same look."""

    log = Logger()

    def __init__(self, clock: IReactorTime, store: Store, ids: Ids, peers: Peers, ring: Callable[[], object]) -> None:
        self._clock = clock
        self._store = store
        self._ids = ids
        self._peers = peers
        self._alarm = Alarm(clock, ring)
        self._failure_log = FailureLog(self.log, clock)

    async def look(self, horizon: datetime) -> None:
        """End those that are over; have another sweep come when the next one ends, if that is before `horizon`. Fails
        only as the sweep would: a pause that cannot be ended keeps no other job from being run."""
        try:
            following = await self._end_those_over()
        except Unavailable:
            raise
        except Exception:
            self._failure_log.say("pauses that are over could not be ended, trying again in {seconds:g} s: {why}",
                                  Failure(), seconds=EVERY)  # fmt: skip
            return
        self._failure_log.settled()
        if following is not None and following < horizon:
            left = (following - now(self._clock)).total_seconds()
            self._alarm.within(left + AFTER if left > 0 else ANEW)

    def cancel(self) -> None:
        """No alarm."""
        self._alarm.cancel()

    async def _end_those_over(self) -> datetime | None:
        """When the next one ends, or one that is not over yet by the clock of the database."""
        while True:
            instant = now(self._clock)
            following = await self._store.jobs.next_pause_end(instant)
            if following is None or following > instant:
                return following
            if not await self._store.jobs.end_pauses(instant, MOST, self._ids, self._peers.node.id):
                return following
