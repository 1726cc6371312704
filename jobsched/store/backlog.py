"""What waits to be started: runs that were added, queued, to be tried again, or found no free slot."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import attrs
from sqlalchemy import Boolean, ColumnElement, Connection, Select, and_, bindparam, exists, or_, select, update

from ..model.node import Node
from ..model.run import STARTED, Run
from . import outcomes
from . import runs as run_rows
from .places import ANYWHERE
from .tables import jobs, runs


def startable(
    connection: Connection, now: datetime, most: int, node: Node | None = None, *, any_task: bool = True
) -> tuple[list[Run], bool]:
    """Up to `most` waiting runs that may start, oldest first: of a job that does not overlap, the head of its queue.
    And whether some other might, but for a transaction that is under way.

    With `node`: those that it can run; `any_task` also those of a task that it lacks, for they fail with that reason.
    They are held until the transaction ends.
    """
    if most <= 0:
        return [], False
    asked: dict[str, Any] = {"now": now, "most": most}
    question = _STARTABLE
    if node is not None:
        wanted = connection.execute(_REQUIRED).scalars()
        matched = [require for require in wanted if node.matches(require)]
        asked |= {"places": [ANYWHERE, node.name], "matched": matched, "tasks": list(node.tasks), "any_task": any_task}
        question = _STARTABLE_HERE
    found = [run_rows.from_row(row) for row in connection.execute(question, asked)]
    if not found or connection.dialect.name == "sqlite":
        return found, False
    return _alone(connection, found, now)


def _alone(connection: Connection, found: Sequence[Run], now: datetime) -> tuple[list[Run], bool]:
    """Those beside which no other run of their job starts: with the job's row in hand nobody else decides about it,
    and what was decided until then is seen only by another look. A job that somebody else holds has to wait.

    A retry that was added while its job was deleted is cancelled.
    """
    job_ids = list({run.job_id for run in found})
    held = set(connection.execute(_HOLD, {"ids": job_ids}).scalars())
    there = held | set(connection.execute(_THERE, {"ids": job_ids}).scalars())
    stray = [run for run in found if run.job_id not in there]
    if stray:
        cancelled: dict[str, Any] = {"state": "cancelled", "reason": "its job was deleted", "ended": now}
        connection.execute(update(runs).where(runs.c.id.in_([run.id for run in stray])).values(cancelled))
        outcomes.tell(connection, [attrs.evolve(run, **cancelled) for run in stray])
    mine = [run.id for run in found if run.job_id in held]
    still = set(connection.execute(_STILL, {"now": now, "ids": mine}).scalars()) if mine else set()
    return [run for run in found if run.id in still], bool(there - held)


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


def _ask_startable(*here: ColumnElement[bool]) -> Select[Any]:
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
_STILL = select(runs.c.id).where(_may_start(), runs.c.id.in_(bindparam("ids", expanding=True)))
