"""Forgetting old runs, in small batches, never one that is active."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import BindParameter, ColumnElement, Integer, and_, bindparam, case, delete, func, or_, select, update

from ...model.ids import BACK, least
from ...model.run import ENDED, NEVER_RAN
from . import deliveries, job_ids, overdue, tails
from .tables import LAST_DUE, jobs, keys, runs
from .transaction import Query, Transaction

KEY_LIFE = timedelta(hours=24)
SHARE = 500  # jobs in one question
NOTHING_RAN = or_(runs.c.state.in_(NEVER_RAN), and_(runs.c.state == "cancelled", runs.c.started.is_(None)))

# They are asked hundreds of times in a pass, so they are built once. Each that is built anew is in circles besides, and
# all of them would stay in memory until Python looks for circles.
_IDS: BindParameter[str] = bindparam("ids", expanding=True)
_EITHER = (
    select(runs.c.job_id, func.count(), func.sum(case((NOTHING_RAN, 1), else_=0)))
    .where(runs.c.job_id.in_(_IDS))
    .group_by(runs.c.job_id)
)


def _ended(which: ColumnElement[bool]) -> Query:
    """The oldest of these that have an outcome, but those that other nodes forget at the same time."""
    query = select(runs.c.id).where(which, runs.c.state.in_(ENDED)).order_by(runs.c.id)
    return query.limit(bindparam("most", type_=Integer)).with_for_update(skip_locked=True)


def _newest(which: ColumnElement[bool]) -> Query:
    """The newest of these behind those that are kept."""
    query = select(runs.c.id).where(which).order_by(runs.c.id.desc())
    return query.offset(bindparam("keep", type_=Integer)).limit(1)


_BEFORE = runs.c.id < bindparam("before")
_OF_JOB = (runs.c.job_id == bindparam("job")) & _BEFORE
_KIND = {True: _OF_JOB & ~NOTHING_RAN, False: _OF_JOB & NOTHING_RAN}  # whether they ran
_EDGE = {ran: _newest(which) for ran, which in _KIND.items()}
_BEYOND = {ran: _ended(which & (runs.c.id <= bindparam("edge"))) for ran, which in _KIND.items()}
_OLD = _ended(_BEFORE)
_FORGET = delete(runs).where(runs.c.id.in_(_IDS))
_LAST_OF = select(func.max(LAST_DUE)).where(runs.c.id.in_(_IDS))
_UP_TO = bindparam("up_to", type_=jobs.c.forgotten.type)
_NOTE = (
    update(jobs)
    .where(jobs.c.id == bindparam("job"), or_(jobs.c.forgotten.is_(None), jobs.c.forgotten < _UP_TO))
    .values(forgotten=_UP_TO)
)
_NO_BOUND = least(datetime.max.replace(tzinfo=UTC))


def crowded(transaction: Transaction, most: int) -> list[str]:
    """The jobs that have more than `most` runs that ran, or more than `most` records which say that nothing ran."""
    many = select(runs.c.job_id).group_by(runs.c.job_id).having(func.count() > most)  # this much an index tells
    found = list(transaction.execute(many).scalars())
    shares = (found[begin : begin + SHARE] for begin in range(0, len(found), SHARE))
    return [job for share in shares for job, count in larger(transaction, share).items() if count > most]


def larger(transaction: Transaction, job_ids: Sequence[str]) -> dict[str, int]:
    """For each job, the larger of two numbers: its runs that ran, and its records which say that nothing ran."""
    return {row[0]: max(int(row[2]), row[1] - int(row[2])) for row in transaction.execute(_EITHER, {"ids": job_ids})}


def old(transaction: Transaction, before: datetime, most: int) -> list[str]:
    """Forget up to `most` runs that were made before that instant. Returns their ids."""
    return _forget(transaction, _OLD, {"before": least(before), "most": most})


def beyond(
    transaction: Transaction, job_id: str, keep: int, most: int, ran: bool = True, now: datetime | None = None
) -> list[str]:
    """Forget up to `most` runs of a job, and return their ids. With `ran`: runs that ran, behind the newest `keep` of
    them; otherwise: records which say that nothing ran, in the same way. Neither kind counts against the other. Runs
    that were made by a clock that was hours ahead of `now` do not count either."""
    its = {"job": job_id, "before": _NO_BOUND if now is None else least(now + BACK)}
    edge = transaction.execute(_EDGE[ran], its | {"keep": keep}).scalars().one_or_none()
    if edge is None:
        return []
    return _forget(transaction, _BEYOND[ran], its | {"edge": edge, "most": most}, job_id)


def unknown(transaction: Transaction, run_ids: Sequence[str]) -> list[str]:
    """The ids among these that no run has: the run was forgotten, maybe through another node."""
    known = set(transaction.execute(select(runs.c.id).where(runs.c.id.in_(run_ids))).scalars())
    return [run_id for run_id in run_ids if run_id not in known]


def old_keys(transaction: Transaction, now: datetime) -> None:
    """Forget idempotency keys whose day is over, and deleted jobs of which nothing else is known since then."""
    transaction.execute(delete(keys).where(keys.c.created < now - KEY_LIFE))
    job_ids.forget(transaction, now - KEY_LIFE, SHARE)


def _forget(
    transaction: Transaction, query: Query, asked: Mapping[str, object], job_id: str | None = None
) -> list[str]:
    """`job_id`: of that job others may stay that are older; so it is noted up to where dues may have no record."""
    ids: list[str] = list(transaction.execute(query, asked).scalars())
    if ids:
        tails.forget(transaction, ids)
        deliveries.forget_of(transaction, ids)
        overdue.remember(transaction, ids)
        if job_id is not None:
            up_to = transaction.execute(_LAST_OF, {"ids": ids}).scalar()
            transaction.execute(_NOTE, {"job": job_id, "up_to": up_to})
        transaction.execute(_FORGET, {"ids": ids})
    return ids
