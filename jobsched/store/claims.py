"""Claiming: the one transaction in which dues become runs. Its row locks are all the coordination there is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import attrs
from sqlalchemy import Connection, Select, and_, bindparam, exists, or_, select, update

from ..model.ids import Ids
from ..model.job import Job
from ..model.owed import Situation, Stretch, owed
from ..model.run import STARTED, Run
from . import jobs as job_rows
from . import orders
from . import runs as run_rows
from .tables import runs

IS_RUNNING = "is running"
NO_SLOT = "no free slot: max_running runs are active"


@attrs.frozen(kw_only=True)
class Claimant:
    """Who claims, when, and how much it can take."""

    node: str
    node_id: str
    now: datetime
    able_since: datetime
    slots: int  # runs it can start at once
    ids: Ids


@attrs.frozen(kw_only=True)
class Claimed:
    """What a claim came to."""

    started: tuple[Run, ...] = ()  # recorded as running here; their processes are to be started now
    replaced: tuple[Run, ...] = ()  # active runs that a newer one shall replace
    dues: tuple[tuple[str, datetime | None], ...] = ()  # (job, its next due) for each job that was decided, or not due
    waiting: bool = False  # some run waits, for a slot or for another


def claim(connection: Connection, who: Claimant, job_ids: Sequence[str]) -> Claimed:
    """Decide the dues of `job_ids`, then start what may start, oldest due first, as far as there are slots."""
    due_jobs = job_rows.lock_due(connection, job_ids, who.now) if job_ids else []
    decided = _decide(connection, who, due_jobs)
    backlog = run_rows.any_waiting(connection)
    if backlog:  # those that wait go first
        run_rows.insert_all(connection, [_waits(run) if run.state == "running" else run for run in decided.runs])
        started = _start(connection, who, _startable(connection, who.now, who.slots))
    else:
        run_rows.insert_all(connection, decided.runs)
        started = [run for run in decided.runs if run.state == "running"]
    job_rows.move_on(connection, decided.moved)
    return Claimed(
        started=tuple(started),
        replaced=tuple(decided.replaced),
        dues=_dues(connection, who, job_ids, decided),
        waiting=run_rows.any_waiting(connection) if backlog else any(run.state == "waiting" for run in decided.runs),
    )


def _dues(
    connection: Connection, who: Claimant, job_ids: Sequence[str], decided: _Decided
) -> tuple[tuple[str, datetime | None], ...]:
    """The next dues as they are now, also of jobs that were asked for in vain: decided elsewhere, or too early."""
    moved = [(job.id, next_due) for job, next_due, _ in decided.moved]
    others = set(job_ids) - {job_id for job_id, _ in moved}
    return (*moved, *(job_rows.due_later(connection, others, who.now) if others else []))


@attrs.define
class _Decided:
    runs: list[Run] = attrs.field(factory=list)
    replaced: list[Run] = attrs.field(factory=list)
    moved: list[tuple[Job, datetime | None, int]] = attrs.field(factory=list)


def _decide(connection: Connection, who: Claimant, due_jobs: list[Job]) -> _Decided:
    decided = _Decided()
    if not due_jobs:
        return decided
    active: dict[str, list[Run]] = defaultdict(list)
    for run in run_rows.ripe_of(connection, [job.id for job in due_jobs], who.now):
        active[run.job_id].append(run)
    owing: list[tuple[Job, Stretch]] = []
    for job in due_jobs:
        answer = owed(job.schedule, job.policy, _situation(job, who, active[job.id]))
        owing += ((job, stretch) for stretch in answer.stretches)
        decided.moved.append((job, answer.next_due, answer.starts))
    slots = who.slots
    for job, stretch in sorted(owing, key=lambda each: each[1].due):  # so ids and slots go by due
        run = _run(job, stretch, who, slots > 0)
        slots -= run.state == "running"
        decided.runs.append(run)
        if stretch.fate == "replace":
            decided.replaced += orders.drop_waiting(connection, active[job.id], who.now)
    return decided


def _situation(job: Job, who: Claimant, active: list[Run]) -> Situation:
    return Situation(
        next_due=job.next_due,
        now=who.now,
        able_since=who.able_since,
        active=bool(active),
        queued=len(active) > 1 and any(run.state == "waiting" for run in active),
        paused=job.paused,
        starts_left=None if job.max_runs is None else job.max_runs - job.starts,
    )


def _run(job: Job, stretch: Stretch, who: Claimant, slot: bool) -> Run:
    run = run_rows.passed(job, stretch, who.ids.make(who.now), who.now)
    if stretch.fate != "run":
        return run
    return _running(run, who) if slot else attrs.evolve(run, reason=NO_SLOT)


def _running(run: Run, who: Claimant) -> Run:
    return attrs.evolve(run, state="running", reason=IS_RUNNING, node=who.node, node_id=who.node_id, started=who.now)


def _waits(run: Run) -> Run:
    return attrs.evolve(run, state="waiting", reason=NO_SLOT, node=None, node_id=None, started=None)


def _startable(connection: Connection, now: datetime, most: int) -> list[Run]:
    """Waiting runs that may start, oldest first: of a job that does not overlap, the head of its queue alone."""
    if most <= 0:
        return []
    return [run_rows.from_row(row) for row in connection.execute(_STARTABLE, {"now": now, "most": most})]


def _ask_startable() -> Select[Any]:
    other = runs.alias("other")
    now = bindparam("now", type_=runs.c.not_before.type)
    ripe = or_(other.c.not_before.is_(None), other.c.not_before <= now)
    ahead = or_(other.c.due < runs.c.due, and_(other.c.due == runs.c.due, other.c.id < runs.c.id))
    in_the_way = exists().where(
        other.c.job_id == runs.c.job_id,
        or_(other.c.state.in_(STARTED), and_(other.c.state == "waiting", ripe, ahead)),
    )
    return (
        select(runs)
        .where(
            runs.c.state == "waiting",
            or_(runs.c.not_before.is_(None), runs.c.not_before <= now),
            or_(runs.c.overlaps, ~in_the_way),
        )
        .order_by(runs.c.id)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True, of=runs)
    )


_STARTABLE = _ask_startable()


def _start(connection: Connection, who: Claimant, waiting: Iterable[Run]) -> list[Run]:
    started = [_running(run, who) for run in waiting]
    if started:
        connection.execute(
            update(runs)
            .where(runs.c.id.in_([run.id for run in started]), runs.c.state == "waiting")
            .values(state="running", reason=IS_RUNNING, node=who.node, node_id=who.node_id, started=who.now)
        )
    return started
