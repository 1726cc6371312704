"""A notification on its way: what it tells, and when the next attempt is made."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import attrs

from .definition import told
from .job import Event, Format, Job
from .run import Run
from .times import utc_text

State = Literal["waiting", "delivered", "failed"]

FIRST: Final = timedelta(seconds=1)
LONGEST: Final = timedelta(hours=1)
SPREAD: Final = 0.25  # of the pause: attempts that failed together are not repeated together
GONE: Final = 410
PATIENCE: Final = timedelta(hours=24)  # after its creation a delivery is given up
LEASE: Final = timedelta(seconds=60)  # while an attempt is made; a node that dies meanwhile is waited for no longer


@attrs.frozen(kw_only=True)
class Delivery:
    """A notification to one receiver, as the store keeps it."""

    id: str
    job_id: str
    run_id: str | None
    task: str
    event: Event
    url: str | None = attrs.field(repr=False)  # None: the receiver for all jobs; a URL may hold a secret
    format: Format | None = None  # in which that receiver wants it; None: as JSON
    place: str  # host and port of the receiver
    body: Mapping[str, Any]
    state: State = "waiting"
    attempts: int = 0
    created: datetime
    not_before: datetime  # of the next attempt; during an attempt: when another may begin
    ended: datetime | None = None
    status: int | None = None  # of the last answer
    error: str | None = None  # of the last attempt


@attrs.frozen(kw_only=True)
class Attempt:
    """The result of one attempt."""

    id: str  # of the delivery
    number: int  # of the attempt, from 1
    state: State  # waiting: another attempt follows
    not_before: datetime
    ended: datetime | None = None
    status: int | None = None
    error: str | None = None


@attrs.frozen(kw_only=True)
class News:
    """What a notification is to tell about a job, and about a run of the job if there is one."""

    event: Event
    job: Job
    run: Run | None
    reason: str
    instant: datetime
    retry: bool | None = None  # whether the run is tried again


def pause(attempts: int, chance: float) -> timedelta:
    """How long after the end of attempt number `attempts` the next one is made.

    A second, doubled at each attempt up to an hour, plus up to a quarter of it as `chance` (0 to 1) says.
    """
    doubled: timedelta = min(FIRST * 2 ** min(max(attempts - 1, 0), 20), LONGEST)
    return doubled * (1 + SPREAD * chance)


def judged(
    delivery: Delivery, instant: datetime, chance: float, *, status: int | None, error: str | None, final: bool = False
) -> Attempt:
    """The result of an attempt that ended at `instant`: by the receiver's `status`, or an `error` if it gave none.

    An attempt without success is repeated for a day after the delivery was created, unless the receiver is gone (410)
    or `final` is set.
    """
    what: dict[str, Any] = {"id": delivery.id, "number": delivery.attempts, "status": status}
    if status is not None and error is None:
        if 200 <= status < 300:
            return Attempt(**what, state="delivered", not_before=instant, ended=instant)
        error = _refusal(status)
    if final or status == GONE or instant - delivery.created >= PATIENCE:
        return Attempt(**what, state="failed", not_before=instant, ended=instant, error=error)
    return Attempt(**what, state="waiting", not_before=instant + pause(delivery.attempts, chance), error=error)


def _refusal(status: int) -> str:
    if status == GONE:
        return "status 410: the receiver wants no more of it"
    return f"status {status}" + (": redirects are not followed" if 300 <= status < 400 else "")


def body(news: News, delivery_id: str) -> dict[str, object]:
    """The JSON for the receiver; the sender adds the node. It has no parameters: some are secret."""
    job, run = news.job, news.run
    content: dict[str, Any] = {
        "id": delivery_id,
        "event": news.event,
        "at": _text(news.instant),
        "job": {"id": job.id, "name": job.name, "task": job.task, "overdue": _text(job.overdue), **told(job.about)},
        "run": None if run is None else _run(run),
        "reason": news.reason,
    }
    return content if news.retry is None else content | {"retry": news.retry}


def _run(run: Run) -> dict[str, object]:
    return {
        "id": run.id,
        "due": _text(run.due),
        "until": _text(run.until),
        "count": run.count,
        "attempt": run.attempt,
        "cause": run.cause,
        "state": run.state,
        "reason": run.reason,
        "node": run.node,
        "started": _text(run.started),
        "ended": _text(run.ended),
        "exit_code": run.exit_code,
        "signal": run.signal,
    }


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else utc_text(instant)
