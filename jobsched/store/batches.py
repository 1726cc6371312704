"""One order on many jobs, in one transaction: all of it or nothing, or each part that can be done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import attrs

from ..model.audit import Entry
from ..model.batch import MOST, Batch, Part
from ..model.errors import Conflict, Forbidden, Invalid, JobschedError, NotFound, Stale
from ..model.job import Job, JobView
from ..model.order import BatchJobs, Issued, Order, Performed, Ran
from ..model.selection import Selection

Perform = Callable[[Order[Any], Issued], Performed[Any]]
REFUSALS = (Conflict, Forbidden, Invalid, NotFound, Stale)


class Records(Protocol):
    """What is asked of a transaction, and written in it."""

    def hold_selected(self, selection: Selection, tasks: tuple[str, ...] | None, most: int) -> list[Job]:
        """Up to `most` jobs, by id, that are selected and whose tasks match one of these patterns; held from now on."""

    def apart(self) -> AbstractContextManager[None]:
        """What is done inside is undone if it is refused, and nothing else."""

    def undone(self) -> AbstractContextManager[None]:
        """What is done inside is undone."""

    def enter(self, entries: Sequence[Entry]) -> list[Entry]:
        """As `ordering.Records.enter`."""


def perform(records: Records, order: BatchJobs, issued: Issued, one: Perform) -> Performed[Batch]:
    """As `model.order.BatchJobs` has it; `one` performs the order on one job."""
    found = _held(records, order, issued)
    if order.plan:
        with records.undone():
            batch, _ = _all(records, order, issued, one, found)
        return Performed(answer=attrs.evolve(batch, ended=(), replaced=()), entry=None)
    batch, parts = _all(records, order, issued, one, found)
    if not parts:
        return Performed(answer=batch, entry=None)
    mine = issued.signature  # its id is older than those of the parts
    signature = attrs.evolve(mine, id=issued.ids.make(issued.now), group=mine.id)
    asked = {"action": order.action, "select": order.select.fields, "jobs": len(parts)}
    (entry,) = records.enter([signature.under("jobs.batch", after=asked)])
    return Performed(answer=batch, entry=entry, parts=parts)


def _held(records: Records, order: BatchJobs, issued: Issued) -> list[Job]:
    """The jobs that are meant and that the caller sees, held until the transaction ends. Raises Invalid, Stale."""
    found = records.hold_selected(order.select, issued.caller.tasks, MOST + 1)
    if len(found) > MOST:
        raise Invalid(f"selects more than {MOST} jobs", "/select")
    if order.versions is not None and not (order.partial or order.plan):
        there = {job.id for job in found}
        differ = [job.id for job in found if _is_stale(order, job)]
        differ += [job_id for job_id in order.versions if job_id not in there]
        if differ:
            raise Stale(f"not at the versions that were seen: {', '.join(differ)}")
    return found


def _is_stale(order: BatchJobs, job: Job) -> bool:
    return order.versions is not None and order.versions.get(job.id) != job.version


def _all(
    records: Records, order: BatchJobs, issued: Issued, one: Perform, found: list[Job]
) -> tuple[Batch, tuple[Entry, ...]]:
    parts, entries, ended, replaced = list[Part](), list[Entry](), list[Any](), list[Any]()
    for job in found:
        if _is_stale(order, job):
            parts.append(Part(job_id=job.id, name=job.name, result="stale", version=job.version))
            continue
        mine = attrs.evolve(issued.signature, id=issued.ids.make(issued.now), group=issued.signature.id)
        try:
            with records.apart() if order.partial or order.plan else nullcontext():
                performed = one(order.order(job.id), attrs.evolve(issued, signature=mine))
        except REFUSALS as why:
            if not (order.partial or order.plan):
                raise _of(why, job) from why
            parts.append(Part(job_id=job.id, name=job.name, result="refused", detail=str(why), version=job.version))
            continue
        parts.append(_done(job, performed, order.plan))
        if performed.entry is not None:
            entries.append(performed.entry)
        if isinstance(performed.answer, list):
            ended += performed.answer
        elif isinstance(performed.answer, Ran):
            replaced += performed.answer.replaced
    there = {job.id for job in found}
    for job_id in () if order.versions is None else (each for each in order.versions if each not in there):
        parts.append(Part(job_id=job_id, name="", result="stale", detail="it is not among those that are selected"))
    return Batch(parts=tuple(parts), ended=tuple(ended), replaced=tuple(replaced)), tuple(entries)


def _done(job: Job, performed: Performed[object], plan: bool) -> Part:
    answer, entry = performed.answer, performed.entry
    part = Part(job_id=job.id, name=job.name, result="unchanged" if entry is None else "done")
    if entry is not None:
        part = attrs.evolve(part, before=entry.before, after=entry.after)
    if isinstance(answer, JobView):
        return attrs.evolve(part, version=answer.job.version, next_due=answer.job.next_due)
    if isinstance(answer, Ran):
        run_id = None if plan else answer.run.id
        return attrs.evolve(part, version=job.version, next_due=job.next_due, run_id=run_id)
    return part


def _of(why: JobschedError, job: Job) -> JobschedError:
    """The same, and which job it is."""
    if isinstance(why, Invalid):
        return Invalid(f"{why.detail} (job {job.id})", why.pointer, why.more)
    return type(why)(f"job {job.id}: {why}")
