"""When a job is overdue and which events are told, in requests and in answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

from ...model.job import EVENTS, MOST_FAILURES, USUAL, Event, Format, Job, Notify, Watch
from ...model.trigger import LONGEST
from . import REASON, Moment

Late = Annotated[float, Meta(ge=1, le=LONGEST.total_seconds())]
Url = Annotated[str, Meta(min_length=1, max_length=2000)]
Events = Annotated[list[Event], Meta(max_length=len(EVENTS))]

RECEIVER = Meta(description="The receiver; null: the one that the operator set for all jobs")
After = Annotated[int, Meta(ge=1, le=MOST_FAILURES)]
AFTER = Meta(description="Failures in a row: those before this one are not told")
_NOTHING = Watch()
FORMAT = Meta(
    description="What the receiver of `url` takes: our JSON, or a message for Slack and Mattermost, or for Teams"
)
EVENTS_TOLD = Meta(description="The events that are told; none: nobody is told anything")


class NotifyIn(Struct, forbid_unknown_fields=True):
    """Who is to be told of what."""

    url: Annotated[
        Url | None, Meta(description="The receiver; left out: the one that the operator set for all jobs")
    ] = None
    on: Annotated[Events, EVENTS_TOLD] = field(default_factory=lambda: list(USUAL))
    after: Annotated[After, AFTER] = 1
    format: Annotated[Format, FORMAT] = "json"


class NotifyPatch(Struct, forbid_unknown_fields=True):
    """A merge patch of that."""

    url: Annotated[Url | UnsetType | None, RECEIVER] = UNSET
    on: Annotated[Events | UnsetType | None, EVENTS_TOLD] = UNSET
    after: Annotated[After | UnsetType | None, AFTER] = UNSET
    format: Annotated[Format | UnsetType | None, FORMAT] = UNSET


class NotifyOut(Struct):
    """Who is told of what, as it is shown."""

    url: Annotated[str | None, RECEIVER]
    on: Annotated[list[Event], EVENTS_TOLD]
    after: Annotated[int, AFTER]
    format: Annotated[Format, FORMAT]


class OverdueOut(Struct):
    """Since when a job is overdue, and why."""

    since: Annotated[Moment, Meta(description="Since when")]
    reason: Annotated[str, REASON]


def watch(max_late: float | None, must_succeed_every: float | None, notify: NotifyIn | None) -> Watch:
    """What a request asks to be watched; an event that it names twice is told once."""
    if max_late is None and must_succeed_every is None and notify is None:
        return _NOTHING
    return Watch(
        max_late=_span(max_late),
        must_succeed_every=_span(must_succeed_every),
        notify=None
        if notify is None
        else Notify(url=notify.url, on=tuple(dict.fromkeys(notify.on)), after=notify.after, format=notify.format),
    )


def merged(before: dict[str, object] | None, patch: dict[str, object] | None) -> dict[str, object] | None:
    """What a merge patch makes of `notify`."""
    if patch is None:
        return None
    return {name: value for name, value in ((before or {}) | patch).items() if value is not None}


def overdue_out(job: Job) -> OverdueOut | None:
    """Since when a job is overdue, and why; None: it is not."""
    return None if job.overdue is None else OverdueOut(since=job.overdue, reason=job.overdue_reason or "")


def _span(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
