"""Sets of jobs in MongoDB: see `store.job_sets` and `store.standing`.

Nothing is staged: in a transaction, MongoDB copies nothing from one collection to another, so each job is sent by this
process anyway. What was planned is sent as it is, in few commands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from twisted.internet.defer import Deferred, succeed

from ...model import job_set
from ...model.caller import Caller, is_among
from ...model.claim import DELETED
from ...model.ids import is_word
from ...model.job import Job
from ...model.job_set import SetDone, Standing, Step
from ...model.labels import Label
from ...model.order import Issued, Performed, PutJobs
from ...model.retry import OTHER_TASK
from ...model.run import Run
from .. import job_ids, job_sets, performing
from .. import standing as standings
from ..contract import job_sets as contract
from ..job_columns import RULE, SAID, WATCH
from . import job_keys, jobs, ordering, outcomes
from .documents import Document, from_document, instant_to_number, to_document
from .transaction import Filter, Noun, Transaction

MOST: Final = 2000  # jobs that are made, changed and deleted at once: see docs/cluster.rst
SHARE: Final = 100  # ids in one command: SecantusDB 0.7.0b3 looks through all of them for each document
_TURN: Final = "job_set"


class JobSets(Noun, contract.JobSets):
    most = MOST

    def standing(
        self, ids: Sequence[str], scope: Label | None, caller: Caller, now: datetime, *, whole: bool
    ) -> Deferred[Standing]:
        return self._in.read(standing, ids, scope, caller, now, whole=whole)

    def versions(self, scope: Sequence[Label], tasks: tuple[str, ...] | None) -> Deferred[dict[str, int]]:
        return self._in.read(versions, scope, tasks)

    def stage(self, set_id: str, steps: Sequence[Step], *, again: bool = False) -> Deferred[None]:
        """Nothing is kept."""
        return succeed(None)

    def discard(self, set_id: str, most: int) -> Deferred[int]:
        """Nothing was kept."""
        return succeed(0)

    def abandoned(self, before: datetime) -> Deferred[str | None]:
        """Nothing was kept."""
        return succeed(None)


def standing(
    transaction: Transaction, ids: Sequence[str], scope: Label | None, caller: Caller, now: datetime, *, whole: bool
) -> Standing:  # fmt: skip
    """As `JobSets.standing`."""
    return standings.standing(Records(transaction), ids, scope, caller, now, whole=whole)


def versions(transaction: Transaction, scope: Sequence[Label], tasks: tuple[str, ...] | None) -> dict[str, int]:
    """As `JobSets.versions`. Labels are one text, so all jobs are looked at."""
    fields = {"version": 1, "task": 1} | ({"labels": 1} if scope else {})
    found = (jobs.some_fields(each) for each in transaction.find("jobs", {}, fields=fields))
    return {
        each["_id"]: each["version"]
        for each in found
        if is_among(each["task"], tasks) and all(label.fits(each["labels"]) for label in scope)
    }


def perform(transaction: Transaction, order: PutJobs, issued: Issued) -> Performed[SetDone]:
    """As `job_sets.perform`."""
    records = Records(transaction)
    return job_sets.perform(records, order, issued, lambda each, by: performing.perform(records, each, by))


class Records(ordering.Records, job_sets.Records, standings.Records):
    """What a set asks of a transaction besides. A job that is switched is held by that: it is written."""

    most = MOST

    def take_turn(self) -> None:
        """Another set that is put meanwhile is undone, or this one is."""
        self._in.hold("settings", _TURN)

    def versions(self, scope: Sequence[Label], tasks: tuple[str, ...] | None) -> dict[str, int]:
        return versions(self._in, scope, tasks)

    def versions_of(self, ids: Sequence[str], tasks: tuple[str, ...] | None) -> dict[str, int]:
        found = self._shares("jobs", "_id", ids, {"version": 1, "task": 1})
        return {each["_id"]: each["version"] for each in found if is_among(each["task"], tasks)}

    def by_ids(self, ids: Sequence[str]) -> dict[str, Job]:
        return {each["_id"]: jobs.from_document(each) for each in self._shares("jobs", "_id", ids)}

    def held(self, ids: Sequence[str]) -> dict[str, Job]:
        self._in.hold_all("jobs", sorted(ids))
        return self.by_ids(ids)

    def former(self, ids: Sequence[str]) -> dict[str, tuple[str, int]]:
        return {each["_id"]: (each["task"], each["version"]) for each in self._shares("former_jobs", "_id", ids)}

    def ran(self, ids: Sequence[str]) -> set[str]:
        return {each["job_id"] for each in self._shares("runs", "job_id", ids, {"job_id": 1})}

    def ahead(self, ids: Sequence[str], instant: datetime) -> frozenset[str]:
        later = {"$gt": instant_to_number(instant)}
        found = self._in.find("runs", {"$or": [{"due": later}, {"until": later}]}, fields={"job_id": 1})
        return frozenset({each["job_id"] for each in found}.intersection(ids))

    def quiet(self, staged: str, planned: Sequence[Step], now: datetime) -> set[str]:
        if words := [step.job.id for step in planned if step.what == "create" and is_word(step.job.id)]:
            job_ids.must_be_known_to_all(self, words[0])
        there = self.by_ids([step.job.id for step in planned])
        last = self.former([step.job.id for step in planned if step.what == "create"])
        return {
            step.job.id
            for step in planned
            if job_set.is_quiet(step, there.get(step.job.id), last.get(step.job.id, ("", None))[1], now)
        }

    def switch(self, staged: str, steps: Sequence[Step], asker: str, now: datetime) -> None:
        changed = [step for step in steps if step.what == "change"]
        gone = [step.job for step in steps if step.what == "delete"]
        self._end_what_waits(gone, changed, now)
        revived = [step.job.id for step in steps if step.what == "create" and job_set.former_version(step) is not None]
        self._forget("former_jobs", [*revived, *(job.id for job in gone)])
        jobs.add(self._in, [step.job for step in steps if step.what == "create"])
        self._in.update_each("jobs", (({"_id": step.job.id}, _difference(step)) for step in changed))
        self._in.insert("former_jobs", (ordering.former(job, now) for job in gone))
        self._forget("jobs", [job.id for job in gone])
        for some in _shared([job.id for job in gone]):
            job_keys.forget(self._in, some)
        entries = [job_set.carried_out(step.entry, now) for step in steps if step.entry is not None]
        self._in.insert("audit", map(to_document, entries))
        self._in.ids.make(now + job_sets.AFTER)
        for step in steps:
            self._in.have_done(step.job, step.what)
        self.wake(asker)

    def _end_what_waits(self, gone: Sequence[Job], changed: Sequence[Step], now: datetime) -> None:
        others = [step.job.id for step in changed if step.before is not None and step.before.task != step.job.task]
        self._cancel([job.id for job in gone], {}, DELETED, now)
        self._cancel(others, {"cause": "retry"}, OTHER_TASK, now)

    def _cancel(self, job_ids: Sequence[str], which: Filter, reason: str, now: datetime) -> None:
        for some in _shared(job_ids):
            waiting = self._in.find("runs", {**which, "job_id": {"$in": some}, "state": "waiting"})
            outcomes.end_waiting(self._in, [from_document(Run, each) for each in waiting], "cancelled", reason, now)

    def _shares(self, name: str, field: str, ids: Sequence[str], fields: Document | None = None) -> Iterable[Document]:
        for some in _shared(ids):
            yield from self._in.find(name, {field: {"$in": some}}, fields=fields)

    def _forget(self, name: str, ids: Sequence[str]) -> None:
        for some in _shared(ids):
            self._in.delete(name, {"_id": {"$in": some}})


def _shared(ids: Sequence[str]) -> Iterator[list[str]]:
    for begin in range(0, len(ids), SHARE):
        yield list(ids[begin : begin + SHARE])


def _difference(step: Step) -> Document:
    """What is written of a job that is changed. Where its rule stays, so does what claims have written meanwhile."""
    names = [*SAID, *(RULE if job_set.moves(step) else ()), *(WATCH if job_set.anew(step) else ())]
    fields = jobs.fields_of(step.job)
    return {name: fields[name] for name in names}
