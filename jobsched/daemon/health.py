"""The health of this daemon: whether it can do its work, and its metrics."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import attrs
from twisted.internet.defer import Deferred, DeferredLock, gatherResults, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from .. import __version__
from ..clock import elapsed
from ..cluster.alone import Alone
from ..cluster.membership import Membership
from ..config.tokens import TokenHolder
from ..metrics import Facts, Metrics
from ..model.health import Counts, HealthProblem, JobInfo
from ..model.hold import Hold
from ..runner.runner import Runner
from ..scheduler.scheduler import Scheduler
from ..store.contract.store import Store
from .cached_probe import CachedProbe
from .reload import CatalogHolder

PATIENCE = 2.0  # seconds to wait for the store
COUNTED = 15.0  # seconds for which counts of the whole store are used again
KNOWN = 1.0  # seconds for which the store's last answer, and a page of metrics, are used again
MOST_JOBS = 10_000  # of which metrics show labels
SWEPT = 15.0  # seconds without a sweep that show a fault: there should have been three sweeps
UNSTORED = 15.0  # seconds for which a refused change is a problem; due runs are tried again all the time

ENTERING = "what an earlier daemon left behind is being dealt with, or this one ends"
NO_STORE = "the store does not answer"
NO_LEASE = "this node does not hold its lease"
NO_SWEEP = "what is due soon was not looked at yet"
NO_TASKS = "the catalog has no tasks"


@attrs.frozen
class Files:
    """What Health needs of the configuration files."""

    catalog_holder: CatalogHolder
    token_holder: TokenHolder
    slots: int
    labels: Sequence[str] = ()  # of jobs, to be shown in metrics


class Health:
    """Answers monitors, which ask every few seconds: `health_problems` costs at most one small query a second."""

    def __init__(
        self,
        clock: IReactorTime,
        metrics: Metrics,
        store: Store,
        runner: Runner,
        scheduler: Scheduler,
        peers: Membership | Alone,
        files: Files,
        connections: Callable[[], int],
        hold: Callable[[], Deferred[Hold | None]],
        executors: Callable[[], str] = str,
        elapsed: Callable[[], float] = elapsed,
    ) -> None:
        self._clock = clock
        self._metrics = metrics
        self._runner = runner
        self._scheduler = scheduler
        self._peers = peers
        self._files = files
        self._connections = connections
        self._executors = executors  # what is wrong with them
        self._elapsed = elapsed
        self._begun = elapsed()
        self._store: CachedProbe[None] = CachedProbe(
            clock, store.answers, fresh=KNOWN, patience=PATIENCE, elapsed=elapsed
        )
        self._counts: CachedProbe[Counts] = CachedProbe(
            clock, store.counts, fresh=COUNTED, patience=PATIENCE, elapsed=elapsed
        )
        self._infos: CachedProbe[list[JobInfo]] = CachedProbe(
            clock, lambda: self._ask_infos(store), fresh=COUNTED, patience=PATIENCE, elapsed=elapsed
        )
        self._hold: CachedProbe[Hold | None] = CachedProbe(clock, hold, fresh=KNOWN, patience=PATIENCE, elapsed=elapsed)
        self._unstored: tuple[float, str] | None = (
            None  # elapsed time of the last change that the store refused, and why
        )
        self._page = b""
        self._written: float | None = None
        self._writing = DeferredLock()

    def store_asked(self, writes: bool, seconds: float, fault: str | None, why: str) -> None:
        """Note a request to the store; from any thread. On a full disk a store answers queries but takes no change."""
        if writes and fault == "unavailable":
            self._unstored = self._elapsed(), why
        self._metrics.asked(writes, seconds, fault)

    async def health_problems(self) -> list[HealthProblem]:
        """All that keeps this daemon from its work. An empty list: the daemon is ready."""
        await self._store.look()
        return list(self._found())

    @property
    def known_problem(self) -> str | None:
        """The same for whom the store has answered: other nodes read it there, and callers. None: there is none."""
        return "; ".join(map(str, self._found(of_store=False))) or None

    async def held(self) -> str | None:
        """What keeps jobs from being run on purpose, as far as it was seen last; None: nothing does."""
        await self._hold.look()
        return None if self._hold.answer is None else self._hold.answer.words

    def _found(self, *, of_store: bool = True) -> Iterator[HealthProblem]:
        trouble, age = self._store.trouble if of_store else None, self._scheduler.sweeps.age
        if trouble is not None:
            yield HealthProblem(NO_STORE, trouble)
        elif (unstored := self._unstored) is not None and (ago := self._elapsed() - unstored[0]) < UNSTORED:
            yield HealthProblem(f"the store refused a change {ago:.0f} s ago", unstored[1])
        if not self._peers.holds():
            yield HealthProblem(NO_LEASE)
        if not self._scheduler.running:
            yield HealthProblem(ENTERING)
        elif age is None:
            yield HealthProblem(NO_SWEEP)
        elif age > SWEPT:
            yield HealthProblem(f"what is due soon was looked at {age:.0f} s ago")
        if words := self._executors():
            yield HealthProblem(words)
        if not self._files.catalog_holder.catalog.names():
            yield HealthProblem(NO_TASKS)

    async def exposition(self) -> bytes:
        """A page of metrics. Requests at the same time, or within a second, get the same page."""
        await self._writing.acquire()
        try:
            if self._written is None or self._elapsed() - self._written >= KNOWN:
                await gatherResults([self._store.look(), self._counts.look(), self._infos.look()])
                self._metrics.know(self._files.catalog_holder.catalog.names())
                self._page = await self._metrics.exposition(self._facts(), lambda: deferLater(self._clock, 0))
                self._written = self._elapsed()
        finally:
            self._writing.release()
        return self._page

    def _ask_infos(self, store: Store) -> Deferred[list[JobInfo]]:
        return store.job_infos(self._files.labels, MOST_JOBS) if self._files.labels else succeed([])

    def _facts(self) -> Facts:
        peers = self._peers
        return Facts(
            version=__version__,
            uptime=self._elapsed() - self._begun,
            threads=threading.active_count(),
            running=self._runner.active,
            slots=self._files.slots,
            ready=not list(self._found()),
            store_up=self._store.trouble is None,
            counts=self._counts.answer,
            labels=self._files.labels,
            infos=self._infos.answer or [],
            nodes_alive=len(peers.alive),
            lease=peers.lease.total_seconds() if isinstance(peers, Membership) else None,
            lease_remaining=peers.remaining if isinstance(peers, Membership) else None,
            fenced=not peers.holds(),
            sweep_age=self._scheduler.sweeps.age,
            tried=self._scheduler.tried,
            won=self._scheduler.won,
            catalog_sound=self._files.catalog_holder.sound,
            tokens_sound=self._files.token_holder.sound,
            connections=self._connections(),
        )
