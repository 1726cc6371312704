"""Dues that pass without a decision of a claim: settled when their job is resumed, changed or deleted, or its pause has
ended by itself. Every function runs inside a transaction, with the job's row in hand."""

from __future__ import annotations

from datetime import datetime, timedelta

import attrs
from sqlalchemy import and_, false, func, or_, select, true, update

from ...model.ids import EPOCH, MICROSECOND, Ids
from ...model.job import Job
from ...model.owed import Situation, owed
from . import changes, holds, job_columns, listen_notify, stretches, wrong_clock
from . import jobs as job_rows
from . import runs as run_rows
from .tables import jobs
from .transaction import Transaction, database_now

CLOCKS = timedelta(seconds=0.1)  # that the database's may be behind that of a node
_PAUSE = (jobs.c.paused_by, jobs.c.paused_at, jobs.c.paused_until, jobs.c.pause_reason)
_LEFT = and_(jobs.c.paused == false(), jobs.c.paused_until >= EPOCH)  # a daemon of 0004 resumed it, and knew no more
_PAUSED = jobs.c.paused == true()


def settle(
    transaction: Transaction, job: Job, ids: Ids, now: datetime, reason: str, last: datetime | None = None
) -> Job:
    """Give every due up to `now`, or up to `last`, its outcome: one skipped stretch, for `reason` unless the job is
    paused. The job, behind those that had theirs by a clock that was wrong."""
    job, left = wrong_clock.settled(transaction, job, now)
    facts = Situation(next_due=job.next_due, now=last or now, able_since=now, paused=True)
    why = job.why_paused if job.paused else reason
    dues = [attrs.evolve(stretch, reason=why) for stretch in owed(job.schedule, job.policy, facts).stretches]
    dues = dues if left is None else [attrs.evolve(left, fate="skipped", reason=why), *dues]
    settled = [run_rows.passed(job, stretch, ids.make(now), now) for stretch in dues]
    stretches.add(transaction, settled, {job.id: job.schedule}, now)
    return job


def as_of(transaction: Transaction, job: Job, ids: Ids, now: datetime) -> Job:
    """The job, and its row, as they are at `now`: a pause that is over has ended by itself. Dues before its end are
    settled, those after it are left to the claims. That is no change of its definition: the version stays."""
    if not job.paused or job.pause is None or job.pause.until is None or not job.pause.is_over(now):
        return job
    until = job.pause.until
    job = settle(transaction, job, ids, now, "", last=until - MICROSECOND)
    following = job.next_due
    if following is not None and following < until:
        following = job.schedule.next_after(until - MICROSECOND)
    awake = attrs.evolve(job.watched_anew(until), paused=False, pause=None, next_due=following)
    job_rows.put(transaction, awake)
    changes.of_job(transaction, awake, "resume")
    return awake


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
            as_of(transaction, job_columns.from_row(row), ids, instant)
        else:
            transaction.execute(update(jobs).where(jobs.c.id == row.id).values(dict.fromkeys(_PAUSE)))
    holds.tell_end(transaction, instant)
    if rows:
        listen_notify.tell(transaction, asker)
    return len(rows)
