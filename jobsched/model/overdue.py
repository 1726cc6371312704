"""When a job is overdue: a due of it has not started in time, or it has had no success for too long.

Pure, as `owed` is: the same facts give the same answer, on any node.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

import attrs

from .job import Event, Job
from .run import Run

UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
SKEW: Final = timedelta(seconds=2)  # an instant may lie ahead of now by so much and still count as past
UNDECIDED: Final = "no node has taken it up yet"


@attrs.frozen(kw_only=True)
class Late:
    """A due that should have started, and why it did not."""

    due: datetime
    why: str


@attrs.frozen(kw_only=True)
class Success:
    """When a run of the job succeeded, and its id; None: the run is not kept any more."""

    ended: datetime
    run_id: str | None = None


@attrs.frozen(kw_only=True)
class Facts:
    """What the record says of a job at one instant, without the dues that were skipped: those are no fault."""

    now: datetime
    waiting: Late | None = None  # the oldest due whose run waits to be started
    missed: Late | None = None  # the oldest due missed since the job is watched, if no run started after it
    success: Success | None = None  # the last one, but none in the future: that is from a wrong clock


@attrs.frozen(kw_only=True)
class Overdue:
    """Since when a job is overdue, and why."""

    since: datetime
    reason: str


@attrs.frozen(kw_only=True)
class OverdueChange:
    """A job became overdue, or has recovered; by a run, maybe."""

    event: Event
    job: Job
    reason: str
    run: Run | None = None


def overdue(job: Job, facts: Facts) -> Overdue | None:
    """Since when the job is overdue, and why; None: it is not. A paused job never is."""
    if job.paused or job.watched is None:
        return None
    found = [*_late(job, facts), *_unsuccessful(job, facts, job.watched)]
    if not found:
        return None
    return Overdue(since=min(each.since for each in found), reason="; ".join(each.reason for each in found))


def _late(job: Job, facts: Facts) -> Iterator[Overdue]:
    """By `max_late`: the oldest due that has not started. For a job without a next due only a waiting run counts."""
    most, late = job.watch.max_late, [facts.waiting]
    if job.next_due is not None:
        late += [facts.missed, Late(due=job.next_due, why=UNDECIDED)]
    oldest = min((each for each in late if each is not None), key=lambda each: each.due, default=None)
    if most is not None and oldest is not None and facts.now - oldest.due >= most:
        reason = f"not started within {spoken(most)} of its due at {_told(oldest.due)}: {oldest.why}"
        yield Overdue(since=oldest.due + most, reason=reason)


def _unsuccessful(job: Job, facts: Facts, watched: datetime) -> Iterator[Overdue]:
    """By `must_succeed_every`, counted from the latest of: the last success, the beginning of the watch, `start`."""
    most, success = job.watch.must_succeed_every, facts.success
    begin = max(watched, job.schedule.start or watched)
    latest = begin if success is None else max(begin, success.ended)
    if most is None or facts.now - latest < most:
        return
    words = f"none since {_told(begin)}"
    if success is not None:
        named = "" if success.run_id is None else f" (run {success.run_id})"
        words = f"the last one was at {_told(success.ended)}{named}"
    yield Overdue(since=latest + most, reason=f"no success within {spoken(most)}: {words}")


def spoken(span: timedelta) -> str:
    """A span as a person says it: its two largest units."""
    seconds = span.total_seconds()
    if seconds < 60:
        return f"{seconds:g} s"
    left, words = round(seconds), list[str]()
    for size, unit in UNITS:
        count, left = divmod(left, size)
        if count:
            words.append(f"{count} {unit}")
    return " ".join(words[:2])


def _told(instant: datetime) -> str:
    return f"{instant:%FT%TZ}"
