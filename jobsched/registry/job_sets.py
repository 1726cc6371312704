"""What callers order about a whole set of jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from types import MappingProxyType
from typing import TypeVar

import attrs
from twisted.internet.task import deferLater

from ..audit import tell
from ..clock import now
from ..model import job_set, set_rules
from ..model.draft import Draft
from ..model.errors import Busy, Moved, Unavailable
from ..model.job import Job
from ..model.job_set import OFTEN, SetDone, SetPart, Standing, Step, Wanted
from ..model.labels import Label
from ..model.order import Issued, PutJobs
from ..threads import Wanted as GoOn
from .jobs import Jobs

T = TypeVar("T")

SINGLY = 100  # jobs that the one transaction looks at again: each takes it some milliseconds
ROUNDS = 5  # of planning, each only for what has moved meanwhile; the last looks again at whatever it must
PIECE = 100  # jobs that are staged at once: what is due meanwhile waits for that on SQLite
TOLD = 100  # entries that are told to the log at once
ABANDONED = timedelta(minutes=30)  # after which nobody carries out any more what was staged


@attrs.frozen(kw_only=True)
class JobSet:
    """A set as it is asked for; `seed` as in `model.set_rules.tag`."""

    wanted: Sequence[Wanted]
    scope: Label | None = None
    prune: bool = False
    seed: str = ""


@attrs.frozen
class _Planned:
    """Steps by id, and in pieces those that can be staged."""

    steps: dict[str, Step]
    pieces: list[list[Step]]


def _steps(
    asked: JobSet, standing: Standing, tags: frozenset[str] | None, most: int | None, go_on: GoOn
) -> list[Step]:  # fmt: skip
    set_rules.must_fit(tags, set_rules.tag(asked.seed, standing.inside, standing.outside))
    steps = job_set.plan(standing, asked.wanted, asked.scope, asked.prune, go_on)
    set_rules.must_go_at_once(sum(step.what != "keep" for step in steps), most)
    return steps


def _planned(
    asked: JobSet, standing: Standing, issued: Issued, tags: frozenset[str] | None, most: int | None, go_on: GoOn,
    before: Mapping[str, Step] = MappingProxyType({}),
) -> _Planned:  # fmt: skip
    """What is to be done, beside what was planned `before` for other jobs. Runs off the reactor. Raises Stale,
    Invalid."""
    steps = job_set.signed(_steps(asked, standing, tags, most, go_on), issued.signature, go_on)
    staged = [step for step in steps if step.entry is not None and step.job.id not in standing.late]
    pieces = [staged[begin : begin + PIECE] for begin in range(0, len(staged), PIECE)]
    return _Planned({**before, **{step.job.id: step for step in steps}}, pieces)


class JobSets(Jobs):
    """The registry's calls on sets of jobs."""

    def wanted(self, job_id: str, pointer: str, redraft: Callable[[Job | None], Draft]) -> Wanted:
        """A job of a set, to be what `redraft` says; `pointer` is its place in the request."""
        return Wanted(job_id=job_id, pointer=pointer, revise=self.revising(job_id, redraft))

    async def set_tag(self, scope: Sequence[Label], seed: str) -> str:
        """What stands for the jobs of a scope as they are now."""
        return set_rules.tag(seed, await self._store.job_sets.versions(scope, self._caller.tasks))

    async def plan_set(self, asked: JobSet, tags: frozenset[str] | None) -> SetDone:
        """What `put_set` would do now. Raises Invalid with all that is wrong."""
        standing, redaction = await self._standing(asked), self._issued_now().signature.redaction

        def done(go_on: GoOn) -> SetDone:
            steps = _steps(asked, standing, tags, self._store.job_sets.most, go_on)
            parts = list[SetPart]()
            for number, step in enumerate(steps):
                if number % OFTEN == 0:
                    go_on()
                parts.append(SetPart.planned(step, redaction))
            job_set.let_go(steps, standing.jobs)
            return SetDone(parts=parts, tag=set_rules.tag(asked.seed, standing.inside, standing.outside))

        return await self.in_thread(done)

    async def put_set(self, asked: JobSet, tags: frozenset[str] | None) -> SetDone:
        """Make the jobs of the set what is wanted of them. Raises Stale if its tag is not among `tags`."""
        await self._discard_abandoned()
        issued = self._issued_now()
        order = PutJobs(wanted=asked.wanted, scope=asked.scope, prune=asked.prune, tags=tags, seed=asked.seed)
        try:
            done = await self._put_staged(asked, order, issued)
        finally:
            await self._discard(issued.signature.id)
        if done.group is not None:
            self._then(self._parts.wake, None)
        for begin in range(0, len(done.entries), TOLD):
            if begin:
                await deferLater(self._reactor, 0)
            for entry in done.entries[begin : begin + TOLD]:
                tell(entry)
        return done

    async def _put_staged(self, asked: JobSet, order: PutJobs, issued: Issued) -> SetDone:
        """Stage what is to be done, and carry it out. What has moved meanwhile is planned anew, which takes less time
        each round."""
        set_id, tags = issued.signature.id, order.tags
        standing, some, steps = await self._standing(asked), asked, dict[str, Step]()
        for left in reversed(range(ROUNDS)):
            planning = partial(_planned, some, standing, issued, tags, self._store.job_sets.most, before=steps)
            planned = await self.in_thread(planning)
            if order.staged or len(planned.pieces) > 1 or any(len(piece) > SINGLY for piece in planned.pieces):
                for piece in planned.pieces:
                    await self._store.job_sets.stage(set_id, piece, again=bool(order.staged))
                order = attrs.evolve(order, staged=set_id)
            steps = planned.steps
            sound = {job_id: step for job_id, step in steps.items() if job_id not in standing.late}
            order = attrs.evolve(order, steps=sound, most=SINGLY if left else None)
            try:
                done = await self._audit_log.perform(order, self._issued_now(issued))
            except Moved as moved:
                ids, tags = frozenset(moved.ids), None  # the order looks at the tag again
                some = attrs.evolve(asked, wanted=[each for each in asked.wanted if each.job_id in ids])
                standing = await self._standing(some, sorted(ids))
            else:
                await self._let_go(steps, planned.pieces, standing.jobs)
                return done
        raise AssertionError("the last round has no limit")

    async def _standing(self, asked: JobSet, ids: Sequence[str] | None = None) -> Standing:
        """What there is for the whole set, or for these jobs."""
        given = [each.job_id for each in asked.wanted] if ids is None else ids
        instant, whole = now(self._clock), asked.prune and ids is None
        return await self._store.job_sets.standing(given, asked.scope, self._caller, instant, whole=whole)

    def _issued_now(self, before: Issued | None = None) -> Issued:
        """An order that is given now, under the same id as one before."""
        signature = self._audit_log.signature(self._caller, self._now())
        if before is not None:
            signature = attrs.evolve(signature, id=before.signature.id)
        return Issued(signature=signature, caller=self._caller, node_id=self._me, ids=self._ids)

    async def _discard_abandoned(self) -> None:
        """Forget what a node left that died, or lost the database, before it had carried it out."""
        while (set_id := await self._store.job_sets.abandoned(now(self._clock) - ABANDONED)) is not None:
            await self._discard(set_id)

    async def _discard(self, set_id: str) -> None:
        """The set is put, or is not: a fault here must not make it look otherwise."""
        with self.log.failuresHandled("what was staged of a set of jobs could not be discarded"):
            while await self._store.job_sets.discard(set_id, PIECE) == PIECE:
                pass

    async def _let_go(self, *held: object) -> None:
        await self.surely(lambda _: job_set.let_go(*held))

    async def surely(self, work: Callable[[GoOn], T]) -> T:
        """Do work off the reactor; or here, where that has no room or is about to end. For what follows an order that
        was carried out, and must not look as if it was not."""
        try:
            return await self.in_thread(work)
        except (Busy, Unavailable):
            return work(lambda: None)
