"""What notifications ask of a transaction in SQL, and write in it: see `store.news`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import attrs
from sqlalchemy import ColumnElement, bindparam, false, insert, or_, select, true, update

from ...model.delivery import Delivery, News
from ...model.job import Job
from ...model.run import RETRIED, Run, State
from .. import news
from ..job_columns import from_row
from .many import named
from .tables import deliveries, jobs, runs
from .transaction import Transaction

RETRIES = jobs.c.retries > 0

# Asked with each batch of outcomes, so it is built once: building it takes four times as long as asking it.
_THAT_ASK = select(jobs).where(jobs.c.id.in_(bindparam("ids", expanding=True)), jobs.c.notify.is_not(None))
_INSTANT = bindparam("instant", type_=jobs.c.failing.type)
_FAILS = (
    update(jobs)
    .where(jobs.c.id == bindparam("key"), or_(jobs.c.failing.is_(None), jobs.c.failing < _INSTANT))
    .values(failing=_INSTANT)
)


class _Records(news.Records):
    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction
        self.everyone = transaction.everyone

    def add_deliveries(self, new: Sequence[Delivery]) -> None:
        self._in.execute(insert(deliveries), [attrs.asdict(each, recurse=False) for each in new])
        self._in.will_notify()

    def fail(self, since: Mapping[str, datetime]) -> None:
        self._in.execute(_FAILS, [{"key": job_id, "instant": since[job_id]} for job_id in sorted(since)])

    def that_ask(self, job_ids: Iterable[str]) -> dict[str, Job]:
        return {row.id: from_row(row) for row in named(self._in.execute(_THAT_ASK, {"ids": list(job_ids)}))}

    def concerned(self, ended: Sequence[Run], *, retried: bool = False) -> dict[str, Job]:
        return concerned(self._in, ended, retried=retried)

    def results(self, run: Run, most: int) -> Sequence[State]:
        query = (
            select(runs.c.state)
            .where(runs.c.job_id == run.job_id, runs.c.id <= run.id, runs.c.state.in_((*RETRIED, "succeeded")))
            .order_by(runs.c.id.desc())
            .limit(most)
        )
        return list(self._in.execute(query).scalars())


def tell_all(transaction: Transaction, told: Iterable[News]) -> None:
    """As `news.tell_all`."""
    news.tell_all(_Records(transaction), told)


def tell_started(transaction: Transaction, started: Sequence[Run], known: Iterable[Job]) -> None:
    """As `news.tell_started`."""
    news.tell_started(_Records(transaction), started, known)


def tell_succeeded(transaction: Transaction, ended: Sequence[Run]) -> None:
    """As `news.tell_succeeded`."""
    news.tell_succeeded(_Records(transaction), ended)


def tell_missed(transaction: Transaction, missed: Sequence[Run]) -> None:
    """As `news.tell_missed`."""
    news.tell_missed(_Records(transaction), missed)


def tell_failed(transaction: Transaction, failed: Sequence[Run], asking: Mapping[str, Job], again: set[str]) -> None:
    """As `news.tell_failed`."""
    news.tell_failed(_Records(transaction), failed, asking, again)


def concerned(transaction: Transaction, ended: Sequence[Run], *, retried: bool = False) -> dict[str, Job]:
    """The jobs of these runs that may have a receiver for notifications. Where runs may be `retried`, also the jobs
    that ask for retries. The jobs are held until the transaction ends.

    Lock order everywhere: the job's row, then its runs.
    """
    found = _asking(transaction, ended, RETRIES if retried else false())
    if held := news.to_hold(found, transaction.everyone, retried=retried):
        for job_id in held:
            del found[job_id]  # what is known of it may be out of date, and it may be gone
        query = select(jobs).where(jobs.c.id.in_(held)).order_by(jobs.c.id).with_for_update()
        found |= {row.id: from_row(row) for row in named(transaction.execute(query))}
    return found


def busy(transaction: Transaction, ended: Sequence[Run], *, every: bool = False) -> list[str]:
    """Non-blocking variant of `concerned`: the jobs that another transaction holds. The other jobs are held. With
    `every`: of all jobs of these runs."""
    found = _asking(transaction, ended, true() if every else RETRIES)
    wanted = list(found) if every else news.to_hold(found, transaction.everyone, retried=True)
    query = select(jobs.c.id).where(jobs.c.id.in_(wanted)).order_by(jobs.c.id).with_for_update(skip_locked=True)
    held = set(transaction.execute(query).scalars()) if wanted else set()
    return [job_id for job_id in wanted if job_id not in held]


def _asking(transaction: Transaction, ended: Sequence[Run], also: ColumnElement[bool]) -> dict[str, Job]:
    if not ended:
        return {}
    query = select(jobs).where(jobs.c.id.in_({run.job_id for run in ended}))
    if transaction.everyone is None:
        query = query.where(or_(jobs.c.notify.is_not(None), also))
    return {row.id: from_row(row) for row in named(transaction.execute(query))}
