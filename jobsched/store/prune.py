"""Forgetting old runs, in small batches, never one that is active."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, delete, func, select

from ..model.ids import least
from ..model.run import ENDED
from . import deliveries, overdue, tails
from .tables import keys, runs

KEY_LIFE = timedelta(hours=24)


def crowded(connection: Connection, keep: int, among: Sequence[str] | None = None) -> list[str]:
    """The jobs that have more than `keep` runs, `among` some if given."""
    query = select(runs.c.job_id).group_by(runs.c.job_id).having(func.count() > keep)
    if among is not None:
        query = query.where(runs.c.job_id.in_(among))
    return list(connection.execute(query).scalars())


def old(connection: Connection, before: datetime, most: int) -> list[str]:
    """Forget up to `most` runs made before that instant; their ids."""
    return _forget(connection, runs.c.id < least(before), most)


def beyond(connection: Connection, job_id: str, keep: int, most: int) -> list[str]:
    """Forget up to `most` runs of a job behind its newest `keep`; their ids."""
    newest = select(runs.c.id).where(runs.c.job_id == job_id).order_by(runs.c.id.desc())
    edge = connection.execute(newest.offset(keep).limit(1)).scalar()
    if edge is None:
        return []
    return _forget(connection, (runs.c.job_id == job_id) & (runs.c.id <= edge), most)


def unknown(connection: Connection, run_ids: Sequence[str]) -> list[str]:
    """Those of some ids that no run has: it was forgotten, maybe through another node."""
    known = set(connection.execute(select(runs.c.id).where(runs.c.id.in_(run_ids))).scalars())
    return [run_id for run_id in run_ids if run_id not in known]


def old_keys(connection: Connection, now: datetime) -> None:
    """Forget idempotency keys whose day is over."""
    connection.execute(delete(keys).where(keys.c.created < now - KEY_LIFE))


def _forget(connection: Connection, which: ColumnElement[bool], most: int) -> list[str]:
    query = select(runs.c.id).where(which, runs.c.state.in_(ENDED)).order_by(runs.c.id).limit(most)
    free = query.with_for_update(skip_locked=True)  # other nodes forget at the same time
    ids = list(connection.execute(free).scalars())
    if ids:
        tails.forget(connection, ids)
        deliveries.forget_of(connection, ids)
        overdue.remember(connection, ids)
        connection.execute(delete(runs).where(runs.c.id.in_(ids)))
    return ids
