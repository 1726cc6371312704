"""Watches for dues that do not start and for jobs that do not succeed, and for the recovery of such jobs."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..batching import apart
from ..clock import now
from ..loops import FailureLog, Loop
from ..model.overdue import OverdueChange
from ..store.contract.store import Store
from .peers import Peers
from .sweeps import Quarantine

EVERY = 5.0  # seconds between looks
PAGE = 2_000  # jobs in one answer
MOST = 100  # jobs in one change


class OverdueWatch(Service):
    """Looks at the watched jobs and at the failing jobs. Each node looks; each finding is stored once.

    Start the watch with the scheduler: nothing claims dues before. The first look comes after the claims of the dues
    that a daemon finds at its start.
    """

    name = "overdue watch"
    log = Logger()

    def __init__(self, clock: IReactorTime, store: Store, peers: Peers) -> None:
        self._clock = clock
        self._store = store
        self._peers = peers
        self._failure_log = FailureLog(self.log, clock)
        self._refused = Quarantine(clock)
        self._loop = Loop(clock, EVERY, self._look, "the look for what is overdue")
        self._looking: Deferred[None] = succeed(None)

    def startService(self) -> None:
        super().startService()
        self._loop.start(now=False)

    def stopService(self) -> Deferred[None]:
        """Fires when the look under way is over."""
        super().stopService()
        self._loop.stop()
        return self._looking

    def _look(self) -> Deferred[None]:
        self._looking = Deferred.fromCoroutine(self.look()).addErrback(self._blind)
        return self._looking

    async def look(self) -> None:
        """Take one look at all watched and all failing jobs."""
        for question in (self._watched, self._recovered):
            found = [""] * PAGE
            while len(found) == PAGE and self._may_look():
                found = await question()
                if not await self._settle(found):
                    break  # other nodes have stored these findings; the rest is for the next look
        self._failure_log.settled()

    def _watched(self) -> Deferred[list[str]]:
        return self._store.overdue.watched(PAGE, now(self._clock))

    def _recovered(self) -> Deferred[list[str]]:
        return self._store.overdue.recovered(PAGE, now(self._clock))

    async def _settle(self, found: Sequence[str]) -> bool:
        """Store what became of the jobs `found`. Returns whether anything changed."""
        changes: list[OverdueChange] = []

        async def settle(job_ids: list[str]) -> None:
            some = await self._store.overdue.settle(job_ids, now(self._clock))
            changes.extend(some)
            for change in some:
                self._say(change)

        self._refused.forget_old()
        sound = [job_id for job_id in found if job_id not in self._refused]
        for begin in range(0, len(sound), MOST):
            if not self._may_look():
                break
            await apart(sound[begin : begin + MOST], settle, self._cannot)
        return bool(changes)

    def _cannot(self, job_id: str, why: Failure) -> None:
        pause = self._refused.add(job_id)
        self.log.failure("job {job} could not be checked for overdue dues, trying again in {seconds:g} s", why,
                         job=job_id, seconds=pause)  # fmt: skip

    def _may_look(self) -> bool:
        return bool(self.running) and self._peers.holds()

    def _say(self, change: OverdueChange) -> None:
        told = {"job": change.job.id, "name": change.job.name, "reason": change.reason}
        if change.event == "overdue":
            self.log.warn("job {job} ({name}) is overdue: {reason}", **told)
        else:
            self.log.info("job {job} ({name}) has recovered: {reason}", **told)

    def _blind(self, why: Failure) -> None:
        self._failure_log.say("overdue jobs could not be looked for, trying again in {seconds} s: {why}", why,
                          seconds=EVERY)  # fmt: skip
