"""Turns of retention in SQL, and which jobs were given runs: see `store.retention_turns`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import bindparam, func, insert, select, update

from ...model.ids import least
from .. import retention_turns
from ..contract.retention import RetentionPass
from .tables import runs, settings
from .transaction import Transaction, database_now

_MINE = settings.c.name == "retention"
_HOLD = select(settings.c.value).where(_MINE).with_for_update()
_COUNTS = (
    select(runs.c.job_id, func.count())
    .where(runs.c.job_id.in_(bindparam("ids", expanding=True)))
    .group_by(runs.c.job_id)
)


def take(transaction: Transaction, local: datetime, keep: int, every: timedelta) -> RetentionPass | None:
    """As `Retention.take_turn`."""
    value: retention_turns.StoredTurn | None = transaction.execute(_HOLD).scalar_one_or_none()
    taken = retention_turns.take(value, database_now(transaction, local), keep, every)
    if taken is None:
        return None
    turn, this_pass = taken
    if value is None:
        transaction.execute(insert(settings).values(name="retention", value=turn))
    else:
        transaction.execute(update(settings).where(_MINE).values(value=turn))
    return this_pass


def end(transaction: Transaction, this_pass: RetentionPass, keep: int) -> None:
    """As `Retention.end_turn`."""
    transaction.execute(update(settings).where(_MINE).values(value=retention_turns.end(this_pass, keep)))


def new_runs(transaction: Transaction, since: datetime) -> dict[str, int]:
    """For each job that was given runs since that instant: how many. They are counted here: to group them, a database
    would rather go through all runs in the order of their jobs."""
    return Counter(transaction.execute(select(runs.c.job_id).where(runs.c.id >= least(since))).scalars())


def counts(transaction: Transaction, job_ids: Sequence[str]) -> dict[str, int]:
    """For each of these jobs that has runs: how many. An index tells it."""
    return {row[0]: row[1] for row in transaction.execute(_COUNTS, {"ids": list(job_ids)})}
