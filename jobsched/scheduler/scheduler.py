"""The calendar of this node: looks ahead, wakes up at each due, and asks the store what is owed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..clock import now
from ..model.ids import EPOCH, Ids
from ..model.run import Run
from ..store import claims
from ..store import jobs as job_rows
from ..store import runs as run_rows
from ..store.batch import Batch
from ..store.store import Store
from .ticker import Ticker

EVERY = 5.0  # seconds between sweeps
AHEAD = timedelta(seconds=10)  # how far a sweep looks
GAP = timedelta(seconds=15)  # without a sign of life for so long, this node could not run anything
MOST = 5_000  # jobs that are read at once
WAITING = ""  # stands among job ids for: whatever waits
POKED = 0.02  # seconds that pokes gather


@attrs.frozen(kw_only=True)
class Hands:
    """What the scheduler needs of the runner."""

    slots: Callable[[], int]
    start: Callable[[Iterable[Run]], None]
    replace: Callable[[Iterable[Run]], None]


class Scheduler(Service):
    """Claims what is due and hands it over. Its memory is the jobs that are due soon, not all jobs."""

    name = "scheduler"
    log = Logger()

    def __init__(self, clock: Any, store: Store, hands: Hands, ids: Ids, node: str, node_id: str) -> None:
        self._clock = clock
        self._store = store
        self._hands = hands
        self._ids = ids
        self._node = node
        self._node_id = node_id
        self._tickers: dict[str, Ticker] = {}
        self._aims: dict[str, tuple[datetime, timedelta | None]] = {}
        self._due: Batch[str] = Batch(clock, self._claim, keep=False, order=self._aimed_at)
        self._loop: LoopingCall | None = None
        self._poke: IDelayedCall | None = None
        self._looking = DeferredLock()
        self._sweeping: Deferred[None] = succeed(None)
        self._waiting = False
        self._able_since = now(clock)
        self._alive = self._able_since

    def startService(self) -> None:
        """Begin to sweep. Start this only when what an earlier daemon left behind has been dealt with."""
        super().startService()
        self._able_since = self._alive = now(self._clock)
        self._begin()

    def stopService(self) -> Deferred[None]:
        """No new runs; fires when the last claim is through and its runs are handed over."""
        super().stopService()
        if self._loop is not None and self._loop.running:
            self._loop.stop()
        if self._poke is not None and self._poke.active():
            self._poke.cancel()
        for ticker in self._tickers.values():
            ticker.stop()
        self._tickers.clear()
        return Deferred.fromCoroutine(self._settle())

    def poke(self, due: datetime | None = None) -> None:
        """A job was made or changed; `due` is when it is due next, if known. Looks at the store soon if it must."""
        if due is not None and due > now(self._clock) + AHEAD:
            return  # the sweep will come by in time
        if self.running and (self._poke is None or not self._poke.active()):
            self._poke = self._clock.callLater(POKED, self._sweep)

    def slots_free(self, again: bool = False) -> None:
        """Runs have ended: one that waits may start. `again`: some of them will be tried again."""
        if again:
            self.poke()
        if self.running and self._waiting:
            self._due.add(WAITING)

    def start_waiting(self) -> None:
        """A run was added that waits for nothing but to be started."""
        if self.running:
            self._due.add(WAITING)

    def clock_stepped(self) -> None:
        """Every timer was set by a clock that no longer holds: forget them and look again."""
        if not self.running:
            return
        if self._poke is not None and self._poke.active():
            self._poke.cancel()
        for ticker in self._tickers.values():
            ticker.stop()
        self._tickers.clear()
        self._begin()

    def _begin(self) -> None:
        """Sweep now and from now on; a loop that waits for a time of the old clock is given up."""
        if self._loop is not None and self._loop.running:
            self._loop.stop()
        self._loop = LoopingCall(self._sweep)
        self._loop.clock = self._clock
        self._loop.start(EVERY)

    def _sweep(self) -> Deferred[None]:
        """Look ahead, one look at a time: an older answer must not undo what a newer one armed."""
        if not self._looking.waiting:  # a look that waits for its turn will see whatever this one would
            self._sweeping = self._looking.run(self._look)
        return self._sweeping

    def _look(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._look_ahead()).addErrback(self._blind)

    async def _look_ahead(self) -> None:
        """Arm a ticker for each job that is due soon, and disarm those that no longer are."""
        horizon = self._sign_of_life() + AHEAD
        soon: set[str] = set()
        last: job_rows.Due | None = None
        while self.running:
            due = await self._store.read(job_rows.due_before, horizon, MOST, last)
            if not self.running:
                break
            soon.update(job.id for job in due)
            for job in due:
                self._arm(job.id, job.next_due, job.every)
            if len(due) < MOST:
                break
            last = due[-1]
        for job_id in self._tickers.keys() - soon:
            self._disarm(job_id)
        await self._look_at_waiting(horizon)

    async def _look_at_waiting(self, horizon: datetime) -> None:
        """Runs that wait: some may start now, the first of the others gets a ticker."""
        self._waiting, ripe = await self._store.read(run_rows.waiting, now(self._clock))
        if self.running and self._waiting:
            self._due.add(WAITING)
            if ripe is not None and ripe < horizon:
                self._arm(WAITING, ripe, None)

    async def _settle(self) -> None:
        await self._sweeping
        await self._due.settled()

    def _blind(self, why: Failure) -> None:
        self.log.error("the store could not be swept, trying again in {seconds} s: {why}",
                       seconds=EVERY, why=why.getErrorMessage())  # fmt: skip

    def _arm(self, job_id: str, due: datetime, every: timedelta | None) -> None:
        if job_id not in self._tickers:
            self._tickers[job_id] = Ticker(self._clock, lambda: self._due.add(job_id))
        self._aims[job_id] = due, every
        self._tickers[job_id].aim(due, every)

    def _disarm(self, job_id: str) -> None:
        ticker = self._tickers.pop(job_id, None)
        self._aims.pop(job_id, None)
        if ticker is not None:
            ticker.stop()

    def _aimed_at(self, job_id: str) -> datetime:
        """Earlier dues are claimed first; before all others, what is not known here any more."""
        return self._aims[job_id][0] if job_id in self._aims else EPOCH

    def _claim(self, job_ids: list[str]) -> Deferred[None]:
        return Deferred.fromCoroutine(self._decide(dict.fromkeys(job_id for job_id in job_ids if job_id != WAITING)))

    async def _decide(self, job_ids: dict[str, None]) -> None:
        who = claims.Claimant(
            node=self._node,
            node_id=self._node_id,
            now=self._sign_of_life(),
            able_since=self._able_since,
            slots=self._hands.slots(),
            ids=self._ids,
        )
        claimed = await self._store.write(claims.claim, who, list(job_ids))
        self._waiting = claimed.waiting
        self._hands.start(claimed.started)
        self._hands.replace(claimed.replaced)
        if not self.running:
            return
        horizon = now(self._clock) + AHEAD
        for job_id, due in claimed.dues:
            if due is None or due > horizon:
                self._disarm(job_id)
            elif job_id in self._tickers:
                self._arm(job_id, due, self._aims[job_id][1])
        for job_id in job_ids.keys() - dict(claimed.dues).keys():
            self._disarm(job_id)  # deleted, changed or decided elsewhere; the sweep knows better

    def _sign_of_life(self) -> datetime:
        """Now; and if it has been long since this was asked last, nobody here could run anything until now."""
        instant = now(self._clock)
        if instant - self._alive > GAP:
            self.log.warn("nothing could be scheduled here from {since} until {until}",
                          since=self._alive.isoformat(), until=instant.isoformat())  # fmt: skip
            self._able_since = instant
        self._able_since = min(self._able_since, instant)  # the clock was set back
        self._alive = instant
        return instant
