"""What callers ask of jobs, and order of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import attrs
from twisted.internet.defer import Deferred

from ..clock import now
from ..model.delivery import Delivery
from ..model.draft import Draft
from ..model.errors import no_job
from ..model.job import Job, JobFilter, JobView
from ..model.order import ChangeJob, CreateJob, DeleteJob, IdempotencyKey, Order, PauseJob, ResumeJob, Versions
from ..model.page import Page
from ..model.preview import Fire, look_ahead
from ..runner import launch
from ..threads import Wanted
from .orders import Orders

T = TypeVar("T")

UNREAD = "not shown without the scope 'read'"  # in place of a reason


class Jobs(Orders):
    """Schedules: made, changed, looked at."""

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

    async def job_deliveries(self, job_id: str, limit: int, before: str | None) -> list[Delivery]:
        """What was told of a job, newest first; raises NotFound for one nobody ever heard of."""
        return await self._store.deliveries.of_job(job_id, limit, before, self._caller.tasks)

    async def _change(self, order: Order[JobView]) -> JobView:
        """Give an order on a job; what the job is after it, by the same transaction."""
        news = await self._perform(order)
        self._then(self._parts.wake, None)
        return self._news(news)

    def _news(self, news: JobView) -> JobView:
        """A job's newest run may be of the task that it had before; and its reason may quote what it printed."""
        if news.last_run is None or not self._caller.sees(news.last_run.task):
            return attrs.evolve(news, last_run=None)
        if self._caller.may("read"):
            return news
        return attrs.evolve(news, last_run=attrs.evolve(news.last_run, reason=UNREAD))

    def _check(self, draft: Draft, before: Job | None) -> None:
        """What is there `before` may be from when nobody looked."""
        task = self.task(draft.task)
        launch.check_names(task, draft.parameters)
        if before is None or (draft.task, draft.parameters) != (before.task, before.parameters):
            launch.check(task, draft.name, draft.parameters)
