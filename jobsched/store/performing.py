"""Performing a caller's order in one transaction: check what the caller sees, carry out, write the entry. `commands`
does the work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import attrs

from ..model.audit import Entry
from ..model.caller import Caller
from ..model.errors import JobschedError, Stale, no_job, no_run
from ..model.hold import Hold
from ..model.job import Job, JobView, Pause
from ..model.job_key import JobKey
from ..model.key_orders import MakeKey, RevokeKey
from ..model.order import (
    REPLACED,
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
    Ran,
    ReleaseHold,
    Reload,
    RerunRun,
    ResumeJob,
    RunJob,
)
from ..model.run import Run
from . import commands, creation, holding, job_ids, job_keys, settling
from .ordering import Records

T = TypeVar("T")


def perform(records: Records, order: Order[T], issued: Issued) -> Performed[T]:
    """As `contract.Orders.perform` has it, for the orders in `HOW`. Raises what the order does."""
    performed: Performed[T] = HOW[type(order)](records, order, issued)
    return performed


def create_all(records: Records, asked: Sequence[tuple[CreateJob, Issued]]) -> list[Performed[str] | JobschedError]:
    """Orders to store jobs that came through one node, in order; each performed, or what it is refused for."""
    added = creation.add_all(records, [order for order, _ in asked], asked[0][1].node_id)
    signed = [
        issued.signature.of_job(None, order.job) if not isinstance(result, JobschedError) and result[1] else None
        for (order, issued), result in zip(asked, added, strict=True)
    ]
    entries = iter(_entered(records, [entry for entry in signed if entry is not None]))
    return [
        result
        if isinstance(result, JobschedError)
        else Performed(answer=result[0], entry=None if entry is None else next(entries))
        for result, entry in zip(added, signed, strict=True)
    ]


def _create(records: Records, order: CreateJob, issued: Issued) -> Performed[str]:
    (created,) = create_all(records, [(order, issued)])
    if isinstance(created, JobschedError):
        raise created
    return created


def _change(records: Records, order: ChangeJob, issued: Issued) -> Performed[JobView]:
    before = _held(records, order.job_id, issued)
    commands.change(
        records, order.job_id, order.versions, issued.ids, issued.now, order.revise, issued.node_id
    )  # fmt: skip
    return _changed(records, before, issued)


def _put(records: Records, order: PutJob, issued: Issued) -> Performed[Put]:
    found = records.hold_job(order.job_id)
    if found is not None:
        before = settling.as_of(records, found, issued.ids, issued.now)
        return _replace(records, before, order, issued)
    if order.present:
        raise Stale(f"there is no job {order.job_id}")
    job_ids.must_have_been_seen(records, order.job_id, issued.caller)
    made = commands.revive(
        records, order.job_id, issued.now, lambda instant: order.revise(None, instant), issued.node_id
    )
    view = records.view(made.id, issued.now)
    return _performed(records, Put(view=view, made=True), issued.signature.of_job(None, made))


def _replace(records: Records, before: Job, order: PutJob, issued: Issued) -> Performed[Put]:
    if not issued.caller.sees(before.task):
        raise job_ids.taken(before.id)
    if order.absent:
        raise Stale(f"there is a job {before.id}, at version {before.version}")
    commands.change(
        records, before.id, order.versions, issued.ids, issued.now, order.revise, issued.node_id, unless_same=True
    )  # fmt: skip
    changed = _changed(records, before, issued)
    return Performed(answer=Put(view=changed.answer, made=False), entry=changed.entry)


def _pause(records: Records, order: PauseJob, issued: Issued) -> Performed[JobView]:
    before = _held(records, order.job_id, issued)
    wanted = Pause(by=issued.signature.who, at=issued.now, until=order.until, reason=order.reason)
    commands.pause(records, order.job_id, wanted, issued.ids, issued.node_id, order.versions)
    return _changed(records, before, issued)


def _resume(records: Records, order: ResumeJob, issued: Issued) -> Performed[JobView]:
    before = _held(records, order.job_id, issued)
    commands.resume(records, order.job_id, issued.ids, issued.now, issued.node_id, order.versions)
    return _changed(records, before, issued)


def _delete(records: Records, order: DeleteJob, issued: Issued) -> Performed[list[Run]]:
    before = _held(records, order.job_id, issued)
    running = commands.remove(
        records, order.job_id, issued.ids, issued.now, order.cancel, issued.node_id, order.versions
    )
    ended = [run for run in running if run.stop == order.cancel]  # others were ended already, for another reason
    return _performed(records, running, issued.signature.of_removal(before, ended))


def _run(records: Records, order: RunJob, issued: Issued) -> Performed[Ran]:
    """If the job does not exist, the command decides: it may know the caller's key."""
    _must_see_job(records, order.job_id, issued.caller)
    asked = order.parameters

    def changed(job: Job, run: Run) -> Run:
        return run if asked is None else attrs.evolve(run, parameters=asked(job))

    ran = commands.run_now(
        records, order.job_id, order.key, issued.ids, issued.now, order.peers, issued.node_id, order.versions,
        force=order.force, begin=order.due, changed=changed,
    )  # fmt: skip
    return _started(records, ran, issued)


