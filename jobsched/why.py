"""Gathers from the record what is to be known about a job and a time, and has it judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

import attrs

from .model.audit import AuditFilter, Entry
from .model.claim import NO_SLOT
from .model.cron import Cron, explain
from .model.errors import NotFound
from .model.hold import Hold
from .model.job import Job
from .model.judge import judge, waits_for_a_slot, worst
from .model.run import FAILING, NEVER_RAN, Run, RunFilter
from .model.time_text import Named, Window, named
from .model.trigger import TICK
from .model.verdict import Record, Verdict, classify
from .model.zone import find
from .registry.registry import Registry

MOST = 100  # runs, and entries of the audit log, that are looked at
ROOM = 1 << 20  # bytes of those entries
HOLDERS = 10
DAY = timedelta(days=1)


async def why(
    registry: Registry, job_id: str, at: str | None, timezone: str | None, default: str, now: datetime
) -> Verdict:
    """Why the job did, or did not, run at that time; without `at`: what became of its last due.

    `at` is read in `timezone`, or in the job's own; `default` is for a job that is gone. Raises Invalid, and NotFound
    for a job of which nothing is known.
    """
    job, deleted = await _job(registry, job_id)
    zone = timezone or (default if job is None else job.timezone)
    find(zone)
    found = await _runs(registry, RunFilter(job_id=job_id)) if at is None else []
    asked = named(at, zone, now) if at is not None else _last_due(found, job, now)
    runs = [run for window in asked.windows for run in await _due_in(registry, job_id, window)]
    record = Record(job_id=job_id, now=now, named=asked, job=job, deleted=deleted, runs=runs)
    if job is not None:
        by_hand = next((run for run in found if run.cause == "manual" and run.due > asked.near), None)
        record = attrs.evolve(
            record, by_hand=by_hand, task_known=registry.is_there(job.task), trouble=registry.trouble()
        )
        entries, hold = await _entries(registry, job_id, asked.near), await _hold(registry)
        record = attrs.evolve(record, entries=entries, hold=hold)
        record = await registry.in_thread(partial(_with_dues, record, job))
    run = worst(runs)
    if run is not None and classify(run.reason) == "overlap":
        record = attrs.evolve(record, active=await _active(registry, run))
    if run is not None and (run.reason == NO_SLOT or any(map(waits_for_a_slot, record.active))):
        holders = await registry.runs(HOLDERS, None, RunFilter(states=("running",)))
        record = attrs.evolve(record, holders=holders)
    return judge(record)


async def _job(registry: Registry, job_id: str) -> tuple[Job | None, Entry | None]:
    """The job; or the entry of its deletion, if that is still kept. Raises NotFound if nothing is known of the job."""
    try:
        return (await registry.job(job_id)).job, None
    except NotFound:
        only = AuditFilter(target=job_id, action="job.delete")
        found = (await registry.entries(1, None, only, ROOM)).values
        if found and registry.sees(found[0].task or ""):
            return None, found[0]
        await registry.runs(1, None, RunFilter(job_id=job_id))  # raises NotFound if it has none either
        return None, None


def _last_due(runs: Sequence[Run], job: Job | None, now: datetime) -> Named:
    """The last due that has passed; of a job without any, its newest run by hand, if that failed, or its next due."""
    dues = [run.until or run.due for run in runs if run.cause != "manual"]
    if job is not None and job.next_due is not None:
        dues.append(job.next_due)
    by_hand = [run.due for run in runs[:1] if run.cause == "manual" and run.state in FAILING]
    due = max((due for due in dues if due <= now), default=min(by_hand or dues, default=now))
    return Named(text="its last due", windows=(Window.at(due),), near=due)


async def _due_in(registry: Registry, job_id: str, window: Window) -> Sequence[Run]:
    return await _runs(registry, RunFilter(job_id=job_id, begin=window.begin, end=window.end))


async def _runs(registry: Registry, only: RunFilter) -> Sequence[Run]:
    """Runs of a job; none of one that was deleted before it had any."""
    try:
        return await registry.runs(MOST, None, only)
    except NotFound:
        return []


async def _active(registry: Registry, run: Run) -> list[Run]:
    """The runs of its job that were active when it was due, or waited then."""
    found = await registry.runs(MOST, run.id, RunFilter(job_id=run.job_id))
    return [
        other
        for other in found
        if other.state not in NEVER_RAN and other.due <= run.due and (other.ended is None or other.ended > run.due)
    ]


async def _entries(registry: Registry, job_id: str, near: datetime) -> list[Entry]:
    """The last pause before `near`, and what was done to the job from then on, oldest first."""
    pause = AuditFilter(target=job_id, action="job.pause", end=near)
    before = (await registry.entries(1, None, pause, ROOM)).values
    since = (await registry.entries(MOST, None, AuditFilter(target=job_id, begin=near), ROOM)).values
    return [*before, *(entry for entry in reversed(since) if entry.action.startswith("job."))]


async def _hold(registry: Registry) -> Hold | None:
    """The hold that there is."""
    try:
        return await registry.hold()
    except NotFound:
        return None


def _with_dues(record: Record, job: Job, wanted: Callable[[], None]) -> Record:
    """With a due of the job in that time, those around it, and what a change of clocks did to them."""
    wanted()
    schedule, asked = job.schedule, record.named
    begin, end = (asked.windows[0].begin, asked.windows[-1].end) if asked.windows else (asked.near, asked.near)
    since = job.created + TICK  # at the first instant that there is, none is before
    dues = [schedule.next_after(max(window.begin, since) - TICK) for window in asked.windows]
    within = zip(asked.windows, dues, strict=True)
    expected = next((due for window, due in within if due is not None and window.holds(due)), None)
    wanted()
    before = next(iter(schedule.newest(job.created, begin - TICK, 1)), None) if job.created < begin else None
    wanted()
    after = schedule.next_after(max(end, since) - TICK)
    note = None
    if isinstance(schedule.trigger, Cron) and not schedule.jitter:
        for due in (before, expected, after):
            if due is not None and abs(due - asked.near) < DAY:
                note = note or explain(schedule.trigger, due)
    return attrs.evolve(record, expected=expected, before=before, after=after, note=note)
