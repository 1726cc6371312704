"""A notification on its way: what is told, and when it is tried again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import attrs

from .job import Job
from .run import Run
from .watch import Event

State = Literal["waiting", "delivered", "failed"]

FIRST: Final = timedelta(seconds=1)
LONGEST: Final = timedelta(hours=1)
SPREAD: Final = 0.25  # of the pause: what failed together is not tried again together
GONE: Final = 410
PATIENCE: Final = timedelta(hours=24)  # from when it was told


@attrs.frozen(kw_only=True)
class Delivery:
    """Something that is told to one receiver, as the store keeps it."""

    id: str
    job_id: str
    run_id: str | None
    task: str
    event: Event
    url: str | None = attrs.field(repr=False)  # None: the receiver for all jobs; it may hold a secret
    place: str  # its host and port
    body: Mapping[str, Any]
    state: State = "waiting"
    attempts: int = 0
    created: datetime
    not_before: datetime  # of the next attempt; while one is made, when another may be
    ended: datetime | None = None
    status: int | None = None  # of the last answer
    error: str | None = None  # of the last attempt


@attrs.frozen(kw_only=True)
class Attempt:
    """What came of one."""

    id: str  # of the delivery
    number: int  # 1, and one more for each
    state: State  # waiting: it is tried again
    not_before: datetime
    ended: datetime | None = None
    status: int | None = None
    error: str | None = None


@attrs.frozen(kw_only=True)
class News:
    """What is to be told of a job, and of its run if there is one."""

    event: Event
    job: Job
    run: Run | None
    reason: str
    instant: datetime
    retry: bool | None = None  # whether the run is tried again


def pause(attempts: int, chance: float) -> timedelta:
    """How long after the end of so many attempts the next is made: a second, doubled up to an hour, and up to a
    quarter more as `chance` (0 to 1) says."""
    doubled: timedelta = min(FIRST * 2 ** min(max(attempts - 1, 0), 20), LONGEST)
    return doubled * (1 + SPREAD * chance)


def judged(
    delivery: Delivery, instant: datetime, chance: float, *, status: int | None, error: str | None, final: bool = False
) -> Attempt:
    """What comes of an attempt that ended at `instant`: by the receiver's status, or for an `error` if it gave none.

    Whatever is no success is tried again until its day is over, but for a receiver that is gone and what is `final`.
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


def body(news: News, delivery_id: str) -> dict[str, Any]:
    """What the receiver reads, but for the node that tells it. No parameters: some are secret."""
    job, run = news.job, news.run
    content: dict[str, Any] = {
        "id": delivery_id,
        "event": news.event,
        "at": _text(news.instant),
        "job": {"id": job.id, "name": job.name, "task": job.task, "overdue": _text(job.overdue)},
        "run": None if run is None else _run(run),
        "reason": news.reason,
    }
    return content if news.retry is None else content | {"retry": news.retry}


def _run(run: Run) -> dict[str, Any]:
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
    return None if instant is None else instant.isoformat().replace("+00:00", "Z")
