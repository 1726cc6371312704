"""How a daemon begins and ends: who is here, what an earlier one left behind, and the order of both."""

from __future__ import annotations

import gc
import os
import socket
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from twisted.application.service import MultiService, Service
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from .. import __version__, files
from ..cluster.alone import Alone
from ..cluster.membership import Membership
from ..config.options import Config
from ..events import Events
from ..loops import FailureLog
from ..model.errors import Busy, Unavailable
from ..model.printable import many
from ..model.run import Run
from ..reactor_types import Reactor
from ..runner.keeper import folders_of
from ..runner.runner import Runner
from ..store.contract.store import Store
from ..store.opening import make_url_safe
from .folder_lock import FolderLock
from .listening import url
from .reload import CatalogHolder


class OrderedServices(MultiService):
    """Services in the order in which they start. Each has a name of its own, and stops before those that it stands on;
    its end is waited for, and one that fails does not keep the others up."""

    log = Logger()

    def __init__(self, *services: Service | Store) -> None:
        super().__init__()
        for service in services:
            service.setServiceParent(self)

    def stopService(self) -> Deferred[None]:
        self.running = 0
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        for service in reversed(list(self.services)):
            with self.log.failuresHandled("stopping {name}", name=service.name):
                await maybeDeferred(service.stopService)


NODE = "node"  # the file with ids in a state folder
LONGEST = 64 * 1024  # bytes of it
GARBAGE = (10_000, 1, 10)  # objects more than when it was looked for last: a page of jobs makes fewer, and leaves none
AGAIN = 2.0  # seconds until the store is asked again for the runs that executors have


class Predecessor:
    """The ids under which daemons of this state folder were nodes, and left what was not dealt with; kept in a file.

    A copy of the folder is of no use where the daemon of the original lives, on another host perhaps: it would end the
    runs of a node that lives. `before`: the process id that the lock of the folder had, which a copy has too.
    """

    log = Logger()

    def __init__(self, state_dir: Path, before: int | None = None) -> None:
        self._path = state_dir / NODE
        self._host = socket.gethostname()
        self.ids = self._read(state_dir)
        self._own = ""
        self.original = self._original(before)
        if self.original is not None:
            self.ids = []

    def _original(self, before: int | None) -> Path | None:
        """The folder that this one is a copy of, if the daemon of that lives: it is a node under one of these ids."""
        folders = [] if before in (None, os.getpid()) else folders_of(before)
        found = (each for each in folders if not each.samefile(self._path.parent) and {*self._read(each)} & {*self.ids})
        return next(found, None)

    def _read(self, folder: Path) -> list[str]:
        try:
            with files.reading(folder, NODE) as file:
                host, *ids = file.read(LONGEST).decode().split("\n")
            return [str(uuid.UUID(line)) for line in ids if line] if host == self._host else []
        except (OSError, ValueError):  # there was none, or it was cut off in the middle
            return []

    def keep(self, node_id: str) -> None:
        """Remember who we are, for the daemon that comes after this one."""
        self._own = node_id
        self._write()

    def dealt_with(self) -> None:
        """Nothing is left of the earlier daemons: forget their ids."""
        self.ids = []
        self._write()

    def _write(self) -> None:
        try:
            fresh = self._path.with_suffix(".new")
            fresh.unlink(missing_ok=True)  # of one that was killed; or a link that somebody put there
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with os.fdopen(files.opened(fresh.parent, fresh.name, flags=flags), "w", encoding="utf-8") as file:
                file.write("\n".join([self._host, *self.ids, self._own, ""]))
            fresh.replace(self._path)
        except OSError as why:
            self.log.error(
                "{path} cannot be written, so the next daemon here will not know which runs this one left: {why}",
                path=str(self._path), why=why.strerror,
            )  # fmt: skip


