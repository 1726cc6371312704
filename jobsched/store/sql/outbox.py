"""Notifications are written in the transaction of the change that they tell of, so that neither is there alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import attrs
from sqlalchemy import ColumnElement, bindparam, false, insert, or_, select, true, update

from ...model.delivery import Delivery, News, body
from ...model.ids import Ids
from ...model.job import Event, Job, Notify
from ...model.receiver import place_of
from ...model.run import RETRIED, Run
from .job_columns import from_row
from .many import named
from .tables import deliveries, jobs, runs
from .transaction import Transaction

ALL = Notify()
FAILURES = (*RETRIED, "missed")
RETRIES = jobs.c.retries > 0

# Asked with each batch of outcomes, so it is built once: building it takes four times as long as asking it.
_THAT_ASK = select(jobs).where(jobs.c.id.in_(bindparam("ids", expanding=True)), jobs.c.notify.is_not(None))
_INSTANT = bindparam("instant", type_=jobs.c.failing.type)
_FAILS = (
    update(jobs)
    .where(jobs.c.id == bindparam("key"), or_(jobs.c.failing.is_(None), jobs.c.failing < _INSTANT))
    .values(failing=_INSTANT)
)


def tell_all(transaction: Transaction, news: Iterable[News]) -> None:
    """Write the notifications that somebody has asked for. A notified failure marks the job as failing; only a run that
    begins after the latest failure can clear the mark."""
    everyone = transaction.everyone
    wanted = [each for each in news if wants(each.job, each.event, everyone)]
    if not wanted:
        return
    ids = Ids()
    rows = [attrs.asdict(_delivery(each, ids.make(each.instant), everyone), recurse=False) for each in wanted]
    transaction.execute(insert(deliveries), rows)
    transaction.will_notify()
    failing: dict[str, datetime] = {}
    for each in wanted:
        if each.event in FAILURES and wants(each.job, "recovered", everyone):
            failing[each.job.id] = max(each.instant, failing.get(each.job.id, each.instant))
    if failing:
        transaction.execute(_FAILS, [{"key": job_id, "instant": failing[job_id]} for job_id in sorted(failing)])


def tell_started(transaction: Transaction, started: Sequence[Run], known: Iterable[Job]) -> None:
    """Runs that have begun, to those that asked for it. The jobs that are not `known` are looked up."""
    ours = {job.id: job for job in known}
    asking = ours | _that_ask(transaction, [run for run in started if run.job_id not in ours])
    _tell_well(transaction, "started", [(asking[run.job_id], run) for run in started if run.job_id in asking])


def tell_succeeded(transaction: Transaction, ended: Sequence[Run]) -> None:
    """Runs that have succeeded, to those that asked for it."""
    succeeded = [run for run in ended if run.state == "succeeded"]
    asking = _that_ask(transaction, succeeded)
    _tell_well(transaction, "succeeded", [(asking[run.job_id], run) for run in succeeded if run.job_id in asking])


def _tell_well(transaction: Transaction, event: Event, told: Sequence[tuple[Job, Run]]) -> None:
    tell_all(
        transaction,
        [
            News(event=event, job=job, run=run, reason=run.reason or event, instant=run.ended or run.started or run.due)
            for job, run in told
            if job.watch.notify is not None and event in job.watch.notify.on
        ],
    )


def _that_ask(transaction: Transaction, these: Sequence[Run]) -> dict[str, Job]:
    """The jobs of those runs that name what they want told: nobody hears otherwise that all went well."""
    if not these:
        return {}
    found = transaction.execute(_THAT_ASK, {"ids": list({run.job_id for run in these})})
    return {row.id: from_row(row) for row in named(found)}


def wants(job: Job, event: Event, everyone: str | None) -> bool:
    """Whether a receiver is to be notified of an event of that job."""
    notify = job.watch.notify or ALL
    return event in notify.on and (notify.url is not None or everyone is not None)


def tell_missed(transaction: Transaction, missed: Sequence[Run]) -> None:
    """Notify missed dues, each stretch once."""
    asking = concerned(transaction, missed)
    tell_all(
        transaction,
        [
            News(event="missed", job=asking[run.job_id], run=run, reason=run.reason, instant=run.ended or run.created)
            for run in missed
            if run.job_id in asking
        ],
    )


def tell_failed(transaction: Transaction, failed: Sequence[Run], asking: Mapping[str, Job], again: set[str]) -> None:
    """Notify runs that failed, timed out or were lost. `asking` are the jobs concerned; the runs in `again` are tried
    again."""
    news = []
    for run in failed:
        assert run.state in RETRIED
        if run.job_id in asking and run.ended is not None:
            job, retry = asking[run.job_id], run.id in again
            if _too_few(transaction, job, run):
                continue
            news.append(News(event=run.state, job=job, run=run, reason=run.reason, instant=run.ended, retry=retry))
    tell_all(transaction, news)


def _too_few(transaction: Transaction, job: Job, run: Run) -> bool:
    """Whether the job has not failed as often in a row as its `after` says, this run counted."""
    after = 1 if job.watch.notify is None else job.watch.notify.after
    if after == 1:
        return False
    query = (
        select(runs.c.state)
        .where(runs.c.job_id == job.id, runs.c.id <= run.id, runs.c.state.in_((*RETRIED, "succeeded")))
        .order_by(runs.c.id.desc())
        .limit(after)
    )
    found = list(transaction.execute(query).scalars())
    return len(found) < after or "succeeded" in found


def concerned(transaction: Transaction, ended: Sequence[Run], *, retried: bool = False) -> dict[str, Job]:
    """The jobs of these runs that may have a receiver for notifications. Where runs may be `retried`, also the jobs
    that ask for retries. The jobs are held until the transaction ends.

    Lock order everywhere: the job's row, then its runs.
    """
    found = _asking(transaction, ended, RETRIES if retried else false())
    if held := _to_hold(transaction, found, retried):
        for job_id in held:
            del found[job_id]  # what is known of it may be out of date, and it may be gone
        query = select(jobs).where(jobs.c.id.in_(held)).order_by(jobs.c.id).with_for_update()
        found |= {row.id: from_row(row) for row in named(transaction.execute(query))}
    return found


def busy(transaction: Transaction, ended: Sequence[Run], *, every: bool = False) -> list[str]:
    """Non-blocking variant of `concerned`: the jobs that another transaction holds. The other jobs are held. With
    `every`: of all jobs of these runs."""
    found = _asking(transaction, ended, true() if every else RETRIES)
    wanted = list(found) if every else _to_hold(transaction, found, retried=True)
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


def _to_hold(transaction: Transaction, asking: Mapping[str, Job], retried: bool) -> list[str]:
    everyone = transaction.everyone
    return [
        job.id
        for job in asking.values()
        if (retried and job.policy.retries) or any(wants(job, event, everyone) for event in ALL.on)
    ]


def _delivery(news: News, delivery_id: str, everyone: str | None) -> Delivery:
    notify = news.job.watch.notify or ALL
    url = notify.url
    return Delivery(
        id=delivery_id,
        job_id=news.job.id,
        run_id=None if news.run is None else news.run.id,
        task=news.job.task if news.run is None else news.run.task,
        event=news.event,
        url=url,
        format=None if url is None or notify.format == "json" else notify.format,
        place=place_of(url) if url is not None else everyone or "",
        body=body(news, delivery_id),
        created=news.instant,
        not_before=news.instant,
    )
