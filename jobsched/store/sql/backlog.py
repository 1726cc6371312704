"""What waits to be started: runs that were added, queued, to be tried again, or found no free slot."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Boolean, ColumnElement, and_, bindparam, exists, or_, select, true, update

from ...model.hold import Hold
from ...model.node import Node
from ...model.retry import OTHER_TASK
from ...model.run import ANYWHERE, STARTED, Run
from . import holds
from . import runs as run_rows
from .many import named
from .tables import jobs, runs
from .transaction import Query, Transaction


def startable(
    transaction: Transaction,
    now: datetime,
    most: int,
    node: Node | None = None,
    *,
    any_task: bool = True,
    hold: Hold | None = None,
) -> tuple[list[Run], bool]:
    """Up to `most` waiting runs that may start, oldest first. If a job does not overlap, only the head of its queue.
    And whether other runs might start, but for a transaction that is under way.

    With `node`: the runs that this node can run. With `any_task`, also runs of a task that the node lacks, because they
    fail with that reason. Runs of jobs on `hold` are left out, unless a caller forced
    them. The runs are held until the transaction ends.
    """
    if most <= 0:
        return [], False
    asked: dict[str, object] = {"now": now, "most": most}
    question = _STARTABLE
    if node is not None:
        wanted = transaction.execute(_REQUIRED).scalars()
        matched = [require for require in wanted if node.matches(require)]
        asked |= {"places": [ANYWHERE, node.name], "matched": matched, "tasks": list(node.tasks), "any_task": any_task}
        question = _STARTABLE_HERE
    if hold is not None:
        held = exists().where(jobs.c.id == runs.c.job_id, holds.held_jobs(transaction, hold))
        question = question.where(or_(runs.c.forced == true(), ~held))
    found = [run_rows.from_row(row) for row in named(transaction.execute(question, asked))]
    held_up = False
    if found and transaction.dialect.name != "sqlite":
        found, held_up = _alone(transaction, found, now)
    return _of_their_jobs(transaction, found, now), held_up


def _alone(transaction: Transaction, found: Sequence[Run], now: datetime) -> tuple[list[Run], bool]:
    """The runs beside which no other run of their job starts. While the job's row is held, no other transaction decides
    about the job. What was decided until then is seen only by another look. If another transaction holds the job, its
    runs have to wait. And whether that was so for any job.

    A retry that was added while its job was deleted is cancelled.
    """
    job_ids = list({run.job_id for run in found})
    held = set(transaction.execute(_HOLD, {"ids": job_ids}).scalars())
    there = held | set(transaction.execute(_THERE, {"ids": job_ids}).scalars())
    _cancel(transaction, [run for run in found if run.job_id not in there], "its job was deleted", now)
    mine = [run.id for run in found if run.job_id in held]
    still = set(transaction.execute(_STILL, {"now": now, "ids": mine}).scalars()) if mine else set()
    return [run for run in found if run.id in still], bool(there - held)


def _of_their_jobs(transaction: Transaction, found: Sequence[Run], now: datetime) -> list[Run]:
    """The runs without those retries whose job has another task by now, or whose task is not that of the attempt before
    them. Such retries are cancelled: they were added by a daemon of an older release, or by one that did not see the
    change of the job yet."""
    retries = [run.id for run in found if run.attempt > 1]
    strange = set(transaction.execute(_STRANGE, {"ids": retries}).scalars()) if retries else set()
    _cancel(transaction, [run for run in found if run.id in strange], OTHER_TASK, now)
    return [run for run in found if run.id not in strange]


def _cancel(transaction: Transaction, waiting: Sequence[Run], reason: str, now: datetime) -> None:
    if waiting:
        values = {"state": "cancelled", "reason": reason, "ended": now}
        transaction.execute(update(runs).where(runs.c.id.in_([run.id for run in waiting])).values(values))
        transaction.have_ended([run.become("cancelled", reason=reason, ended=now) for run in waiting])


def _strange() -> Query:
    before = runs.alias("before")
    moved = exists().where(jobs.c.id == runs.c.job_id, jobs.c.task != runs.c.task)
    other = exists().where(
        before.c.job_id == runs.c.job_id,
        before.c.due == runs.c.due,
        before.c.place == runs.c.place,
        before.c.attempt == runs.c.attempt - 1,
        before.c.task != runs.c.task,
    )
    return select(runs.c.id).where(runs.c.id.in_(bindparam("ids", expanding=True)), or_(moved, other))


def _may_start() -> ColumnElement[bool]:
    other = runs.alias("other")
    now = bindparam("now", type_=runs.c.not_before.type)
    ripe = or_(other.c.not_before.is_(None), other.c.not_before <= now)
    ahead = or_(other.c.due < runs.c.due, and_(other.c.due == runs.c.due, other.c.id < runs.c.id))
    in_the_way = exists().where(
        other.c.job_id == runs.c.job_id,
        or_(other.c.place == runs.c.place, other.c.place == ANYWHERE, runs.c.place == ANYWHERE),
        or_(other.c.state.in_(STARTED), and_(other.c.state == "waiting", ripe, ahead)),
    )
    return and_(
        runs.c.state == "waiting",
        or_(runs.c.not_before.is_(None), runs.c.not_before <= now),
        or_(runs.c.overlaps, ~in_the_way),
    )


def _ask_startable(*here: ColumnElement[bool]) -> Query:
    return (
        select(runs)
        .where(_may_start(), *here)
        .order_by(runs.c.id)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True, of=runs)
    )


_HERE = (
    runs.c.place.in_(bindparam("places", expanding=True)),
    or_(runs.c.require.is_(None), runs.c.require.in_(bindparam("matched", expanding=True))),
    or_(bindparam("any_task", type_=Boolean), runs.c.task.in_(bindparam("tasks", expanding=True))),
)
_REQUIRED = select(runs.c.require).where(runs.c.state == "waiting", runs.c.require.is_not(None)).distinct()
_STARTABLE = _ask_startable()
_STARTABLE_HERE = _ask_startable(*_HERE)
_THERE = select(jobs.c.id).where(jobs.c.id.in_(bindparam("ids", expanding=True)))
_HOLD = _THERE.order_by(jobs.c.id).with_for_update(skip_locked=True)
_STRANGE = _strange()
_STILL = select(runs.c.id).where(_may_start(), runs.c.id.in_(bindparam("ids", expanding=True)))
