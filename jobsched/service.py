"""Composition: builds every part, gives each what it needs of the others, orders their start and their end."""

from __future__ import annotations

import gc
import os
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from . import __version__, logs
from .catalog import Catalog
from .catalog import load as load_catalog
from .clock import ClockWatch, now
from .config import Config
from .model.ids import Ids
from .model.policy import Policy
from .registry import Parts, Registry
from .rest.catalog import Catalog as CatalogCalls
from .rest.convert import Defaults
from .rest.jobs import Jobs
from .rest.openapi import OpenApi
from .rest.route import Route
from .rest.runs import Runs
from .rest.site import JobschedSite as Site
from .rest.site import site
from .runner.deadline import Stop
from .runner.limits import Limits
from .runner.output import output_path
from .runner.retention import Retention
from .runner.runner import Runner
from .scheduler.scheduler import Hands, Scheduler
from .signals import Signals
from .store.lock import FolderLock
from .store.store import Store


class Shelf:
    """Holds the catalog in force, and puts another in its place when that is sound."""

    log = Logger()

    def __init__(self, catalog: Catalog, load: Callable[[], Deferred[Catalog]]) -> None:
        self.catalog = catalog
        self._load = load

    async def reload(self) -> Catalog:
        """Read the files again. Raises BadCatalog; the old catalog is in force then."""
        self.catalog = await self._load()
        self.log.info("the catalog was read again: {tasks}", tasks=", ".join(self.catalog.names()) or "no tasks")
        return self.catalog

    def hang_up(self) -> None:
        """As a signal asks for it: a bad catalog is told to the log."""
        Deferred.fromCoroutine(self.reload()).addErrback(
            lambda why: self.log.error("the old catalog stays in force: {why}", why=why.getErrorMessage())
        )


@attrs.frozen(kw_only=True)
class Folders:
    """Where configuration, tasks and state are."""

    conf: Path
    tasks: Path
    state: Path


class House(MultiService):
    """Each part stops before what it stands on, and is waited for; one that fails does not keep the others up."""

    log = Logger()

    def stopService(self) -> Deferred[None]:
        self.running = 0
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        for service in reversed(list(self.services)):
            with self.log.failuresHandled("stopping {name}", name=service.name):
                await maybeDeferred(service.stopService)


class Opening(Service):
    """Says who is here, then starts the scheduler once what an earlier daemon left behind is dealt with."""

    name = "opening"
    log = Logger()

    def __init__(
        self, config: Config, runner: Runner, scheduler: Scheduler, node_id: str, held: list[FolderLock]
    ) -> None:
        self._config = config
        self._runner = runner
        self._scheduler = scheduler
        self._node_id = node_id
        self._held = held
        self._recovery: Deferred[None] | None = None

    def startService(self) -> None:
        super().startService()
        gc.collect()
        gc.freeze()  # what was imported and built stays; to walk it at every collection holds up everything
        os.umask(self._config.umask)
        for lock in self._held:
            lock.sign()
        for warning in self._config.warnings:
            self.log.warn("jobsched.cfg: {warning}", warning=warning)
        if not self._config.store.startswith("sqlite"):
            self.log.warn("one daemon only may use this database for now: several are not yet told of each other")
        self.log.info("jobsched {version} on node {node}, store {store}", version=__version__,
                      node=self._config.node_name, store=self._config.store.rpartition("@")[2])  # fmt: skip
        self._recovery = Deferred.fromCoroutine(self._recover())

    async def _recover(self) -> None:
        try:
            await self._runner.recover(self._node_id, self._config.node_name)
        except Exception:
            self.log.failure("runs that were left behind could not be dealt with; they stay as they are", Failure())
        if self.running:
            self._scheduler.startService()

    async def _wait(self) -> None:
        if self._recovery is not None:
            await self._recovery
        await self._scheduler.stopService()

    def stopService(self) -> Deferred[None]:
        """The scheduler ends here too: it is started by hand, not with the rest."""
        super().stopService()
        return Deferred.fromCoroutine(self._wait())


def build(
    reactor: Any, config: Config, catalog: Catalog, folders: Folders, held: list[FolderLock]
) -> tuple[House, Site]:
    """The whole daemon but for its listening ports, and the site that those are to serve."""
    ids, node_id = Ids(), str(uuid.uuid4())
    store = Store(reactor, config.store)
    output = folders.state / "output"
    runner = Runner(reactor, store, ids, lambda: shelf.catalog, output, _limits(config))
    shelf = Shelf(catalog, lambda: runner.in_thread(load_catalog, folders.conf / "catalog.cfg", folders.tasks))
    hands = Hands(slots=lambda: runner.slots, start=runner.start, replace=runner.replace)
    scheduler = Scheduler(reactor, store, hands, ids, config.node_name, node_id)
    runner.recorded = scheduler.slots_free
    parts = Parts(
        catalog=lambda: shelf.catalog,
        reload=shelf.reload,
        poke=scheduler.poke,
        start_waiting=scheduler.start_waiting,
        stop=lambda run_id, reason: runner.stop(run_id, Stop("cancelled", reason)),
        replace=runner.replace,
        bell=runner.bell.wait,
        output_path=lambda run_id: output_path(output, run_id),
        in_thread=runner.in_thread,
    )
    registry = Registry(reactor, store, ids, parts)
    retention = Retention(reactor, store, runner.in_thread, output, config.keep_runs, config.keep_days)
    house = House()
    for part in (
        logs.Behind(),
        store,
        runner,
        retention,
        Opening(config, runner, scheduler, node_id, held),
        ClockWatch(reactor, _both(runner.clock_stepped, scheduler.clock_stepped)),
        Signals(reactor, shelf.hang_up),
    ):
        IService(part).setServiceParent(house)
    return house, site(_routes(registry, config, lambda: now(reactor)), reactor)


def _routes(registry: Registry, config: Config, clock: Callable[[], datetime]) -> list[Route]:
    defaults = Defaults(policy=_policy(config), timezone=config.timezone)
    routes = [
        *CatalogCalls(registry, defaults, clock).routes(),
        *Jobs(registry, defaults).routes(),
        *Runs(registry).routes(),
    ]
    return [*routes, *OpenApi(routes).routes()]


def _limits(config: Config) -> Limits:
    return Limits(
        livetime=config.livetime,
        grace=config.kill_grace,
        max_running=config.max_running,
        threads=config.threads,
        output=config.output_limit,
    )


def _policy(config: Config) -> Policy:
    grace = config.misfire_grace
    return Policy(
        overlap=config.overlap,  # type: ignore[arg-type]  # checked by config
        misfire_grace=None if grace is None else timedelta(seconds=grace),
        catch_up=config.catch_up,  # type: ignore[arg-type]
    )


def _both(*hearers: Callable[[], None]) -> Callable[[float], None]:
    def tell(_seconds: float) -> None:
        for hear in hearers:
            hear()

    return tell