class Startup(Service):
    """Says who is here, then starts the `calendar` once what earlier daemons, `previous`, left behind is dealt with."""

    name = "startup"
    log = Logger()

    def __init__(
        self,
        reactor: Reactor,
        config: Config,
        catalog_holder: CatalogHolder,
        store: Store,
        runner: Runner,
        calendar: OrderedServices,
        peers: Membership | Alone,
        held: Sequence[FolderLock],
        previous: Predecessor,
        events: Events,
        endpoints: Sequence[str] = (),
    ) -> None:
        self._reactor = reactor
        self._failure_log = FailureLog(self.log, reactor)
        self._addresses = [url(endpoint) for endpoint in endpoints]
        self._config = config
        self._catalog_holder = catalog_holder
        self._store = store
        self._runner = runner
        self._calendar = calendar
        self._peers = peers
        self._held = held
        self._previous = previous
        self._events = events
        self._recovery: Deferred[None] | None = None
        self._pause: Deferred[None] | None = None

    def startService(self) -> None:
        super().startService()
        gc.collect()
        gc.freeze()  # what was imported and built stays; to walk it at every collection holds up everything
        gc.set_threshold(*GARBAGE)
        gc.enable()  # see twisted/plugins
        os.umask(self._config.umask)
        for lock in self._held:
            lock.sign()
        self._recovery = Deferred.fromCoroutine(self._begin())

    async def _greet(self) -> None:
        """The first lines of the log: who is here, and where to look."""
        try:
            jobs = many(sum((await self._store.counts()).jobs.values()), "job")
        except (Unavailable, Busy, CancelledError):  # whoever needs the store says so
            jobs = "jobs that the store does not tell"
        tasks = many(len(self._catalog_holder.catalog.names()), "task")
        web = next((each for each in self._addresses if not each.startswith("unix:")), None)
        self.log.info(
            "jobsched {version} on node {node} listens on {places}: {tasks}, {jobs}, store {store}; {page}",
            version=__version__, node=self._config.node_name, places=", ".join(self._addresses) or "nothing",
            tasks=tasks, jobs=jobs, store=make_url_safe(self._config.store),
            page=f"the page: {web}/ui/" if web else "the page is under /ui/",
        )  # fmt: skip
        for warning in self._config.warnings:
            self.log.warn("jobsched.cfg: {warning}", warning=warning)
        if self._previous.original is not None:
            words = "this state folder is a copy of {folder}, whose daemon lives: what that one runs is left alone"
            self.log.warn(words, folder=str(self._previous.original))
        self._catalog_holder.say_problems()

    async def _begin(self) -> None:
        await self._greet()
        try:
            await self._peers.entered
        except CancelledError:  # it ends before it could begin
            return
        try:
            await self._recover()
        except Exception:
            words = (
                "the runs of an earlier daemon could not all be recorded; what executors have of them, and the store"
            )
            self.log.failure(f"{words} did not give, is ended, and the others stay as they are", Failure())
            if self.running:  # else what executors have is the next daemon's
                self._runner.adopt([])
        if self.running:
            self._calendar.startService()
            self._events.scheduling_began()

    async def _recover(self) -> None:
        """Deal with runs left behind: go on with those that executors have, and make an end of the others. An SQLite
        file has one daemon at a time: there, any node's runs are meant."""
        known = await self._runner.earlier()
        adopted = await self._adopted(sorted(known)) if known else []
        if not self.running:
            return
        self._runner.adopt(adopted)
        node = self._peers.node
        if isinstance(self._peers, Alone):
            await self._runner.recover(await self._store.runs.left_behind(node.id))
            return
        await self._runner.recover(await self._store.runs.left_here(self._previous.ids, node.name))
        if self._previous.ids:
            await self._peers.declare_dead(self._previous.ids)
        self._previous.dealt_with()

    async def _adopted(self, run_ids: Sequence[str]) -> list[Run]:
        """The runs among these that the store gives to this node; it is asked until it answers, for what it does not
        give is ended."""
        while self.running:
            before = None if isinstance(self._peers, Alone) else self._previous.ids
            try:
                return await self._store.runs.adopt(run_ids, self._peers.node.id, before)
            except (Unavailable, Busy):
                words = "the store does not give the runs in executors yet, trying again in {seconds:g} s: {why}"
                self._failure_log.say(words, Failure(), seconds=AGAIN)
            with suppress(CancelledError):
                self._pause = deferLater(self._reactor, AGAIN)
                await self._pause
        return []

    async def _wait(self) -> None:
        if self._recovery is not None:
            self._peers.entered.cancel()
            if self._pause is not None:
                self._pause.cancel()
            await self._recovery
        await self._calendar.stopService()

    def stopService(self) -> Deferred[None]:
        """The calendar ends here too: it is started by hand, not with the rest."""
        super().stopService()
        return Deferred.fromCoroutine(self._wait())
