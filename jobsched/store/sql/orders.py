"""Performing a caller's order in one transaction: check what the caller sees, carry out, write the entry. `commands`
does the work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import attrs
from sqlalchemy import select

from ...model.audit import Entry
from ...model.errors import JobschedError, Stale
from ...model.hold import Hold
from ...model.job import Job, JobView, Pause
from ...model.job_key import JobKey
from ...model.key_orders import MakeKey, RevokeKey
from ...model.order import (
    REPLACED,
    BatchJobs,
    CancelRun,
    ChangeJob,
    CreateJob,
    DeleteJob,
    Issued,
    Order,
    PauseJob,
    Performed,
    Put,
    PutHold,
    PutJob,
    PutJobs,
    Ran,
    ReleaseHold,
    Reload,
    RerunRun,
    ResumeJob,
    RunJob,
)
from ...model.run import Run
from . import (
    audit,
    batches,
    changes,
    commands,
    creation,
    holds,
    job_columns,
    job_ids,
    job_keys,
    job_sets,
    queries,
    settling,
    visibility,
)
from . import runs as run_rows
from .tables import jobs, runs
from .transaction import Transaction

T = TypeVar("T")


def perform(transaction: Transaction, order: Order[T], issued: Issued) -> Performed[T]:
    """As `contract.Orders.perform` has it. Raises what the order does."""
    performed: Performed[T] = _HOW[type(order)](transaction, order, issued)
    return performed


def create_all(
    transaction: Transaction, asked: Sequence[tuple[CreateJob, Issued]]
) -> list[Performed[str] | JobschedError]:
    """Orders to store jobs that came through one node, in order; each performed, or what it is refused for."""
    added = creation.add_all(transaction, [order for order, _ in asked], asked[0][1].node_id)
    signed = [
        issued.signature.of_job(None, order.job) if not isinstance(result, JobschedError) and result[1] else None
        for (order, issued), result in zip(asked, added, strict=True)
    ]
    entries = iter(_entered(transaction, [entry for entry in signed if entry is not None]))
    return [
        result
        if isinstance(result, JobschedError)
        else Performed(answer=result[0], entry=None if entry is None else next(entries))
        for result, entry in zip(added, signed, strict=True)
    ]


def _create(transaction: Transaction, order: CreateJob, issued: Issued) -> Performed[str]:
    (created,) = create_all(transaction, [(order, issued)])
    if isinstance(created, JobschedError):
        raise created
    return created


def _change(transaction: Transaction, order: ChangeJob, issued: Issued) -> Performed[JobView]:
    before = _held(transaction, order.job_id, issued)
    commands.change(
        transaction, order.job_id, order.versions, issued.ids, issued.now, order.revise, issued.node_id
    )  # fmt: skip
    return _changed(transaction, before, issued)


def _put(transaction: Transaction, order: PutJob, issued: Issued) -> Performed[Put]:
    row = transaction.execute(select(jobs).where(jobs.c.id == order.job_id).with_for_update()).one_or_none()
    if row is not None:
        before = settling.as_of(transaction, job_columns.from_row(row), issued.ids, issued.now)
        return _replace(transaction, before, order, issued)
    if order.present:
        raise Stale(f"there is no job {order.job_id}")
    job_ids.must_have_been_seen(transaction, order.job_id, issued.caller)
    made = commands.revive(
        transaction, order.job_id, issued.now, lambda instant: order.revise(None, instant), issued.node_id
    )
    view = queries.job(transaction, made.id, issued.now)
    return _performed(transaction, Put(view=view, made=True), issued.signature.of_job(None, made))


def _replace(transaction: Transaction, before: Job, order: PutJob, issued: Issued) -> Performed[Put]:
    if not issued.caller.sees(before.task):
        raise job_ids.taken(before.id)
    if order.absent:
        raise Stale(f"there is a job {before.id}, at version {before.version}")
    commands.change(
        transaction, before.id, order.versions, issued.ids, issued.now, order.revise, issued.node_id, unless_same=True
    )  # fmt: skip
    changed = _changed(transaction, before, issued)
    return Performed(answer=Put(view=changed.answer, made=False), entry=changed.entry)


def _pause(transaction: Transaction, order: PauseJob, issued: Issued) -> Performed[JobView]:
    before = _held(transaction, order.job_id, issued)
    wanted = Pause(by=issued.signature.who, at=issued.now, until=order.until, reason=order.reason)
    commands.pause(transaction, order.job_id, wanted, issued.ids, issued.node_id, order.versions)
    return _changed(transaction, before, issued)


def _resume(transaction: Transaction, order: ResumeJob, issued: Issued) -> Performed[JobView]:
    before = _held(transaction, order.job_id, issued)
    commands.resume(transaction, order.job_id, issued.ids, issued.now, issued.node_id, order.versions)
    return _changed(transaction, before, issued)


def _delete(transaction: Transaction, order: DeleteJob, issued: Issued) -> Performed[list[Run]]:
    before = _held(transaction, order.job_id, issued)
    running = commands.remove(
        transaction, order.job_id, issued.ids, issued.now, order.cancel, issued.node_id, order.versions
    )
    ended = [run for run in running if run.stop == order.cancel]  # others were ended already, for another reason
    return _performed(transaction, running, issued.signature.of_removal(before, ended))


def _run(transaction: Transaction, order: RunJob, issued: Issued) -> Performed[Ran]:
    """If the job does not exist, the command decides: it may know the caller's key."""
    visibility.must_see_job(transaction, order.job_id, issued.caller)
    asked = order.parameters

    def changed(job: Job, run: Run) -> Run:
        return run if asked is None else attrs.evolve(run, parameters=asked(job))

    ran = commands.run_now(
        transaction, order.job_id, order.key, issued.ids, issued.now, order.peers, issued.node_id, order.versions,
        force=order.force, begin=order.due, changed=changed,
    )  # fmt: skip
    return _started(transaction, ran, issued)


