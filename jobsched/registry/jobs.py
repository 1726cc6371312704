"""What callers ask about jobs and the keys of jobs, and what they order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

import attrs
from twisted.internet.defer import Deferred

from ..clock import now
from ..config.tokens import hashed
from ..model.batch import Batch
from ..model.delivery import Delivery
from ..model.draft import Draft
from ..model.errors import Invalid, NotFound, no_job
from ..model.hold import Hold
from ..model.job import Job, JobFilter, JobView
from ..model.job_key import SHOWN, JobKey, looks_like_one, new_secret, opens
from ..model.key_orders import MakeKey, RevokeKey
from ..model.node import Node
from ..model.order import (
    BatchJobs,
    ChangeJob,
    CreateJob,
    DeleteJob,
    IdempotencyKey,
    Order,
    PauseJob,
    Put,
    PutHold,
    PutJob,
    ReleaseHold,
    ResumeJob,
    Versions,
)
from ..model.page import Page
from ..model.preview import Fire, look_ahead
from ..model.upcoming import MOST, Place, PlannedFilter, UpcomingDue, upcoming
from ..runner import launch
from ..threads import Wanted
from .orders import Orders

T = TypeVar("T")

FEW = 64  # jobs that are due soonest: mostly they answer what is due next
SOME = 16  # times as many: they answer the pages that follow
UNREAD = "not shown without the scope 'read'"  # in place of a reason


class Jobs(Orders):
    """The registry's calls on jobs."""

    async def schedule(self, draft: Draft, key: IdempotencyKey | None = None, chosen: str | None = None) -> str:
        """Make a job, under the id that the caller has `chosen`, or a new id. When this returns the job's id, the job
        is on disk and will be run."""
        self._check(draft, None)
        instant = self._now()
        job = draft.job(chosen or self._ids.make(instant), instant)
        job_id = await self._perform(CreateJob(job=job, key=key, chosen=chosen is not None), instant)
        self._then(self._parts.wake, job.next_due)
        return job_id

    async def preview(self, draft: Draft, after: datetime, count: int) -> list[Fire]:
        """The first `count` dues of such a job after `after`. They are computed in a thread, because some are far
        apart."""
        return await self.in_thread(lambda wanted: look_ahead(draft, after, count, wanted))

    def in_thread(self, work: Callable[[Wanted], T]) -> Deferred[T]:
        """Do work that a caller ordered, off the reactor. `work` calls the function that it is given now and then."""
        return self._parts.in_thread(work)

    async def upcoming(
        self, only: PlannedFilter, begin: datetime, held: bool, after: Place | None, limit: int, _room: int
    ) -> Page[UpcomingDue]:
        """Up to `limit` dues behind `after`, from `begin` on, of jobs as `only` asks for; soonest first. With `held`
        also those at which a hold or a pause keeps their job from starting. They are computed in a thread, and looked
        for among the jobs that are due soonest. Raises Invalid if it takes too many of these."""
        only = attrs.evolve(only, tasks=self._caller.tasks)
        few = max(FEW, 2 * limit)
        for most in (few, MOST + 1) if after is None else (few, SOME * few, MOST + 1):
            jobs = await self._store.jobs.planned(only, most)
            find = partial(upcoming, jobs, begin, only.end, after, limit + 1, held=held)
            found = await self.in_thread(find)
            if len(jobs) < most or (len(found) > limit and found[-1].place <= Place(jobs[-1].next_due, jobs[-1].id)):
                break  # a job that was not looked at is due later than these
        else:
            raise Invalid(f"more than {MOST:,} jobs are due before then: give an earlier one, a task or a label", "?to")
        return Page.of(found, limit)

    async def jobs(self, limit: int, after: str, only: JobFilter, room: int) -> Page[JobView]:
        """Up to `limit` jobs behind the place `after`, in the order that `only` asks for. Together they have no more
        than `room` bytes."""
        only = attrs.evolve(only, tasks=self._caller.tasks)
        found = await self._store.jobs.page(limit, after, only, room, now(self._clock))
        return Page([self._news(news) for news in found.values], found.more)

    async def named(self, text: str) -> str:
        """The id of the job that has this id, or else this name. Raises NotFound, Ambiguous."""
        return await self._store.jobs.named(text, self._caller.tasks)

    async def job(self, job_id: str) -> JobView:
        """One job."""
        news = await self._store.jobs.get(job_id, now(self._clock))
        if not self._caller.sees(news.job.task):
            raise no_job(job_id)
        return self._news(news)

    async def some(self, job_ids: Sequence[str]) -> list[JobView]:
        """Those of these jobs that are there and that the caller sees."""
        found = await self._store.jobs.some(job_ids, now(self._clock))
        return [self._news(news) for news in found if self._caller.sees(news.job.task)]

    async def change(self, job_id: str, versions: Versions, redraft: Callable[[Job], Draft]) -> JobView:
        """Make a job what `redraft` says. Raises Stale if the job is at none of `versions`.

        The grid of an interval stays as long as `every` and `start` do; otherwise it begins anew, now.
        """

        return await self._change(self.changing(job_id, versions, redraft))

    def changing(self, job_id: str, versions: Versions, redraft: Callable[[Job], Draft]) -> ChangeJob:
        """The order for such a change."""

        def revise(job: Job, instant: datetime) -> Job:
            draft = redraft(job)
            self._check(draft, job)
            return draft.remade(job, instant)

        return ChangeJob(job_id=job_id, versions=versions, revise=revise)

    async def put(
        self, job_id: str, versions: Versions, redraft: Callable[[Job | None], Draft], *, absent: bool, present: bool
    ) -> Put:
        """Make or change the job of this id, to what `redraft` says. Raises Stale if the job is at none of `versions`,
        or is there though it is to be `absent`, or is not though it is to be `present`."""

        revise = self.revising(job_id, redraft)
        order = PutJob(job_id=job_id, versions=versions, revise=revise, absent=absent, present=present)
        put = await self._perform(order)
        self._then(self._parts.wake, put.view.job.next_due if put.made else None)
        return attrs.evolve(put, view=self._news(put.view))

    def revising(
        self, job_id: str, redraft: Callable[[Job | None], Draft]
    ) -> Callable[[Job | None, datetime], Job]:  # fmt: skip
        """What an order to put a job makes of the job that is there."""

        def revise(job: Job | None, instant: datetime) -> Job:
            draft = redraft(job)
            self._check(draft, job)
            return draft.job(job_id, instant) if job is None else draft.put(job, instant)

        return revise

    async def pause(
        self, job_id: str, versions: Versions = None, until: datetime | None = None, reason: str = ""
    ) -> JobView:
        """Let dues pass until `until`, or until the job is resumed. Runs that wait or run go on."""
        return await self._change(PauseJob(job_id=job_id, until=until, reason=reason, versions=versions))

    async def resume(self, job_id: str, versions: Versions = None) -> JobView:
        """Go on with the next due."""
        return await self._change(ResumeJob(job_id=job_id, versions=versions))

    async def unschedule(self, job_id: str, cancel: bool, versions: Versions = None) -> None:
        """Delete a job; the record of its runs stays. An active run finishes, unless `cancel` is true."""
        running = await self._perform(DeleteJob(job_id=job_id, cancel=self.cancelling(cancel), versions=versions))
        for run in running if cancel else []:
            self._then(self._end, run)
        self._then(self._parts.wake, None)

    @staticmethod
    def cancelling(cancel: bool) -> str:
        """The reason for which active runs of a deleted job are ended; "": they are not."""
        return "cancelled: its job was deleted" if cancel else ""

    @property
    def peers(self) -> tuple[Node, ...]:
        """The living nodes, as far as they are known."""
        return tuple(self._parts.alive())

    async def batch(self, order: BatchJobs) -> Batch:
        """Give an order on many jobs."""
        done = await self._perform(order)
        for run in done.ended:
            self._then(self._end, run)
        self._then(self._parts.replace, tuple(done.replaced))
        self._then(self._parts.wake, None)
        self._then(self._parts.start_waiting)
        return done

    async def hold(self) -> Hold:
        """What is on hold. Raises NotFound when nothing is."""
        found = await self._store.holds.current(now(self._clock))
        if found is None:
            raise NotFound("nothing is on hold")
        return found

    async def put_hold(self, hold: Hold, anew: bool, versions: Versions) -> Hold:
        """Hold jobs that this caller sees: `anew`, or in place of the hold at one of `versions`. When this returns,
        no run of these jobs starts any more on any node."""
        stored = await self._perform(PutHold(hold=hold, anew=anew, versions=versions))
        self._then(self._parts.wake, None)  # it may hold less than before, and it ends by itself
        return stored

    async def release_hold(self, versions: Versions) -> None:
        """Go on with what is on hold."""
        await self._perform(ReleaseHold(versions=versions))
        self._then(self._parts.wake, None)

    async def job_deliveries(self, job_id: str, limit: int, before: str | None) -> list[Delivery]:
        """The notifications about a job, newest first. Raises NotFound if there is no trace of the job."""
        return await self._store.deliveries.of_job(job_id, limit, before, self._caller.tasks)

    async def keys(self, job_id: str) -> list[JobKey]:
        """The keys of a job, those made first come first."""
        await self.job(job_id)
        return await self._store.job_keys.of_job(job_id)

    async def make_key(self, job_id: str) -> tuple[JobKey, str]:
        """Make a key of a job. Returns what is kept of it, and the key, which nobody can read again."""
        secret = new_secret()
        order = MakeKey(job_id=job_id, hash=hashed(secret.encode()), last=secret[-SHOWN:])
        return await self._perform(order), secret

    async def revoke_key(self, job_id: str, key_id: str) -> None:
        """Revoke a key of a job: when this returns, it opens nothing any more."""
        await self._perform(RevokeKey(job_id=job_id, key_id=key_id))

    async def opened_by(self, job_id: str, secret: str) -> bool:
        """Whether this is a key of that job, whatever the caller sees."""
        if not looks_like_one(secret):
            return False
        return opens(await self._store.job_keys.of_job(job_id), hashed(secret.encode()))

    async def _change(self, order: Order[JobView]) -> JobView:
        """Give an order on a job. Returns what the job is after the order, read in the same transaction."""
        news = await self._perform(order)
        self._then(self._parts.wake, None)
        return self._news(news)

    def _news(self, news: JobView) -> JobView:
        """A job as this caller may see it. Its newest run may be of the task that the job had before, and the run's
        reason may quote what the run printed."""
        if self._caller.tasks is None and self._caller.may("read"):
            return news
        recent = tuple(run for run in news.activity.recent if self._caller.sees(run.task))
        news = attrs.evolve(news, activity=attrs.evolve(news.activity, recent=recent))
        if news.last_run is None or not self._caller.sees(news.last_run.task):
            return attrs.evolve(news, last_run=None)
        if self._caller.may("read"):
            return news
        return attrs.evolve(news, last_run=attrs.evolve(news.last_run, reason=UNREAD))

    def _check(self, draft: Draft, before: Job | None) -> None:
        """Check a draft. What is in `before` may stay as it is, even if it would not be accepted now."""
        task = self.task(draft.task)
        launch.check_names(task, draft.parameters)
        if before is None or (draft.task, draft.parameters) != (before.task, before.parameters):
            launch.check(task, draft.name, draft.parameters)
