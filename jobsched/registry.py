"""The door: everything a caller may ask for. It decides and stores the intent; others carry it out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from .audit import AuditLog
from .clock import now
from .config.catalog import Catalog, Task
from .model.audit import AuditFilter, Entry
from .model.caller import ANYBODY, Caller
from .model.delivery import Delivery
from .model.draft import Draft
from .model.errors import NotFound, no_job, no_run
from .model.ids import Ids
from .model.job import Job, JobFilter, JobView, Timeout, timeout_of
from .model.node import Node
from .model.order import (
    CancelRun,
    ChangeJob,
    CreateJob,
    DeleteJob,
    IdempotencyKey,
    Issued,
    Order,
    PauseJob,
    ResumeJob,
    RunJob,
    Versions,
)
from .model.output_location import OutputLocation, elsewhere
from .model.page import Page
from .model.preview import Fire, look_ahead
from .model.run import Run, RunFilter, Tail
from .runner import launch
from .store.contract.store import ForCallers
from .threads import Wanted

T = TypeVar("T")

UNREAD = "not shown without the scope 'read'"  # in place of a reason
LOOK = 1.0  # seconds between looks at a run that ends elsewhere


class InThread(Protocol):
    """Does work that a caller ordered, off the reactor. Raises Busy."""

    def __call__(self, work: Callable[[Wanted], T], /) -> Deferred[T]: ...


@attrs.frozen(kw_only=True)
class Parts:
    """What the registry needs of the others, as callables."""

    catalog: Callable[[], Catalog]
    reload: Callable[[Caller], Awaitable[object]]  # raises BadTokens, BadCatalog, and leaves the old ones in force
    wake: Callable[[datetime | None], None]  # a job was made or changed
    start_waiting: Callable[[], None]  # a run was added
    stop: Callable[[str, str], object]  # end a run, for a reason
    replace: Callable[[tuple[Run, ...]], None]
    waiters: Callable[[str], Deferred[None]]  # fires when that run's outcome is stored
    output_path: Callable[[str], Path]
    in_thread: InThread
    node: Callable[[], Node]  # this daemon
    alive: Callable[[], Sequence[Node]]  # those that live, this one among them
    livetime: float  # JOB_LIVETIME


class Registry:
    """Answers questions and takes orders. Every order that returned is on disk.

    Raises the errors of `model/errors.py`, among them Unavailable when the store cannot be reached, and Busy when too
    much waits already.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        store: ForCallers,
        ids: Ids,
        parts: Parts,
        audit_log: AuditLog,
        caller: Caller = ANYBODY,
    ) -> None:
        self._clock = clock
        self._store = store
        self._ids = ids
        self._parts = parts
        self._audit_log = audit_log
        self._caller = caller

    def seen_by(self, caller: Caller) -> Registry:
        """The same door for one caller: tasks he may not see are not there, nor are their jobs and runs."""
        return Registry(self._clock, self._store, self._ids, self._parts, self._audit_log, caller)

    # tasks

    def task_names(self) -> list[str]:
        """The tasks that may be scheduled, in the catalog's order."""
        return [name for name in self._parts.catalog().names() if self._caller.sees(name)]

    def task(self, name: str) -> Task:
        """One task of the catalog."""
        task = self._parts.catalog().get(name)
        if task is None or not self._caller.sees(name):
            raise NotFound(f"there is no task {name!r} in the catalog")
        return task

    async def reload(self) -> list[str]:
        """Read tokens and catalog again; its tasks. Raises BadTokens or BadCatalog; the old ones stay in force."""
        await self._parts.reload(self._caller)
        return self.task_names()

    # jobs

    async def schedule(self, draft: Draft, key: IdempotencyKey | None = None) -> str:
        """Make a job; when this returns its id, it is on disk and will be run."""
        self._check(draft, None)
        instant = now(self._clock)
        job = draft.job(self._ids.make(instant), instant)
        job_id = await self._perform(CreateJob(job=job, key=key), instant)
        self._then(self._parts.wake, job.next_due)
        return job_id

    async def preview(self, draft: Draft, after: datetime, count: int) -> list[Fire]:
        """The first `count` dues after `after` of a job like this; looked for in a thread, for some are far apart."""
        return await self.in_thread(lambda wanted: look_ahead(draft, after, count, wanted))

    def in_thread(self, work: Callable[[Wanted], T]) -> Deferred[T]:
        """Do some work that a caller ordered off the reactor; `work` calls what it is given now and then."""
        return self._parts.in_thread(work)

    async def jobs(self, limit: int, after: str, only: JobFilter, room: int) -> Page[JobView]:
        """Up to `limit` jobs made after the job `after`, oldest first, and no more than have `room` in bytes."""
        only = attrs.evolve(only, tasks=self._caller.tasks)
        found = await self._store.jobs.page(limit, after, only, room, now(self._clock))
        return Page([self._news(news) for news in found.values], found.more)

    async def job(self, job_id: str) -> JobView:
        """One job."""
        news = await self._store.jobs.get(job_id, now(self._clock))
        if not self._caller.sees(news.job.task):
            raise no_job(job_id)
        return self._news(news)

    async def change(self, job_id: str, versions: Versions, redraft: Callable[[Job], Draft]) -> JobView:
        """Make a job what `redraft` says of it. Raises Stale when it is at none of `versions`.

        The grid of an interval stays as long as `every` and `start` do; otherwise it counts from now.
        """

        def revise(job: Job, instant: datetime) -> Job:
            draft = redraft(job)
            self._check(draft, job)
            return draft.remade(job, instant)

        return await self._change(ChangeJob(job_id=job_id, versions=versions, revise=revise))

    async def pause(self, job_id: str, versions: Versions = None) -> JobView:
        """Let dues pass until the job is resumed; what waits or runs goes on."""
        return await self._change(PauseJob(job_id=job_id, versions=versions))

    async def resume(self, job_id: str, versions: Versions = None) -> JobView:
        """Go on with the next due."""
        return await self._change(ResumeJob(job_id=job_id, versions=versions))

    async def unschedule(self, job_id: str, cancel: bool, versions: Versions = None) -> None:
        """Forget a job; the record of its runs stays. An active run finishes, unless `cancel`."""
        reason = "cancelled: its job was deleted" if cancel else ""
        running = await self._perform(DeleteJob(job_id=job_id, cancel=reason, versions=versions))
        for run in running if cancel else []:
            self._then(self._end, run)
        self._then(self._parts.wake, None)

    # runs

    async def run_now(self, job_id: str, key: IdempotencyKey | None = None, versions: Versions = None) -> Run:
        """Add a run that is due now, under the job's overlap rule; it may come back as skipped."""
        order = RunJob(job_id=job_id, key=key, peers=tuple(self._parts.alive()), versions=versions)
        ran = await self._perform(order)
        self._then(self._parts.replace, ran.replaced)
        self._then(self._parts.start_waiting)
        return ran.run

    async def cancel(self, run_id: str) -> None:
        """End a run that has not ended. Raises Conflict when it has."""
        run = await self._perform(CancelRun(run_id=run_id, reason="cancelled by a caller"))
        if run.active:
            self._then(self._end, run)

    async def runs(self, limit: int, before: str | None, only: RunFilter) -> list[Run]:
        """The newest `limit` runs older than `before`; raises NotFound for those of a job nobody ever heard of."""
        return await self._store.runs.page(limit, before, attrs.evolve(only, tasks=self._caller.tasks))

    async def run(self, run_id: str) -> Run:
        """One run."""
        run = await self._store.runs.get(run_id)
        if not self._caller.sees(run.task):
            raise no_run(run_id)
        return run

    async def run_deliveries(self, run_id: str, limit: int, before: str | None) -> list[Delivery]:
        """What was told of a run, newest first."""
        task, found = await self._store.deliveries.of_run(run_id, limit, before)
        if not self._caller.sees(task):
            raise no_run(run_id)
        return found

    async def job_deliveries(self, job_id: str, limit: int, before: str | None) -> list[Delivery]:
        """What was told of a job, newest first; raises NotFound for one nobody ever heard of."""
        return await self._store.deliveries.of_job(job_id, limit, before, self._caller.tasks)

    async def ended(self, run_id: str, seconds: float) -> Run:
        """The run, once it has ended or `seconds` have passed."""
        end = self._clock.seconds() + seconds
        while True:
            rung = self._parts.waiters(run_id)  # before the look, so that no end is missed between
            try:
                run = await self.run(run_id)
                left = end - self._clock.seconds()
                if not run.active or left <= 0:
                    return run
                await rung.addTimeout(min(left, LOOK), self._clock, lambda _given_up, _seconds: None)
            finally:  # not before: who does not wait any more would go on with it
                rung.addErrback(lambda _: None)
                rung.cancel()

    def moment(self, seconds: float) -> Deferred[None]:
        """Fires after `seconds`."""
        return deferLater(self._clock, seconds)

    def output_path(self, run_id: str) -> Path:
        """The file with a run's output; there is none while nothing was printed."""
        return self._parts.output_path(run_id)

    @property
    def shared(self) -> bool:
        """Whether other nodes may use this store too, and runs may be elsewhere."""
        return self._store.shared

    async def output_location(self, run: Run) -> OutputLocation:
        """Where the output of a run is to be had. All is here when this is the only node, or nothing was printed."""
        silent = not run.active and run.state != "lost" and not run.output_kept
        going_on_here = run.active and run.node_id in (None, self._me)
        if not self.shared or silent or going_on_here or self.output_path(run.id).exists():
            return OutputLocation(here=True)
        return elsewhere(run, self._me, await self.nodes())

    async def tail(self, run_id: str) -> Tail | None:
        """The end of a run's output, as it is kept in the store of several nodes."""
        return await self._store.runs.tail(run_id)

    def timeout(self, name: str, own: float | None) -> Timeout:
        """What is in force on this node for a job of that task with a timeout of its own, or None."""
        task = self._parts.catalog().get(name)
        kind, seconds = (None, None) if task is None else (task.kind, task.timeout)
        return timeout_of(own, kind, seconds, self._parts.livetime)

    def task_known(self, name: str) -> bool:
        """Whether the catalog has that task now."""
        return self._parts.catalog().get(name) is not None

    async def entries(self, limit: int, before: str | None, only: AuditFilter, room: int) -> Page[Entry]:
        """Who changed what: the newest `limit` entries older than `before` that have `room`, of all tasks."""
        return await self._audit_log.page(limit, before, only, room)

    async def nodes(self) -> list[Node]:
        """The daemons that share the store, those that began last first."""
        if not self.shared:
            return [self._parts.node()]
        return await self._store.nodes.every()

    async def _change(self, order: Order[JobView]) -> JobView:
        """Give an order on a job; what the job is after it, by the same transaction."""
        news = await self._perform(order)
        self._then(self._parts.wake, None)
        return self._news(news)

    async def _perform(self, order: Order[T], instant: datetime | None = None) -> T:
        """Give an order, now or at an instant that is just over, in the name of this caller."""
        signature = self._audit_log.signature(self._caller, instant or now(self._clock))
        issued = Issued(signature=signature, caller=self._caller, node_id=self._me, ids=self._ids)
        return await self._audit_log.perform(order, issued)

    def _then(self, hint: Callable[..., object], *args: object) -> None:
        """Tell others of this node what to look at. The change is on disk: a fault must not make it look undone."""
        with self.log.failuresHandled("an order was stored, and not told at once; sweeps find it"):
            hint(*args)

    def _news(self, news: JobView) -> JobView:
        """A job's newest run may be of the task that it had before; and its reason may quote what it printed."""
        if news.last_run is None or not self._caller.sees(news.last_run.task):
            return attrs.evolve(news, last_run=None)
        if self._caller.may("read"):
            return news
        return attrs.evolve(news, last_run=attrs.evolve(news.last_run, reason=UNREAD))

    @property
    def _me(self) -> str:
        return self._parts.node().id

    def _end(self, run: Run) -> None:
        """End a run that is executed here, for the reason that the store has; the node of another has been asked to."""
        if run.node_id == self._me and run.stop is not None:
            self._parts.stop(run.id, run.stop)

    def _check(self, draft: Draft, before: Job | None) -> None:
        """What is there `before` may be from when nobody looked."""
        task = self.task(draft.task)
        launch.check_names(task, draft.parameters)
        if before is None or (draft.task, draft.parameters) != (before.task, before.parameters):
            launch.check(task, draft.name, draft.parameters)
