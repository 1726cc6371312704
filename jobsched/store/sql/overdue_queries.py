"""Which of many watched jobs may have become overdue, or have recovered: the rule of `model/overdue` in SQL.

Each look at the runs of a job is a seek in the index `runs_of_state`, however many runs the job has.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    ScalarSelect,
    and_,
    bindparam,
    case,
    false,
    func,
    or_,
    select,
    type_coerce,
)

from ...model.ids import EPOCH, MICROSECOND
from ...model.overdue import SKEW
from ...model.run import STARTED
from .tables import jobs, runs
from .transaction import Transaction, database_now

LEFT: Final = ("succeeded", "failed", "timed_out", "cancelled", "lost")  # the outcomes of a run that was started


def watched(transaction: Transaction, most: int, local: datetime) -> list[str]:
    """Jobs whose stored state, overdue or not, is not true any more. Up to `most` for each way in which the state can
    change."""
    asked = {"now": database_now(transaction, local)}
    found = [job_id for question in _SUSPECTS for job_id in transaction.execute(question.limit(most), asked).scalars()]
    return list(dict.fromkeys(found))


def recovered(transaction: Transaction, most: int, local: datetime) -> list[str]:
    """Up to `most` jobs for which a failure was notified, and for which a run that was started since has succeeded."""
    return list(transaction.execute(_MENDED.limit(most), {"now": database_now(transaction, local)}).scalars())


NOW: Final = bindparam("now", type_=jobs.c.watched.type)
_SOON: Final = int(SKEW / MICROSECOND)


def _micros(of: ColumnElement[object]) -> ColumnElement[int]:
    return type_coerce(of, BigInteger)


def has_come(instant: ColumnElement[object]) -> ColumnElement[bool]:
    """Whether the instant is not in the future. A future instant was written by a wrong clock; clocks may differ a
    little."""
    return _micros(instant) - _SOON <= NOW


def _passed(begin: ColumnElement[object], span: ColumnElement[object]) -> ColumnElement[bool]:
    """Whether that span has passed since `begin`."""
    return _micros(begin) + _micros(span) <= NOW


def _there_is(table: FromClause, *which: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether the job has such a run."""
    return select(table.c.id).where(table.c.job_id == jobs.c.id, *which).correlate_except(table).exists()


def last(table: FromClause, by: ColumnElement[object], *which: ColumnElement[bool]) -> ScalarSelect[str]:
    """The id of the job's last such run."""
    query = select(table.c.id).where(table.c.job_id == jobs.c.id, *which).order_by(by.desc()).limit(1)
    return query.correlate_except(table).scalar_subquery()


def started_since(instant: ColumnElement[object]) -> ColumnElement[bool]:
    """Whether a run of the job was started since then."""
    active, left = runs.alias("active"), runs.alias("ended")
    return or_(
        _there_is(active, active.c.state.in_(STARTED), active.c.started >= instant, has_come(active.c.started)),
        _there_is(
            left, left.c.state.in_(LEFT), left.c.ended >= instant, left.c.started >= instant, has_come(left.c.started)
        ),
    )


def is_missed(table: FromClause) -> ColumnElement[bool]:
    """Whether a run in `table` is a due that was missed since the job is watched, with no start after it."""
    since = func.coalesce(table.c.until, table.c.due)
    return and_(table.c.state == "missed", table.c.ended >= jobs.c.watched, ~started_since(since))


def is_waiting(table: FromClause) -> ColumnElement[bool]:
    """Whether a run in `table` is a due that waits to be started."""
    return and_(table.c.state == "waiting", table.c.cause == "schedule")


def succeeded_since(table: FromClause, instant: ColumnElement[object]) -> ColumnElement[bool]:
    """Whether a run in `table` was started after that instant, and has succeeded."""
    return and_(has_succeeded(table), table.c.ended >= instant, table.c.started >= instant)


def has_succeeded(table: FromClause) -> ColumnElement[bool]:
    """Whether a run in `table` has succeeded. A success in the future does not count."""
    return and_(table.c.state == "succeeded", has_come(table.c.ended))


def _waits_long() -> ColumnElement[bool]:
    table = runs.alias("waiting")
    return _there_is(table, is_waiting(table), _passed(table.c.due, jobs.c.max_late))


def _missed_long_ago() -> ColumnElement[bool]:
    """Asks first whether anything was missed after the last start, because mostly nothing was."""
    table, other = runs.alias("missed"), runs.alias("newest")
    newest = select(func.max(other.c.ended)).where(other.c.state == "missed", other.c.job_id == jobs.c.id)
    edge = newest.correlate_except(other).scalar_subquery()
    long_ago = _there_is(table, is_missed(table), _passed(table.c.due, jobs.c.max_late))
    return case((and_(edge >= jobs.c.watched, ~started_since(edge)), long_ago), else_=false())


def _no_success() -> ColumnElement[bool]:
    table, most = runs.alias("success"), jobs.c.must_succeed_every
    lately = _there_is(table, has_succeeded(table), _micros(table.c.ended) > NOW - _micros(most))
    return and_(
        _passed(jobs.c.watched, most),
        or_(jobs.c.succeeded.is_(None), _passed(jobs.c.succeeded, most), ~has_come(jobs.c.succeeded)),
        or_(jobs.c.start.is_(None), _passed(jobs.c.start, most)),
        ~lately,
    )


_LATE = _passed(jobs.c.next_due, jobs.c.max_late)
_MAY_MISS = and_(jobs.c.max_late.is_not(None), jobs.c.next_due.is_not(None))
_AWAKE = jobs.c.paused == false()
_SOUND = and_(jobs.c.watched >= EPOCH, jobs.c.overdue.is_(None), _AWAKE)  # `>=`: not NULL, as a range of the index
_OVERDUE = case((_LATE, 1), (_no_success(), 1), (_waits_long(), 1), (and_(_MAY_MISS, _missed_long_ago()), 1), else_=0)
_waits = runs.alias("waits")
_SUSPECTS = (  # each by itself, for a database is easily at a loss which way to begin
    select(jobs.c.id).where(_SOUND, case((_LATE, 1), (_no_success(), 1), else_=0) == 1),
    select(jobs.c.id)
    .join(_waits, _waits.c.job_id == jobs.c.id)  # few runs wait
    .where(_SOUND, is_waiting(_waits), _passed(_waits.c.due, jobs.c.max_late)),
    select(jobs.c.id).where(_SOUND, _MAY_MISS, _missed_long_ago()),
    select(jobs.c.id).where(jobs.c.overdue >= EPOCH, or_(~_AWAKE, _OVERDUE == 0)),
)
_mender = runs.alias("mender")
_HAS_SUCCEEDED = case((_there_is(_mender, succeeded_since(_mender, jobs.c.failing)), 1), else_=0)  # asked of each
_MENDED = select(jobs.c.id).where(jobs.c.failing >= EPOCH, _HAS_SUCCEEDED == 1).order_by(jobs.c.failing, jobs.c.id)
