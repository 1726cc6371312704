"""What callers order about a whole set of jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from ..clock import now
from ..model import job_set
from ..model.draft import Draft
from ..model.job import Job
from ..model.job_set import SetDone, SetPart, Standing, Step, Wanted
from ..model.labels import Label
from ..model.order import PutJobs
from ..threads import Wanted as GoOn
from .jobs import Jobs

SINGLY = 100  # jobs that the one transaction looks at again
ROUNDS = 5  # of planning, each only for what has moved meanwhile; the last looks again at whatever it must


@attrs.frozen(kw_only=True)
class JobSet:
    """A set as it is asked for; `seed` as in `model.job_set.tag`."""

    wanted: Sequence[Wanted]
    scope: Label | None = None
    prune: bool = False
    seed: str = ""


class JobSets(Jobs):
    """The registry's calls on sets of jobs."""

    def wanted(self, job_id: str, pointer: str, redraft: Callable[[Job | None], Draft]) -> Wanted:
        """A job of a set, to be what `redraft` says; `pointer` is its place in the request."""
        return Wanted(job_id=job_id, pointer=pointer, revise=self.revising(job_id, redraft))

    async def set_tag(self, scope: Sequence[Label], seed: str) -> str:
        """What stands for the jobs of a scope as they are now."""
        return job_set.tag(seed, await self._store.job_sets.versions(scope, self._caller.tasks))

    async def plan_set(self, asked: JobSet, tags: frozenset[str] | None) -> SetDone:
        """What `put_set` would do now. Raises Invalid with all that is wrong."""
        standing = await self._standing(asked)
        job_set.must_fit(tags, job_set.tag(asked.seed, standing.inside, standing.outside))
        return await self.in_thread(lambda go_on: self._planned(asked, standing, go_on))

    async def put_set(self, asked: JobSet, tags: frozenset[str] | None) -> SetDone:
        """Make the jobs of the set what is wanted of them. Raises Stale if its tag is not among `tags`."""
        order = PutJobs(wanted=asked.wanted, scope=asked.scope, prune=asked.prune, tags=tags, seed=asked.seed)
        standing = await self._standing(asked)
        steps = await self.in_thread(lambda go_on: self._steps(asked, standing, go_on))
        order = attrs.evolve(order, steps={step.job.id: step for step in steps})
        done = await self._perform(order)
        if done.group is not None:
            self._then(self._parts.wake, None)
        return done

    async def _standing(self, asked: JobSet) -> Standing:
        ids = [each.job_id for each in asked.wanted]
        return await self._store.job_sets.standing(
            ids, asked.scope, self._caller, now(self._clock), whole=asked.prune
        )  # fmt: skip

    @staticmethod
    def _steps(asked: JobSet, standing: Standing, go_on: GoOn) -> list[Step]:
        return job_set.plan(standing, asked.wanted, asked.scope, asked.prune, go_on)

    def _planned(self, asked: JobSet, standing: Standing, go_on: GoOn) -> SetDone:
        signature = self._audit_log.signature(self._caller, standing.now)
        parts = list[SetPart]()
        for number, step in enumerate(self._steps(asked, standing, go_on)):
            if number % job_set.OFTEN == 0:
                go_on()
            entry = None if step.what == "keep" else signature.of_job(step.before, step.after)
            parts.append(SetPart.of(step, entry))
        return SetDone(parts=parts, tag=job_set.tag(asked.seed, standing.inside, standing.outside))
