"""Counting what there is, for those who watch: each count is read from an index alone."""

from __future__ import annotations

from sqlalchemy import func, select

from ...model.health import DELIVERY_STATES, JOB_STATES, Counts
from ...model.job import JobState
from .tables import deliveries, jobs, runs
from .transaction import Transaction

_JOBS = select(jobs.c.paused, jobs.c.next_due.is_(None), func.count()).group_by(
    jobs.c.paused, jobs.c.next_due.is_(None)
)
_OVERDUE = select(func.count()).where(jobs.c.overdue.is_not(None))
_WAITING = select(func.count()).where(runs.c.state == "waiting")
_DELIVERIES = select(deliveries.c.state, func.count()).group_by(deliveries.c.state)


def counts(transaction: Transaction) -> Counts:
    """How much there is of what."""
    by_state: dict[str, int] = dict.fromkeys(JOB_STATES, 0)
    for paused, none_left, count in transaction.execute(_JOBS):
        by_state[_state(paused, none_left)] += count
    told = {row[0]: row[1] for row in transaction.execute(_DELIVERIES)}
    return Counts(
        jobs=by_state,
        overdue=transaction.execute(_OVERDUE).scalar_one(),
        waiting=transaction.execute(_WAITING).scalar_one(),
        deliveries={state: told.get(state, 0) for state in DELIVERY_STATES},
    )


def _state(paused: bool, none_left: bool) -> JobState:
    """As `Job.state` has it."""
    if paused:
        return "paused"
    return "ended" if none_left else "scheduled"
