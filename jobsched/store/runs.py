"""Runs in the store: their outcomes and their history. Every function runs inside its connection's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import attrs
from sqlalchemy import Connection, Row, Select, bindparam, func, insert, or_, select, update

from ..model.run import ACTIVE, STARTED, Run
from .tables import runs

_NOTES = ("pid", "pid_started", "state", "reason", "ended", "exit_code", "signal",
          "output_bytes", "output_kept", "output_truncated")  # fmt: skip


_RECORD = (
    update(runs)
    .where(
        runs.c.id == bindparam("key"),
        runs.c.node_id == bindparam("by"),
        or_(*(runs.c.state == state for state in STARTED)),  # not IN: that cannot be executed for many at once
    )
    .values({name: bindparam(f"new_{name}", type_=runs.c[name].type) for name in _NOTES})
)


def insert_all(connection: Connection, new: Iterable[Run]) -> None:
    """Store new runs; (job, due, attempt) is unique, so a second start of one due cannot be stored."""
    rows = [attrs.asdict(run, recurse=False) for run in new]
    if rows:
        connection.execute(insert(runs), rows)


def record(connection: Connection, executed: Sequence[Run]) -> None:
    """Write what became of runs, each only where its node still owns it and no outcome is written yet."""
    rows = [
        {"key": run.id, "by": run.node_id} | {f"new_{name}": getattr(run, name) for name in _NOTES} for run in executed
    ]
    connection.execute(_RECORD, rows)


def get(connection: Connection, run_id: str) -> Run | None:
    """The run of that id."""
    row = connection.execute(select(runs).where(runs.c.id == run_id)).one_or_none()
    return None if row is None else from_row(row)


def page(connection: Connection, limit: int, before: str | None = None, job_id: str | None = None) -> list[Run]:
    """Up to `limit` runs, newest first, those older than the run `before`; of one job or of all."""
    query = select(runs).order_by(runs.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(runs.c.id < before)
    if job_id is not None:
        query = query.where(runs.c.job_id == job_id)
    return _all(connection, query)


def any_of(connection: Connection, job_id: str) -> bool:
    """Whether the record holds a run of that job, be it scheduled still or not."""
    return connection.execute(select(runs.c.id).where(runs.c.job_id == job_id).limit(1)).first() is not None


def last_of(connection: Connection, job_ids: Sequence[str]) -> dict[str, Run]:
    """The newest run of each job that has one."""
    newest = select(func.max(runs.c.id)).where(runs.c.job_id.in_(job_ids)).group_by(runs.c.job_id)
    return {run.job_id: run for run in _all(connection, select(runs).where(runs.c.id.in_(newest)))}


def active_of(connection: Connection, job_ids: Sequence[str]) -> list[Run]:
    """The runs of those jobs that have no outcome yet."""
    return _all(connection, select(runs).where(runs.c.state.in_(ACTIVE), runs.c.job_id.in_(job_ids)))


def left_behind(connection: Connection, node_id: str) -> list[Run]:
    """The runs that some node but `node_id` started and did not end."""
    return _all(connection, select(runs).where(runs.c.state.in_(STARTED), runs.c.node_id != node_id))


def waiting(connection: Connection, now: datetime) -> tuple[bool, datetime | None]:
    """Whether any run waits, and when the first of those that may not start before then becomes ripe."""
    waits = runs.c.state == "waiting"
    some = connection.execute(select(runs.c.id).where(waits).limit(1)).first()
    soonest = select(func.min(runs.c.not_before)).where(waits, runs.c.not_before > now)
    return some is not None, connection.execute(soonest).scalar() if some else None


def from_row(row: Row[Any]) -> Run:
    """The record of a row that holds every column of `runs`."""
    return Run(**row._mapping)


def _all(connection: Connection, query: Select[Any]) -> list[Run]:
    return [from_row(row) for row in connection.execute(query)]
