"""The calendar of this node: it looks ahead, wakes up at each due, and asks the store which runs are owed."""

from __future__ import annotations

from datetime import datetime, timedelta

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..batching import Batch
from ..clock import now
from ..events import Events
from ..loops import Alarm, Loop
from ..model.claim import Claimant
from ..model.errors import Unavailable
from ..model.ids import EPOCH, Ids
from ..model.job import Due
from ..store.contract.store import Store
from .after_downtime import AfterDowntime
from .availability import Availability
from .pauses import PauseEnds
from .peers import Peers, claim_delay
from .reconcile import Reconciler, RunnerPort
from .refill import Refill
from .sweeps import EVERY, Quarantine, SweepWatch
from .ticker import Tickers

AHEAD = timedelta(seconds=10)  # how far a sweep looks
MOST = 5_000  # jobs in one answer of the store
WAITING = ""  # stands among job ids for all runs that wait
RECONCILE = "?"  # stands among job ids for no job: the claim only reconciles
GATHER_WAKEUPS = 0.02  # seconds in which wake-ups gather for one look
HELD_UP = 0.1  # seconds until the next look at a run whose row another transaction held
AGAIN = 0.5  # seconds until a claim that failed is tried again


class Scheduler(Service):
    """Claims dues and hands their runs to the runner. It remembers only the jobs that are due soon."""

    name = "scheduler"
    log = Logger()

    def __init__(
        self, clock: IReactorTime, store: Store, runner_port: RunnerPort, ids: Ids, peers: Peers, events: Events
    ) -> None:
        self._clock = clock
        self._store = store
        self._runner = runner_port
        self._ids = ids
        self._peers = peers
        self._events = events
        self.tried = 0  # dues that this node tried to claim
        self.won = 0  # dues that this node decided
        self._reconciler = Reconciler(store, runner_port, peers)
        self.sweeps = SweepWatch(clock, events)
        self._no_claim_before = 0.0  # seconds; after a failure the store is left alone until then
        self._due: Batch[str] = Batch(clock, self._claim, self._cannot, keep=False, order=self._aimed_at)
        self._tickers = Tickers(clock, self._due.add)
        self._loop = Loop(clock, EVERY, self._sweep_and_make_sure, "the sweep")
        self._wake_up = Alarm(clock, self._sweep)
        self._looking = DeferredLock()
        self._sweeping: Deferred[None] = succeed(None)
        self._refill = Refill(clock, runner_port, self.start_waiting)
        self._availability = Availability(clock, peers)
        self._after_downtime = AfterDowntime(clock, store, peers, self._availability)
        self._refused = Quarantine(clock)
        self._pause_ends = PauseEnds(clock, store, ids, peers, self._sweep)

    def startService(self) -> None:
        """Begin to sweep. Start this only after the recovery of the runs that an earlier daemon left behind."""
        super().startService()
        self._availability.begin()
        self._loop.start()

    def stopService(self) -> Deferred[None]:
        """Start no new runs; fires when the last claim is over and its runs are handed over."""
        super().stopService()
        self._loop.stop()
        self._forget_timers()
        return Deferred.fromCoroutine(self._settle())

    def wake(self, due: datetime | None = None) -> None:
        """A job was made or changed; `due`: its next due, if that is known. Looks at the store soon, if it must."""
        if due is not None and due > now(self._clock) + AHEAD:
            return  # a sweep finds the job in time
        self._look_again_in(GATHER_WAKEUPS)

    def _look_again_in(self, seconds: float) -> None:
        if self.running:
            self._wake_up.within(seconds)

    def slots_free(self, again: bool = False) -> None:
        """Runs have ended: a waiting run may start. `again`: some of the ended runs will be tried again."""
        if again:
            self.wake()
        if self.running:
            self._refill.look()

    def slot_free(self) -> None:
        """A run is over; the store may not know yet."""
        if self.running:
            self._refill.look(stored=False)

    def start_waiting(self) -> None:
        """A run was added that can start at once."""
        if self.running:
            self._due.add(WAITING)

    def clock_stepped(self) -> None:
        """The wall clock was stepped: forget all timers, which were set by the old time, and look again."""
        if self.running:
            self._forget_timers()
            self._loop.start()

    def _forget_timers(self) -> None:
        self._wake_up.cancel()
        self._refill.cancel()
        self._pause_ends.cancel()
        self._tickers.disarm_all()

    def _sweep_and_make_sure(self) -> Deferred[None]:
        """Sweep and reconcile: the answer to a claim may be lost, and its commit come after the last reconciling."""
        if not self._peers.alone:
            self._reconciler.look_again()
        return self._sweep()

    def _sweep(self) -> Deferred[None]:
        """Look ahead, one look at a time: an older answer must not disarm the tickers that a newer answer armed."""
        if not self._looking.waiting:  # a look that waits for its turn will see the same rows
            self._sweeping = self._looking.run(self._look)
        return self._sweeping

    def _look(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self.sweeps.watch(self._look_ahead()))

    async def _look_ahead(self) -> None:
        """Arm a ticker for each job that is due soon, and disarm the tickers of all other jobs."""
        horizon = self._availability.look() + AHEAD
        await self._pause_ends.look(horizon)
        soon: set[str] = set()
        last: Due | None = None
        while self.running:
            due = await self._store.jobs.due_before(horizon, MOST, last, now(self._clock))
            if not self.running:
                break
            soon.update(job.id for job in due)
            for job in due:
                self._arm(job)
            if len(due) < MOST:
                break
            last = due[-1]
        await self._no_longer_due(self._tickers.disarm_others(soon, horizon))
        self._refused.forget_old()
        await self._look_at_waiting(horizon)

    async def _look_at_waiting(self, horizon: datetime) -> None:
        """Look at the waiting runs: some may start now, and the first of the others gets a ticker."""
        waits, ripe = await self._store.claims.waiting(now(self._clock))
        self._refill.found(waiting=waits)
        if self.running and self._reconciler.needed:
            self._due.add(RECONCILE)
        if self.running and waits:
            self._due.add(WAITING)
            if ripe is not None and ripe < horizon:
                self._tickers.aim(WAITING, ripe)
        if self.running and await self._after_downtime.look():
            self._look_again_in(AGAIN)

    async def _settle(self) -> None:
        await self._sweeping
        await self._due.settled()

    def _arm(self, due: Due) -> None:
        """Wake up when it is this node's turn to claim the due."""
        wait = claim_delay(self._peers, due)
        if wait is None or due.id in self._refused:
            self._tickers.disarm(due.id)
        else:
            self._tickers.arm(due, wait)

    def _aimed_at(self, job_id: str) -> datetime:
        """The order of claims: earlier dues first; jobs without a ticker come before all of them."""
        due = self._tickers.due(job_id)
        return EPOCH if due is None else due.next_due

    def _claim(self, job_ids: list[str]) -> Deferred[bool]:
        wanted = dict.fromkeys(job_ids)
        waiting = wanted.pop(WAITING, self) is None
        wanted.pop(RECONCILE, None)
        return Deferred.fromCoroutine(self._claimed(list(wanted), waiting))

    async def _claimed(self, job_ids: list[str], waiting: bool) -> bool:
        """Claim the dues of these jobs, and the waiting runs if `waiting`. False: nothing was tried.

        Even if the claim fails, this node finds out later which runs it is to execute.
        """
        if not self._peers.holds():
            return False
        if 0 < self._no_claim_before - self._clock.seconds() <= AGAIN:
            self._look_again_in(AGAIN)
            return False
        try:
            await self._reconciler.settle()
            still_due = await self._still_due(job_ids)
            waiting = waiting and self._runner.slots() > 0  # else it is asked again when there are some
            if (still_due or waiting) and self._peers.holds():
                await self._decide(still_due)
        except Exception as why:
            self._reconciler.look_again()
            if isinstance(why, Unavailable):
                self._no_claim_before = self._clock.seconds() + AGAIN
                self._look_again_in(AGAIN)
            raise
        return True

    def _cannot(self, job_id: str, why: Failure) -> None:
        """A claim of one job alone failed. Another node may succeed."""
        if job_id in (WAITING, RECONCILE):
            self.log.failure("waiting runs cannot be started, trying again in {seconds} s", why, seconds=EVERY)
            return
        self._tickers.disarm(job_id)
        pause = self._refused.add(job_id)
        self.log.failure("the dues of job {job} cannot be decided, trying again in {seconds:g} s", why,
                         job=job_id, seconds=pause)  # fmt: skip
        self._look_again_in(pause)

    async def _still_due(self, job_ids: list[str]) -> list[str]:
        """The jobs whose due no other node has decided; the tickers of the others are aimed anew."""
        decided = await self._no_longer_due([job_id for job_id in job_ids if self._tickers.wait(job_id)])
        return [job_id for job_id in job_ids if job_id not in decided]

    async def _no_longer_due(self, job_ids: list[str]) -> set[str]:
        """The jobs whose due was decided or changed since. Their tickers are aimed anew if the jobs are due again."""
        if not job_ids:
            return set()
        found = {due.id: due for due in await self._store.jobs.dues_of(job_ids)}
        instant = now(self._clock)
        decided = {job_id for job_id in job_ids if job_id not in found or found[job_id].next_due > instant}
        for job_id in decided:
            if job_id in found and self.running:
                self._rearm(found[job_id])
            else:
                self._tickers.disarm(job_id)
        return decided

    async def _decide(self, job_ids: list[str]) -> None:
        asked = self._clock.seconds()
        who = self._claimant()
        claimed = await self._store.claims.claim(who, job_ids)
        if claimed.now is not None:
            self._events.database_time(claimed.now, asked)
        self._refill.claimed(waiting=claimed.waiting, full=len(claimed.started) >= who.slots)
        if claimed.held_up:
            self._look_again_in(HELD_UP)
        self.tried += len(job_ids)
        self.won += claimed.won
        if not self._peers.holds() or self._peers.node.id != who.node_id:
            self._reconciler.look_again()  # the runs are lost with this node, or start once it is known to live
            return
        self._runner.start(claimed.started)
        self._runner.replace(claimed.replaced)
        if not self.running:
            return
        self.slot_free()  # some may have ended meanwhile
        dues = dict(claimed.dues)
        for job_id, due in dues.items():
            before = self._tickers.due(job_id)
            if due is None or before is None:
                self._tickers.disarm(job_id)
            else:
                self._rearm(attrs.evolve(before, next_due=due))
        for job_id in set(job_ids) - dues.keys():
            self._tickers.disarm(job_id)  # deleted, changed or decided elsewhere: the next sweep arms them if need be

    def _rearm(self, due: Due) -> None:
        """Go on with a job's next due. A due beyond the horizon is left to the sweep, unless a loop goes on to it."""
        horizon = now(self._clock) + AHEAD
        if due.next_due > horizon and not self._tickers.keep(due, horizon):
            self._tickers.disarm(due.id)
        elif due.id in self._tickers:
            self._arm(due)

    def _claimant(self) -> Claimant:
        node, instant = self._peers.node, self._availability.look()
        return Claimant(
            node=node.name,
            node_id=node.id,
            now=instant,
            able_since=self._availability.since,
            slots=self._runner.slots(),
            ids=self._ids,
            peers=tuple(self._peers.alive),
            alone=self._peers.alone,
            downtimes=self._availability.downtimes,
        )
