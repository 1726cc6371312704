"""What can be read again while the daemon runs, by an order or by a signal: tokens and the catalog."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, DeferredLock
from twisted.logger import Logger

from ..audit import AuditLog
from ..config.catalog import Catalog
from ..config.tokens import Token, TokenHolder
from ..events import Events
from ..model.audit import Facts
from ..model.caller import Caller
from ..model.errors import BadCatalog, Busy, Unavailable

SIGNAL = Caller(address="signal")
MOST_GONE = 20  # tasks that are gone whose jobs are looked up
NAMED = 3  # jobs of each

JobsOf = Callable[[str], Awaitable[Sequence[str]]]  # the names of some jobs of a task, more than `NAMED` if there are


class CatalogHolder:
    """Holds the catalog in force, and puts another in its place when that is sound."""

    log = Logger()

    def __init__(
        self, catalog: Catalog, load: Callable[[], Deferred[Catalog]], events: Events, jobs_of: JobsOf
    ) -> None:
        self.catalog = catalog
        self.sound = True  # the files were, when they were read last
        self._load = load
        self._events = events
        self._jobs_of = jobs_of

    async def reload(self) -> Catalog:
        """Read the files again. Raises BadCatalog; the old catalog is in force then."""
        before = self.catalog.names()
        try:
            self.catalog = await self._load()
        except BadCatalog:
            self.sound = False
            raise
        self.sound = True
        self._events.catalog_changed()
        self.log.info("the catalog was read again: {tasks}", tasks=", ".join(self.catalog.names()) or "no tasks")
        self.say_problems()
        gone = [task for task in before if task not in self.catalog.names()]
        looked = Deferred.fromCoroutine(self._say_gone(gone))  # not waited for: the store may be away
        looked.addErrback(lambda why: self.log.failure("the jobs of tasks that are gone could not be looked up", why))
        return self.catalog

    async def _say_gone(self, tasks: Sequence[str]) -> None:
        for task in tasks[:MOST_GONE]:
            try:
                jobs = await self._jobs_of(task)
            except (Unavailable, Busy):  # whoever needs the store says so
                return
            if jobs:
                names = ", ".join(jobs[:NAMED]) + (" and more" if len(jobs) > NAMED else "")
                self.log.warn(
                    "catalog.cfg has no task {task} any more, and jobs have it: {jobs}", task=task, jobs=names
                )

    def say_problems(self) -> None:
        """What would keep tasks of the catalog in force from being started; the others are as good as ever."""
        for problem in self.catalog.problems():
            self.log.warn("catalog.cfg: {problem}; its runs will fail until that is mended", problem=problem)

    def hang_up(self) -> Deferred[Catalog | None]:
        """Reload on a signal: a bad catalog is reported in the log."""
        return Deferred.fromCoroutine(self.reload()).addErrback(
            lambda why: self.log.error("the old catalog stays in force: {why}", why=why.getErrorMessage())
        )


class Reloader:
    """Has the files read again, and writes down who had that done. One at a time."""

    log = Logger()

    def __init__(
        self, token_holder: TokenHolder, catalog_holder: CatalogHolder, audit_log: AuditLog, now: Callable[[], datetime]
    ) -> None:
        self._token_holder = token_holder
        self._catalog_holder = catalog_holder
        self._audit_log = audit_log
        self._now = now
        self._lock = DeferredLock()

    async def order(self, caller: Caller) -> None:
        """For a caller. Raises BadTokens or BadCatalog: what was read before that is in force."""

        async def read() -> None:
            await self._token_holder.reload()  # first: a bad catalog must not keep in force what was revoked
            await self._catalog_holder.reload()

        await self._lock.run(self._written_down, caller, read)

    def hang_up(self) -> Deferred[None]:
        """Reload on a signal: each file by itself; a bad file is reported in the log."""

        async def read() -> None:
            both: list[Deferred[Any]] = [self._token_holder.hang_up(), self._catalog_holder.hang_up()]
            await DeferredList(both)

        return self._lock.run(self._written_down, SIGNAL, read)

    def _written_down(self, caller: Caller, read: Callable[[], Awaitable[object]]) -> Deferred[None]:
        return Deferred.fromCoroutine(self._write_down(caller, read))

    async def _write_down(self, caller: Caller, read: Callable[[], Awaitable[object]]) -> None:
        tokens, catalog = self._token_holder.tokens, self._catalog_holder.catalog
        before = {"tasks": catalog.names(), "tokens": _names(tokens.known)}
        try:
            await read()
        finally:
            if self._token_holder.tokens is not tokens or self._catalog_holder.catalog is not catalog:
                known = self._token_holder.tokens.known
                other = [token for token in known if token not in tokens.known and token.name in before["tokens"]]
                after = {
                    "tasks": self._catalog_holder.catalog.names(),
                    "tokens": _names(known),
                    "tokens_changed": _names(other),
                }
                await self._told(caller, before, after)

    async def _told(self, caller: Caller, before: Facts, after: Facts) -> None:
        """Record the reload in the audit log. A failure is only logged: the files read are in force anyway."""
        try:
            await self._audit_log.reloaded(caller, self._now(), before, after)
        except Exception as why:
            self.log.error("the audit entry of a reload could not be stored, so only the log has it: {why}", why=why)


def _names(tokens: Iterable[Token]) -> list[str]:
    """The names of tokens; never their hashes."""
    return [token.name for token in tokens]
