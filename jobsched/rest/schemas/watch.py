"""What of a job is watched and told, as it is asked for and shown."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, field

from ...model.job import Job
from ...model.trigger import LONGEST
from ...model.watch import EVENTS, Event, Notify, Watch

Late = Annotated[float, Meta(ge=1, le=LONGEST.total_seconds())]
Url = Annotated[str, Meta(min_length=1, max_length=2000)]
Events = Annotated[list[Event], Meta(max_length=len(EVENTS))]


class NotifyIn(Struct, forbid_unknown_fields=True):
    """Who is to be told of what."""

    url: Url | None = None
    on: Events = field(default_factory=lambda: list(EVENTS))


class NotifyPatch(Struct, forbid_unknown_fields=True):
    """A merge patch of that."""

    url: Url | UnsetType | None = UNSET
    on: Events | UnsetType | None = UNSET


class NotifyOut(Struct):
    """Who is told of what, as it is shown."""

    url: str | None
    on: list[Event]


class OverdueOut(Struct):
    """Since when a job is overdue, and why."""

    since: Annotated[datetime, Meta(tz=True)]
    reason: str


def watch(max_late: float | None, must_succeed_every: float | None, notify: NotifyIn | None) -> Watch:
    """What a request asks to be watched; an event that it names twice is told once."""
    return Watch(
        max_late=_span(max_late),
        must_succeed_every=_span(must_succeed_every),
        notify=None if notify is None else Notify(url=notify.url, on=tuple(dict.fromkeys(notify.on))),
    )


def merged(before: dict[str, Any] | None, patch: dict[str, Any] | None) -> dict[str, Any] | None:
    """What a merge patch makes of `notify`."""
    if patch is None:
        return None
    return {name: value for name, value in ((before or {}) | patch).items() if value is not None}


def overdue_out(job: Job) -> OverdueOut | None:
    """How a job stands."""
    return None if job.overdue is None else OverdueOut(since=job.overdue, reason=job.overdue_reason or "")


def _span(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
