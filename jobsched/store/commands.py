"""What callers order, each in one transaction: decided on what the store holds at that moment, all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import attrs

from ..model.claim import DELETED, NO_SLOT
from ..model.errors import Conflict, Invalid, JobschedError, NotFound, Stale, no_job, no_run
from ..model.ids import MICROSECOND, Ids
from ..model.job import Job, Pause
from ..model.node import Node
from ..model.order import REPLACED, CreateJob, IdempotencyKey, Ran
from ..model.owed import Stretch, overlap, passed
from ..model.retry import OTHER_TASK
from ..model.run import ANYWHERE, Run
from . import job_ids, start_counts
from .claiming import drop_waiting
from .creation import SOON, add_all
from .ordering import Records
from .placement import Placement, in_place, is_full, placement_of
from .settling import as_of, settle


def add(
    records: Records, job: Job, key: IdempotencyKey | None, asker: str = "", *, chosen: bool = False
) -> tuple[str, bool]:  # fmt: skip
    """Store a job. Returns its id and True, or the id of the job that was made under this key before and False.

    `asker` is the node, here as below; `chosen`: the caller chose the id. Raises Taken, Conflict.
    """
    (result,) = add_all(records, [CreateJob(job=job, key=key, chosen=chosen)], asker)
    if isinstance(result, JobschedError):
        raise result
    return result


def change(
    records: Records, job_id: str, versions: frozenset[int] | None, ids: Ids, now: datetime,
    make: Callable[[Job, datetime], Job], asker: str = "", *, unless_same: bool = False,
) -> Job:  # fmt: skip
    """Replace a job by `make(job, instant)`. If that moves its next due, dues up to `now` are settled, and dues after
    `instant` are new. Otherwise its next due stays what it was, whether it has passed or not. If the job gets another
    task, its retries that wait are cancelled; each other run stays what it was made to be.

    `unless_same`: nothing is done where the job is so already. `versions`, here as below, are the versions that the
    caller has seen; None: any. Raises NotFound, Stale, and what `make` raises.
    """
    job = as_of(records, held(records, job_id, versions), ids, now)
    decided, latest = records.decided(job_id, now)
    changed = make(job, max(now, decided or now))
    if changed == job and unless_same:
        return job
    changed = attrs.evolve(changed, version=job.version + 1, updated=now)
    if latest is not None and latest != decided:
        changed = attrs.evolve(changed, ahead=max(latest + MICROSECOND, job.ahead or latest))
    if changed.schedule != job.schedule or changed.next_due != job.next_due:
        settle(records, job, ids, now, "the job was changed before it could start")
    records.put_job(changed)
    if changed.task != job.task:
        again = [run for run in records.active_of([job_id]) if run.cause == "retry"]
        records.end_waiting(again, "cancelled", OTHER_TASK, now)
    records.wake(asker)
    return changed


def revive(
    records: Records, job_id: str, now: datetime, make: Callable[[datetime], Job], asker: str = ""
) -> Job:  # fmt: skip
    """Store a job of an id that no job has; what is recorded of that id is its past. Its dues are those of
    `make(instant)`, after all that have an outcome. Raises Conflict, and what `make` raises."""
    job_ids.must_be_known_to_all(records, job_id)
    decided, latest = records.decided(job_id, now)
    made = attrs.evolve(make(max(now, decided or now)), created=now, updated=now)
    if latest is not None and latest != decided:
        made = attrs.evolve(made, ahead=latest + MICROSECOND)
    made = attrs.evolve(made, version=job_ids.take(records, job_id))
    records.add_jobs([made], set())
    records.wake(asker)
    return made


def pause(
    records: Records, job_id: str, wanted: Pause, ids: Ids, asker: str = "",
    versions: frozenset[int] | None = None,
) -> Job:  # fmt: skip
    """Let dues pass from now on, which is `wanted.at`; what waits or runs goes on. To pause again with another end or
    reason changes these; with the same, it changes nothing. Raises Invalid when the end has passed."""
    now = wanted.at
    job = as_of(records, held(records, job_id, versions), ids, now)
    said = job.pause or Pause(by=None, at=now)
    if job.paused and (said.until, said.reason) == (wanted.until, wanted.reason):
        return job
    if wanted.is_over(now):
        raise Invalid("lies in the past", "/until")
    since = said.at if job.paused else now
    paused = job if job.paused else job.watched_anew(now)
    paused = attrs.evolve(paused, paused=True, pause=attrs.evolve(wanted, at=since))
    paused = attrs.evolve(paused, version=job.version + 1, updated=now)
    records.put_job(paused)
    if wanted.until is not None and wanted.until - now < SOON:
        records.wake(asker)
    return paused


def resume(
    records: Records, job_id: str, ids: Ids, now: datetime, asker: str = "",
    versions: frozenset[int] | None = None,
) -> Job:  # fmt: skip
    """Go on with the next due; those that passed meanwhile become one skipped stretch."""
    job = as_of(records, held(records, job_id, versions), ids, now)
    if not job.paused:
        return job
    job = settle(records, job, ids, now, "")
    following = job.next_due and (job.next_due if job.next_due > now else job.schedule.next_after(now))
    awake = attrs.evolve(job.watched_anew(now), paused=False, pause=None, next_due=following)
    resumed = attrs.evolve(awake, version=job.version + 1, updated=now)
    records.put_job(resumed)
    records.wake(asker)
    return resumed


def remove(
    records: Records, job_id: str, ids: Ids, now: datetime, cancel: str = "", asker: str = "",
    versions: frozenset[int] | None = None,
) -> list[Run]:  # fmt: skip
    """Delete a job. Runs that wait are cancelled. Active runs are returned. They go on, unless `cancel` gives a reason
    to end them; then they are to be ended for their `stop`."""
    job = held(records, job_id, versions)
    job = as_of(records, job, ids, now)
    settle(records, job, ids, now, "the job was deleted before it could start")
    active = records.active_of([job_id])
    _, running = records.end_waiting(active, "cancelled", DELETED, now)
    records.remove_job(job_id)
    records.keep_former(job, now)
    return records.ask_to_end(running, cancel, asker) if cancel else running


def run_now(
    records: Records, job_id: str, key: IdempotencyKey | None, ids: Ids, now: datetime,
    peers: Sequence[Node] = (), asker: str = "", versions: frozenset[int] | None = None, *, force: bool = False,
    begin: datetime | None = None, changed: Callable[[Job, Run], Run] = lambda _, run: run,
) -> Ran:  # fmt: skip
    """Add a manual run that is due now, or at `begin`, under the job's overlap rule. The run waits until it is claimed,
    or is skipped at once.

    A job that runs on every node gets one run for each living node that can run it; the first of them is returned.
    `peers` are the nodes that were known to live when the run was ordered. What was made under a key is returned again,
    whatever became of the job since. `changed(job, run)` is the run as it is to differ from its job. A job on hold is
    run only with `force`.
    """
    if key is not None and (known := records.recall([key]).made_under(key)) is not None:
        run = records.get_run(known)
        if run is None:
            raise Conflict(f"run {known}, which this key made, is no longer kept")
        return Ran(run=run, again=True)
    job = held(records, job_id, versions)
    hold = records.standing_hold()
    stopped = hold is not None and hold.stops(job) and not hold.is_over(records.now(now))
    if hold is not None and stopped and not force:
        raise Conflict(f"{hold.words}; force=1 runs it all the same")
    living = records.living_nodes(peers, asker, now)
    where = placement_of(job, living) if peers else Placement()
    active = records.ripe_of([job_id], now)
    due = _free_due(records, job, now if begin is None else min(begin, now))
    added: list[Run] = []
    replaced: list[Run] = []
    dropped: list[Run] = []
    for place in where.names or (ANYWHERE,):
        there = in_place(active, place)
        queued = len(there) > 1 and any(run.state == "waiting" for run in there)
        fate, reason = overlap(job.policy, active=bool(there), queued=queued)
        stretch = Stretch(due=due, until=due, count=1, fate=fate, reason=reason)
        why = reason or where.nobody or (NO_SLOT if is_full(job, place, peers) else "waits to be started")
        run = passed(job, stretch, ids.make(now), now)
        run = attrs.evolve(run, cause="manual", reason=why, place=place, forced=stopped or None)
        added.append(changed(job, run))
        if fate == "replace":
            waited, others = drop_waiting(records, there, now)
            dropped, replaced = dropped + waited, replaced + others
    start_counts.give_back(records, dropped, now)
    records.insert_runs(added)
    replaced = records.ask_to_end(replaced, REPLACED, asker)
    records.remember([] if key is None else [(key, added[0].id, now)])
    records.wake(asker)
    return Ran(run=added[0], replaced=tuple(replaced))


def rerun(
    records: Records, run_id: str, key: IdempotencyKey | None, ids: Ids, now: datetime,
    peers: Sequence[Node] = (), asker: str = "", *, force: bool = False,
) -> Ran:  # fmt: skip
    """Add a manual run of the same job, with the parameters that this one had. Raises NotFound, Conflict."""
    run = records.get_run(run_id)
    if run is None:
        raise no_run(run_id)
    if run.active:
        raise Conflict(f"run {run_id} has not ended yet: it is {run.state}")

    def as_then(job: Job, again: Run) -> Run:
        if job.task != run.task:
            raise Conflict(f"the job of run {run_id} has the task {job.task} by now, and had {run.task} then")
        return attrs.evolve(again, parameters=run.parameters, rerun_of=run.id)

    try:
        return run_now(records, run.job_id, key, ids, now, peers, asker, force=force, changed=as_then)
    except NotFound as gone:
        raise Conflict(f"the job of run {run_id} is deleted: it cannot be run again") from gone


def cancel(records: Records, run_id: str, reason: str, now: datetime, asker: str = "") -> Run:
    """Cancel a run that waits. A run that is active is returned; its node is to end it for its `stop`.

    Raises NotFound, Conflict.
    """
    records.hold_job_of(run_id)
    run = records.get_run(run_id)
    if run is None:
        raise no_run(run_id)
    if not run.active:
        raise Conflict(f"run {run_id} has ended already: {run.state}")
    if run.state == "waiting":
        cancelled, _ = records.end_waiting([run], "cancelled", reason, now)
        if cancelled:
            start_counts.give_back(records, cancelled, now)
            return cancelled[0]
        run = records.get_run(run_id) or run  # it was started meanwhile
    return records.ask_to_end([run], reason, asker)[0]


def held(records: Records, job_id: str, versions: frozenset[int] | None = None) -> Job:
    """A job, held until the transaction ends. Raises NotFound, and Stale if the job is at none of `versions`."""
    job = records.hold_job(job_id)
    if job is None:
        raise no_job(job_id)
    if versions is not None and job.version not in versions:
        raise Stale(f"job {job_id} is at version {job.version} by now")
    return job


def _free_due(records: Records, job: Job, now: datetime) -> datetime:
    """Now, or the first microsecond after it that is neither the due of a run of the job nor a due of its schedule."""
    due = now
    while records.has_run_at(job.id, due) or job.schedule.next_after(due - MICROSECOND) == due:
        due += MICROSECOND
    return due
