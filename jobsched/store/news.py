"""Notifications, written in the transaction of the change that they tell of, so that neither is there alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

from ..model.delivery import Delivery, News, body
from ..model.ids import Ids
from ..model.job import Event, Job, Notify
from ..model.receiver import place_of
from ..model.run import RETRIED, Run, State

ALL: Final = Notify()
FAILURES: Final = (*RETRIED, "missed")


class Records(Protocol):
    """What is asked of a transaction, and written in it. `everyone` is the host and port of the receiver of
    notifications for all jobs, if there is one."""

    everyone: str | None

    def add_deliveries(self, new: Sequence[Delivery]) -> None:
        """Store new notifications."""

    def fail(self, since: Mapping[str, datetime]) -> None:
        """Mark jobs as failing, each since that instant, unless it is since a later one."""

    def that_ask(self, job_ids: Iterable[str]) -> dict[str, Job]:
        """Those of these jobs that say what they want told: nobody hears otherwise that all went well."""

    def concerned(self, ended: Sequence[Run], *, retried: bool = False) -> dict[str, Job]:
        """The jobs of these runs that may have a receiver for notifications. Where runs may be `retried`, also the jobs
        that ask for retries. The jobs are held until the transaction ends."""

    def results(self, run: Run, most: int) -> Sequence[State]:
        """The states of the newest runs of its job up to this one, this one counted, that succeeded, failed, timed out
        or were lost: up to `most`, newest first."""


def tell_all(records: Records, news: Iterable[News]) -> None:
    """Write the notifications that somebody has asked for. A notified failure marks the job as failing; only a run that
    begins after the latest failure can clear the mark."""
    everyone = records.everyone
    wanted = [each for each in news if wants(each.job, each.event, everyone)]
    if not wanted:
        return
    ids = Ids()
    records.add_deliveries([_delivery(each, ids.make(each.instant), everyone) for each in wanted])
    failing: dict[str, datetime] = {}
    for each in wanted:
        if each.event in FAILURES and wants(each.job, "recovered", everyone):
            failing[each.job.id] = max(each.instant, failing.get(each.job.id, each.instant))
    if failing:
        records.fail(failing)


def tell_started(records: Records, started: Sequence[Run], known: Iterable[Job]) -> None:
    """Runs that have begun, to those that asked for it. The jobs that are not `known` are looked up."""
    ours = {job.id: job for job in known}
    others = {run.job_id for run in started if run.job_id not in ours}
    _tell_well(records, "started", started, ours | (records.that_ask(others) if others else {}))


def tell_succeeded(records: Records, ended: Sequence[Run]) -> None:
    """Runs that have succeeded, to those that asked for it."""
    if succeeded := [run for run in ended if run.state == "succeeded"]:
        _tell_well(records, "succeeded", succeeded, records.that_ask({run.job_id for run in succeeded}))


def _tell_well(records: Records, event: Event, told: Sequence[Run], asking: Mapping[str, Job]) -> None:
    news = []
    for run in told:
        job = asking.get(run.job_id)
        if job is not None and job.watch.notify is not None and event in job.watch.notify.on:
            instant = run.ended or run.started or run.due
            news.append(News(event=event, job=job, run=run, reason=run.reason or event, instant=instant))
    tell_all(records, news)


def tell_missed(records: Records, missed: Sequence[Run]) -> None:
    """Notify missed dues, each stretch once."""
    asking = records.concerned(missed)
    tell_all(
        records,
        [
            News(event="missed", job=asking[run.job_id], run=run, reason=run.reason, instant=run.ended or run.created)
            for run in missed
            if run.job_id in asking
        ],
    )


def tell_failed(records: Records, failed: Sequence[Run], asking: Mapping[str, Job], again: set[str]) -> None:
    """Notify runs that failed, timed out or were lost. `asking` are the jobs concerned; the runs in `again` are tried
    again."""
    news = []
    for run in failed:
        assert run.state in RETRIED
        if run.job_id in asking and run.ended is not None:
            job, retry = asking[run.job_id], run.id in again
            if _too_few(records, job, run):
                continue
            news.append(News(event=run.state, job=job, run=run, reason=run.reason, instant=run.ended, retry=retry))
    tell_all(records, news)


def _too_few(records: Records, job: Job, run: Run) -> bool:
    """Whether the job has not failed as often in a row as its `after` says, this run counted."""
    after = 1 if job.watch.notify is None else job.watch.notify.after
    if after == 1:
        return False
    found = records.results(run, after)
    return len(found) < after or "succeeded" in found


def wants(job: Job, event: Event, everyone: str | None) -> bool:
    """Whether a receiver is to be notified of an event of that job."""
    notify = job.watch.notify or ALL
    return event in notify.on and (notify.url is not None or everyone is not None)


def to_hold(asking: Mapping[str, Job], everyone: str | None, *, retried: bool) -> list[str]:
    """Those of these jobs that have a receiver or, where runs may be `retried`, ask for retries."""
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