def _rerun(records: Records, order: RerunRun, issued: Issued) -> Performed[Ran]:
    _must_see_run(records, order.run_id, issued.caller)
    ran = commands.rerun(
        records, order.run_id, order.key, issued.ids, issued.now, order.peers, issued.node_id, force=order.force
    )  # fmt: skip
    return _started(records, ran, issued)


def _started(records: Records, ran: Ran, issued: Issued) -> Performed[Ran]:
    replaced = [run for run in ran.replaced if run.stop == REPLACED]
    return _performed(records, ran, None if ran.again else issued.signature.of_start(ran.run, replaced))


def _put_hold(records: Records, order: PutHold, issued: Issued) -> Performed[Hold]:
    wanted = attrs.evolve(order.hold, by=issued.signature.who, at=issued.now, tasks=issued.caller.tasks)
    before, after = holding.put(records, wanted, order.versions, order.anew, issued.node_id, issued.caller)
    return _performed(records, after, issued.signature.of_hold("hold.put", before, after))


def _release(records: Records, order: ReleaseHold, issued: Issued) -> Performed[Hold]:
    before = holding.release(records, order.versions, issued.now, issued.node_id, issued.caller)
    return _performed(records, before, issued.signature.of_hold("hold.delete", before, None))


def _make_key(records: Records, order: MakeKey, issued: Issued) -> Performed[JobKey]:
    _must_see_job(records, order.job_id, issued.caller)
    job = commands.held(records, order.job_id)
    key = job_keys.make(records, job, order, issued)
    return _performed(records, key, issued.signature.of_key(job, None, key))


def _revoke_key(records: Records, order: RevokeKey, issued: Issued) -> Performed[JobKey]:
    _must_see_job(records, order.job_id, issued.caller)
    job = commands.held(records, order.job_id)
    key = job_keys.revoke(records, job, order)
    return _performed(records, key, issued.signature.of_key(job, key, None))


def _cancel(records: Records, order: CancelRun, issued: Issued) -> Performed[Run]:
    _must_see_run(records, order.run_id, issued.caller)
    records.hold_job_of(order.run_id)
    before = records.hold_run(order.run_id)
    answer = commands.cancel(records, order.run_id, order.reason, issued.now, issued.node_id)
    after = records.get_run(order.run_id)
    return _performed(records, answer, issued.signature.of_end(before, after) if before and after else None)


def _reload(records: Records, order: Reload, issued: Issued) -> Performed[None]:
    entry = issued.signature.under("catalog.reload", before=order.before, after=order.after)
    return _performed(records, None, entry)


def _held(records: Records, job_id: str, issued: Issued) -> Job:
    _must_see_job(records, job_id, issued.caller)
    return settling.as_of(records, commands.held(records, job_id), issued.ids, issued.now)


def _changed(records: Records, before: Job, issued: Issued) -> Performed[JobView]:
    """The job after the change, and how it differs. Both are read here: after the commit, somebody else may change or
    delete the job, and the store may be away."""
    after = records.view(before.id, issued.now)
    return _performed(records, after, issued.signature.of_job(before, after.job))


def _performed(records: Records, answer: T, entry: Entry | None) -> Performed[T]:
    if entry is None:
        return Performed(answer=answer, entry=None)
    return Performed(answer=answer, entry=_entered(records, [entry])[0])


def _entered(records: Records, entries: Sequence[Entry]) -> list[Entry]:
    """The entries, as they stand in the audit log now."""
    for entry in entries:
        records.telling.have_entered(entry)
    return records.enter(entries)


def _must_see_job(records: Records, job_id: str, caller: Caller) -> None:
    """Raises NotFound if the job exists and the caller does not see it. The job is held from now on."""
    if caller.tasks is not None:
        task = records.task_of_job(job_id)
        if task is not None and not caller.sees(task):
            raise no_job(job_id)


def _must_see_run(records: Records, run_id: str, caller: Caller) -> None:
    """The same for a run; it is not held."""
    if caller.tasks is not None:
        task = records.task_of_run(run_id)
        if task is not None and not caller.sees(task):
            raise no_run(run_id)


HOW: Mapping[type[Order[Any]], Callable[[Records, Any, Issued], Performed[Any]]] = {
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
}
