"""The registry as callers have it: jobs and runs, the catalog, the nodes and the audit log."""

from __future__ import annotations

from datetime import datetime

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from ..config.commands import known_task
from ..formats import KnownTask
from ..model.audit import AuditFilter, Entry
from ..model.caller import Caller
from ..model.errors import Unavailable
from ..model.job import Timeout, timeout_of
from ..model.page import Page
from .job_sets import JobSets
from .runs import Runs


class Registry(JobSets, Runs):
    """Answers questions and takes orders. Every order that returned is on disk.

    Raises the errors of `model/errors.py`. Among them are Unavailable, when the store cannot be reached, and Busy, when
    too many questions or orders wait already.
    """

    def seen_by(self, caller: Caller) -> Registry:
        """The same registry for one caller. Tasks that the caller may not see do not exist there, nor do their jobs and
        runs."""
        return Registry(self._reactor, self._clock, self._store, self._ids, self._parts, self._audit_log, caller)

    @property
    def node_name(self) -> str:
        """The name of this daemon."""
        return self._parts.node().name

    def task_names(self) -> list[str]:
        """The tasks that may be scheduled, in the catalog's order."""
        return [name for name in self._parts.catalog().names() if self._caller.sees(name)]

    def known_tasks(self) -> list[KnownTask]:
        """The tasks that may be scheduled, as those know them that read commands."""
        found = (self._parts.catalog().get(name) for name in self.task_names())
        return [known_task(task) for task in found if task is not None]

    async def reload(self) -> list[str]:
        """Read tokens and catalog again, and return the names of the tasks. Raises BadTokens or BadCatalog; then the
        old ones stay in force."""
        await self._parts.reload(self._caller)
        return self.task_names()

    async def disk(self) -> tuple[int, int]:
        """The bytes of the disk with this daemon's state, and how many of them are free. Raises Unavailable."""
        try:
            return await self._parts.disk()
        except OSError as why:
            raise Unavailable(f"the disk with the state cannot be looked at: {why.strerror}") from why

    def oldest_run(self) -> Deferred[datetime | None]:
        """The due of the oldest run of all jobs, whatever the caller sees; None: there is none."""
        return self._store.oldest_run()

    def timeout(self, name: str, own: float | None) -> Timeout:
        """The timeout that is in force on this node for a job of that task. `own` is the job's own timeout, or None."""
        task = self._parts.catalog().get(name)
        kind, seconds = (None, None) if task is None else (task.kind, task.timeout)
        return timeout_of(own, kind, seconds, self._parts.livetime)

    def task_known(self, name: str) -> bool:
        """Whether the catalog has that task now."""
        return self._parts.catalog().get(name) is not None

    def is_there(self, name: str) -> bool:
        """Whether a living node has that task."""
        return any(name in node.tasks for node in self._parts.alive())

    def trouble(self) -> str | None:
        """What keeps this daemon from its work, as far as it knows; None: nothing does."""
        return self._parts.trouble()

    async def entries(self, limit: int, before: str | None, only: AuditFilter, room: int) -> Page[Entry]:
        """The audit log: the newest `limit` entries older than `before` that have `room`, of all tasks."""
        return await self._audit_log.page(limit, before, only, room)

    def session_key(self, proposed: str) -> Deferred[str]:
        """The key with which all nodes sign sessions of the page; `proposed` if there is none yet."""
        return self._store.settings.agreed("session_key", proposed)

    def moment(self, seconds: float) -> Deferred[None]:
        """Fires after `seconds`."""
        return deferLater(self._reactor, seconds)
