"""A whole set of jobs in one transaction: made, changed and deleted as each job by itself, one set after the other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs
from sqlalchemy import insert, update
from twisted.internet.defer import Deferred

from ...model import job_set
from ...model.audit import Entry
from ...model.caller import Caller
from ...model.errors import Invalid, Moved, NotFound
from ...model.job import Job
from ...model.job_set import SetDone, SetPart, Standing, Step, Wanted
from ...model.labels import Label
from ...model.order import DeleteJob, Issued, Order, Performed, Put, PutJob, PutJobs
from ..contract import job_sets as contract
from . import audit, staging, standing
from .tables import settings
from .transaction import Noun, Transaction, by_indexes, database_now

Perform = Callable[[Transaction, Order[Any], Issued], Performed[Any]]

_LOCK = settings.c.name == "job_set"


class JobSets(Noun, contract.JobSets):
    def standing(
        self, ids: Sequence[str], scope: Label | None, caller: Caller, now: datetime, *, whole: bool
    ) -> Deferred[Standing]:
        return self._in.read(standing.standing, ids, scope, caller, now, whole=whole)

    def versions(self, scope: Sequence[Label], tasks: tuple[str, ...] | None) -> Deferred[dict[str, int]]:
        return self._in.read(standing.versions, scope, tasks)

    def stage(self, set_id: str, steps: Sequence[Step], *, again: bool = False) -> Deferred[None]:
        return self._in.write(staging.stage, set_id, steps, again=again)

    def discard(self, set_id: str, most: int) -> Deferred[int]:
        return self._in.write(staging.discard, set_id, most)

    def abandoned(self, before: datetime) -> Deferred[str | None]:
        return self._in.read(staging.abandoned, before)


def perform(transaction: Transaction, order: PutJobs, issued: Issued, one: Perform) -> Performed[SetDone]:
    """As `model.order.PutJobs` has it; `one` performs the order on one job."""
    _take_turn(transaction)
    by_indexes(transaction)
    tasks = issued.caller.tasks
    scope = () if order.scope is None else (order.scope,)
    inside = standing.versions(transaction, scope, tasks)
    others = [each.job_id for each in order.wanted if each.job_id not in inside]
    outside = standing.versions_of(transaction, others, tasks)
    job_set.must_fit(order.tags, job_set.tag(order.seed, inside, outside))
    done = _Carrying(transaction, order, issued, one, inside)
    done.all({**inside, **outside})
    tag = job_set.tag(order.seed, standing.versions(transaction, scope, tasks))
    parts = sorted(done.parts, key=lambda part: part.job_id)
    answer = SetDone(parts=parts, tag=tag, entries=done.entries)
    if not done.entries:
        return Performed(answer=answer, entry=None)
    mine = issued.signature  # its id is that of what is staged, and older
    signature = attrs.evolve(mine, id=issued.ids.make(issued.now), group=mine.id)
    asked = {"scope": None if order.scope is None else order.scope.text, "prune": order.prune, **answer.counts}
    entry = audit.write(transaction, signature.under("jobs.put", after=asked))
    return Performed(answer=attrs.evolve(answer, group=entry.group), entry=entry)


def _take_turn(transaction: Transaction) -> None:
    """Wait until no other set is put. Of two that are the first of all, one begins anew."""
    if transaction.execute(update(settings).where(_LOCK).values(value=1)).rowcount == 0:
        transaction.execute(insert(settings).values(name="job_set", value=1))


class _Carrying:
    """One set that is carried out."""

    def __init__(
        self, transaction: Transaction, order: PutJobs, issued: Issued, one: Perform, scope: Collection[str]
    ) -> None:  # fmt: skip
        self._transaction = transaction
        self._order = order
        self._issued = issued
        self._one = one
        self._scope = sorted(scope)
        self.parts: list[SetPart] = []
        self.entries: list[Entry] = []

    def all(self, there: Mapping[str, int]) -> None:
        """Do to each job what is to be done; `there` are the versions of those that there are. Raises Moved, and what
        the orders on one job do."""
        order, transaction = self._order, self._transaction
        now = database_now(transaction, self._issued.now)
        planned = [step for step in order.steps.values() if step.what != "keep"] if order.staged else []
        quiet = staging.quiet(transaction, order.staged, planned, now) if planned else set[str]()
        singly = self._left(there, quiet)
        named = {wanted.job_id for wanted in order.wanted}
        gone = [job_id for job_id in self._scope if job_id not in named and job_id not in quiet] if order.prune else []
        if order.most is not None and len(singly) + len(gone) > order.most:
            raise Moved([*(wanted.job_id for wanted in singly), *gone])
        if quiet:
            staging.carry_out(transaction, order.staged, self._issued.node_id, now)
        for step in planned:
            if step.job.id in quiet:
                self._note(step)
        before = standing.by_ids(transaction, [*(each.job_id for each in singly), *gone], hold=True)
        for wanted in singly:
            self._put(wanted, before.get(wanted.job_id))
        for job_id in gone:
            if job_id in before:
                self._delete(before[job_id])

    def _left(self, there: Mapping[str, int], quiet: Collection[str]) -> list[Wanted]:
        """The jobs of the set that are looked at again, by id; those that are so already are noted."""
        left: list[Wanted] = []
        for wanted in sorted(self._order.wanted, key=lambda wanted: wanted.job_id):
            step = self._order.steps.get(wanted.job_id)
            if step is not None and step.what == "keep" and _version(step) == there.get(wanted.job_id):
                self._note(step)
            elif wanted.job_id not in quiet:
                left.append(wanted)
        return left

    def _put(self, wanted: Wanted, before: Job | None) -> None:
        order = PutJob(job_id=wanted.job_id, versions=None, revise=wanted.revise)
        try:
            performed: Performed[Put] = self._one(self._transaction, order, self._part())
        except (Invalid, NotFound) as why:
            raise wanted.pointing(why) from why
        after, entry = performed.answer.view.job, performed.entry
        what: job_set.What = "create" if performed.answer.made else "keep" if entry is None else "change"
        self._note(Step(what=what, before=None if performed.answer.made else before, after=after, entry=entry))

    def _delete(self, before: Job) -> None:
        performed = self._one(self._transaction, DeleteJob(job_id=before.id), self._part())
        self._note(Step(what="delete", before=before, after=None, entry=performed.entry))

    def _part(self) -> Issued:
        """The order on one job, signed as a part of this one."""
        mine, issued = self._issued.signature, self._issued
        return attrs.evolve(issued, signature=attrs.evolve(mine, id=issued.ids.make(issued.now), group=mine.id))

    def _note(self, step: Step) -> None:
        self.parts.append(SetPart.of(step))
        if step.entry is not None:
            self.entries.append(step.entry)


def _version(step: Step) -> int | None:
    return None if step.before is None else step.before.version