def _rerun(transaction: Transaction, order: RerunRun, issued: Issued) -> Performed[Ran]:
    visibility.must_see_run(transaction, order.run_id, issued.caller)
    ran = commands.rerun(
        transaction, order.run_id, order.key, issued.ids, issued.now, order.peers, issued.node_id, force=order.force
    )  # fmt: skip
    return _started(transaction, ran, issued)


def _started(transaction: Transaction, ran: Ran, issued: Issued) -> Performed[Ran]:
    replaced = [run for run in ran.replaced if run.stop == REPLACED]
    return _performed(transaction, ran, None if ran.again else issued.signature.of_start(ran.run, replaced))


def _put_hold(transaction: Transaction, order: PutHold, issued: Issued) -> Performed[Hold]:
    wanted = attrs.evolve(order.hold, by=issued.signature.who, at=issued.now, tasks=issued.caller.tasks)
    before, after = holds.put(transaction, wanted, order.versions, order.anew, issued.node_id, issued.caller)
    return _performed(transaction, after, issued.signature.of_hold("hold.put", before, after))


def _release(transaction: Transaction, order: ReleaseHold, issued: Issued) -> Performed[Hold]:
    before = holds.release(transaction, order.versions, issued.now, issued.node_id, issued.caller)
    return _performed(transaction, before, issued.signature.of_hold("hold.delete", before, None))


def _make_key(transaction: Transaction, order: MakeKey, issued: Issued) -> Performed[JobKey]:
    visibility.must_see_job(transaction, order.job_id, issued.caller)
    job = commands.held(transaction, order.job_id)
    key = job_keys.make(transaction, job, order, issued)
    return _performed(transaction, key, issued.signature.of_key(job, None, key))


def _revoke_key(transaction: Transaction, order: RevokeKey, issued: Issued) -> Performed[JobKey]:
    visibility.must_see_job(transaction, order.job_id, issued.caller)
    job = commands.held(transaction, order.job_id)
    key = job_keys.revoke(transaction, job, order)
    return _performed(transaction, key, issued.signature.of_key(job, key, None))


def _cancel(transaction: Transaction, order: CancelRun, issued: Issued) -> Performed[Run]:
    visibility.must_see_run(transaction, order.run_id, issued.caller)
    commands.hold_job_of(transaction, order.run_id)
    transaction.execute(select(runs.c.id).where(runs.c.id == order.run_id).with_for_update())
    before = run_rows.get(transaction, order.run_id)
    answer = commands.cancel(transaction, order.run_id, order.reason, issued.now, issued.node_id)
    after = run_rows.get(transaction, order.run_id)
    return _performed(transaction, answer, issued.signature.of_end(before, after) if before and after else None)


def _reload(transaction: Transaction, order: Reload, issued: Issued) -> Performed[None]:
    entry = issued.signature.under("catalog.reload", before=order.before, after=order.after)
    return _performed(transaction, None, entry)


def _held(transaction: Transaction, job_id: str, issued: Issued) -> Job:
    visibility.must_see_job(transaction, job_id, issued.caller)
    return settling.as_of(transaction, commands.held(transaction, job_id), issued.ids, issued.now)


def _changed(transaction: Transaction, before: Job, issued: Issued) -> Performed[JobView]:
    """The job after the change, and how it differs. Both are read here: after the commit, somebody else may change or
    delete the job, and the store may be away."""
    after = queries.job(transaction, before.id, issued.now)
    return _performed(transaction, after, issued.signature.of_job(before, after.job))


def _performed(transaction: Transaction, answer: T, entry: Entry | None) -> Performed[T]:
    if entry is None:
        return Performed(answer=answer, entry=None)
    return Performed(answer=answer, entry=_entered(transaction, [entry])[0])


def _entered(transaction: Transaction, entries: Sequence[Entry]) -> list[Entry]:
    """The entries, as they stand in the audit log now."""
    for entry in entries:
        changes.of_entry(transaction, entry)
    return audit.write_all(transaction, entries)


_HOW: Mapping[type[Order[Any]], Callable[[Transaction, Any, Issued], Performed[Any]]] = {
    CreateJob: _create,
    ChangeJob: _change,
    PutJob: _put,
    PauseJob: _pause,
    ResumeJob: _resume,
    DeleteJob: _delete,
    RunJob: _run,
    RerunRun: _rerun,
    CancelRun: _cancel,
    PutHold: _put_hold,
    ReleaseHold: _release,
    MakeKey: _make_key,
    RevokeKey: _revoke_key,
    Reload: _reload,
    PutJobs: lambda transaction, order, issued: job_sets.perform(transaction, order, issued, perform),
    BatchJobs: lambda transaction, order, issued: batches.perform(transaction, order, issued, perform),
}
