"""A whole set of jobs in one transaction: made, changed and deleted as each job by itself, one set after the other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import attrs

from ..model import job_set, set_rules
from ..model.audit import Entry
from ..model.errors import Invalid, Moved, NotFound
from ..model.job import Job
from ..model.job_set import SetDone, SetPart, Step, Wanted
from ..model.labels import Label
from ..model.order import DeleteJob, Issued, Order, Performed, Put, PutJob, PutJobs

AFTER: Final = timedelta(milliseconds=1)  # the entries of jobs that are switched take the whole of a millisecond
Perform = Callable[[Order[Any], Issued], Performed[Any]]


class Records(Protocol):
    """What is asked of a transaction, and written in it.

    To switch a job is to write it as it was planned, at once with all others, without settling dues. A job is quiet if
    it may be switched: it is as it was when it was planned, and none of its dues, nor the end of its pause, has come.
    """

    @property
    def most(self) -> int | None:
        """As `contract.JobSets.most`."""

    def take_turn(self) -> None:
        """Wait until no other set is put, or have this one made again."""

    def now(self, local: datetime) -> datetime:
        """The time to go by."""

    def versions(self, scope: Sequence[Label], tasks: tuple[str, ...] | None) -> dict[str, int]:
        """As `contract.JobSets.versions`."""

    def versions_of(self, ids: Sequence[str], tasks: tuple[str, ...] | None) -> dict[str, int]:
        """The versions of the jobs of these ids that are there and whose task matches one of the patterns."""

    def held(self, ids: Sequence[str]) -> dict[str, Job]:
        """The jobs of these ids that are there, held from now on."""

    def quiet(self, staged: str, planned: Sequence[Step], now: datetime) -> set[str]:
        """The ids of the jobs of these steps that are quiet and can be switched; they are held from now on. Raises
        Conflict, as `job_ids.must_be_known_to_all`."""

    def switch(self, staged: str, steps: Sequence[Step], asker: str, now: datetime) -> None:
        """Switch these jobs: they are all that are quiet. Waiting runs are cancelled as by the orders on one job, each
        entry is written, and those who follow changes are told."""

    def enter(self, entries: Sequence[Entry]) -> list[Entry]:
        """As `ordering.Records.enter`."""


def perform(records: Records, order: PutJobs, issued: Issued, one: Perform) -> Performed[SetDone]:
    """As `model.order.PutJobs` has it; `one` performs the order on one job."""
    records.take_turn()
    tasks = issued.caller.tasks
    scope = () if order.scope is None else (order.scope,)
    inside = records.versions(scope, tasks)
    others = [each.job_id for each in order.wanted if each.job_id not in inside]
    outside = records.versions_of(others, tasks)
    set_rules.must_fit(order.tags, set_rules.tag(order.seed, inside, outside))
    done = _Carrying(records, order, issued, one, inside)
    done.all({**inside, **outside})
    tag = set_rules.tag(order.seed, records.versions(scope, tasks))
    parts = sorted(done.parts, key=lambda part: part.job_id)
    answer = SetDone(parts=parts, tag=tag, entries=done.entries)
    if not done.entries:
        return Performed(answer=answer, entry=None)
    mine = issued.signature  # its id is that of what is staged, and older
    after = records.now(issued.now) + AFTER
    signature = attrs.evolve(mine, id=issued.ids.make(after), group=mine.id)
    asked = {"scope": None if order.scope is None else order.scope.text, "prune": order.prune, **answer.counts}
    (entry,) = records.enter([signature.under("jobs.put", after=asked)])
    return Performed(answer=attrs.evolve(answer, group=entry.group), entry=entry)


class _Carrying:
    """One set that is carried out."""

    def __init__(
        self, records: Records, order: PutJobs, issued: Issued, one: Perform, scope: Collection[str]
    ) -> None:  # fmt: skip
        self._records = records
        self._order = order
        self._issued = issued
        self._one = one
        self._scope = sorted(scope)
        self.parts: list[SetPart] = []
        self.entries: list[Entry] = []

    def all(self, there: Mapping[str, int]) -> None:
        """Do to each job what is to be done; `there` are the versions of those that there are. Raises Moved, and what
        the orders on one job do."""
        order, records = self._order, self._records
        now = records.now(self._issued.now)
        planned = [step for step in order.steps.values() if step.what != "keep"]
        quiet = records.quiet(order.staged, planned, now)
        singly = {wanted.job_id: wanted for wanted in self._left(there, quiet)}
        named = {wanted.job_id for wanted in order.wanted}
        gone = [job_id for job_id in self._scope if job_id not in named and job_id not in quiet] if order.prune else []
        if order.most is not None and len(singly) + len(gone) > order.most:
            raise Moved([*singly, *gone])
        set_rules.must_go_at_once(len(quiet) + len(singly) + len(gone), records.most)
        switched = [step for step in planned if step.job.id in quiet]
        if switched:
            records.switch(order.staged, switched, self._issued.node_id, now)
        for step in switched:
            self._note(step)
        before = records.held([*singly, *gone])
        for job_id in sorted([*singly, *gone]):  # the order of those that are switched
            if job_id in singly:
                self._put(singly[job_id], before.get(job_id))
            elif job_id in before:
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
            performed: Performed[Put] = self._one(order, self._part())
        except (Invalid, NotFound) as why:
            raise wanted.pointing(why) from why
        after, entry = performed.answer.view.job, performed.entry
        what: job_set.What = "create" if performed.answer.made else "keep" if entry is None else "change"
        self._note(Step(what=what, before=None if performed.answer.made else before, after=after, entry=entry))

    def _delete(self, before: Job) -> None:
        performed = self._one(DeleteJob(job_id=before.id), self._part())
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
