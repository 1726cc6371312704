"""Pauses that end by themselves, in SQL; what settling asks of a transaction: see `store.settling`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, false, func, or_, select, true, update

from ...model.ids import EPOCH, Ids
from ...model.job import Job
from ...model.owed import Stretch
from ...model.run import Run
from ...model.trigger import Schedule
from .. import job_columns, settling
from . import holds, listen_notify, stretches, wrong_clock
from . import jobs as job_rows
from .tables import jobs
from .transaction import Transaction, database_now

CLOCKS = timedelta(seconds=0.1)  # that the database's may be behind that of a node
_PAUSE = (jobs.c.paused_by, jobs.c.paused_at, jobs.c.paused_until, jobs.c.pause_reason)
_LEFT = and_(jobs.c.paused == false(), jobs.c.paused_until >= EPOCH)  # a daemon of 0004 resumed it, and knew no more
_PAUSED = jobs.c.paused == true()


class Settling(settling.Records):
    """What settling asks of a transaction, and writes in it."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction
        self.telling = transaction

    def settled(self, job: Job, instant: datetime) -> tuple[Job, Stretch | None]:
        return wrong_clock.settled(self._in, job, instant)

    def add(self, new: Sequence[Run], schedules: Mapping[str, Schedule], now: datetime) -> None:
        stretches.add(self._in, new, schedules, now)

    def put_job(self, job: Job) -> None:
        job_rows.put(self._in, job)


def next_pause_end(transaction: Transaction, local: datetime) -> datetime | None:
    """When the next pause ends by itself, or the hold; `local` if a daemon of 0004 has left one to be cleared."""
    if transaction.execute(select(jobs.c.id).where(_LEFT).limit(1)).first() is not None:
        return local
    ends = select(func.min(jobs.c.paused_until)).where(_PAUSED, jobs.c.paused_until >= EPOCH)
    found: list[datetime | None] = [transaction.execute(ends).scalar()]
    found.append(holds.next_end(transaction, local, CLOCKS))
    return min((end for end in found if end is not None), default=None)


def end_pauses(transaction: Transaction, local: datetime, most: int, ids: Ids, asker: str) -> int:
    """End up to `most` pauses that are over by the database's clock; how many. That the hold is over is told. Waits for
    who holds one of the jobs: who ended them may look at once for what is due."""
    instant = database_now(transaction, local)
    over = or_(_LEFT, and_(_PAUSED, jobs.c.paused_until <= instant))
    held = select(jobs).where(over).order_by(jobs.c.id).limit(most).with_for_update()
    rows = transaction.execute(held).all()
    for row in rows:
        if row.paused:
            settling.as_of(Settling(transaction), job_columns.from_row(row), ids, instant)
        else:
            transaction.execute(update(jobs).where(jobs.c.id == row.id).values(dict.fromkeys(_PAUSE)))
    holds.tell_end(transaction, instant)
    if rows:
        listen_notify.tell(transaction, asker)
    return len(rows)
