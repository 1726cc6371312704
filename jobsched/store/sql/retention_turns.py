"""Which node's turn it is to look for what is to be forgotten, and where to look. One node does so for all, now and
then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypedDict

from sqlalchemy import bindparam, func, insert, select, update

from ...model.ids import EPOCH, MICROSECOND, least
from ..contract.retention import RetentionPass
from .tables import runs, settings
from .transaction import Transaction, database_now

OVERLAP = timedelta(seconds=60)  # the id of a run is older than its commit by so much at most

_MINE = settings.c.name == "retention"
_HOLD = select(settings.c.value).where(_MINE).with_for_update()
_COUNTS = (
    select(runs.c.job_id, func.count())
    .where(runs.c.job_id.in_(bindparam("ids", expanding=True)))
    .group_by(runs.c.job_id)
)


class _Turn(TypedDict):
    """What is stored about the turns. Instants are microseconds since 1970 UTC."""

    taken: int  # when the last turn was taken
    done: int | None  # when the last turn that came to its end was taken
    keep: int  # how many runs each job keeps, as that turn went by


def take(transaction: Transaction, local: datetime, keep: int, every: timedelta) -> RetentionPass | None:
    """Take the turn, unless another node has taken it within the time `every`. `keep` says how many runs each job
    keeps."""
    instant = database_now(transaction, local)
    value: _Turn | None = transaction.execute(_HOLD).scalar_one_or_none()
    if value is not None and timedelta(0) <= instant - _instant(value["taken"]) < every:
        return None
    before = value or _Turn(taken=0, done=None, keep=keep)
    _put(transaction, _Turn(taken=_micros(instant), done=before["done"], keep=before["keep"]), value is None)
    return RetentionPass(since=None if value is None else _looked_at(value, instant, keep), begun=instant)


def end(transaction: Transaction, this_pass: RetentionPass, keep: int) -> None:
    """Everything was looked at that was there when the turn began."""
    begun = _micros(this_pass.begun)
    transaction.execute(update(settings).where(_MINE).values(value={"taken": begun, "done": begun, "keep": keep}))


def _looked_at(value: _Turn, instant: datetime, keep: int) -> datetime | None:
    """The instant up to which all jobs were looked at, so that no job has more runs from before it than it keeps. None:
    not known."""
    done = None if value["done"] is None else _instant(value["done"])
    return None if done is None or done > instant or keep < value["keep"] else done - OVERLAP


def _put(transaction: Transaction, value: _Turn, first: bool) -> None:
    if first:
        transaction.execute(insert(settings).values(name="retention", value=value))
    else:
        transaction.execute(update(settings).where(_MINE).values(value=value))


def new_runs(transaction: Transaction, since: datetime) -> dict[str, int]:
    """For each job that was given runs since that instant: how many. They are counted here: to group them, a database
    would rather go through all runs in the order of their jobs."""
    return Counter(transaction.execute(select(runs.c.job_id).where(runs.c.id >= least(since))).scalars())


def counts(transaction: Transaction, job_ids: Sequence[str]) -> dict[str, int]:
    """For each of these jobs that has runs: how many. An index tells it."""
    return {row[0]: row[1] for row in transaction.execute(_COUNTS, {"ids": list(job_ids)})}


def _instant(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


def _micros(instant: datetime) -> int:
    return (instant - EPOCH) // MICROSECOND
