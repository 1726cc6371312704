"""Notifications, as they are shown."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from ...model.delivery import Delivery, State
from ...model.job import Event, Format
from ...model.receiver import shown
from . import FOUND, STATE, Moment


class DeliveryOut(Struct):
    """Something that is told to a receiver, and how that went."""

    id: Annotated[str, Meta(description="Unique; the receiver sees it in `Webhook-Id`, the same at each attempt")]
    job_id: Annotated[str, Meta(description="The job that is told of")]
    run_id: Annotated[str | None, Meta(description="The run that is told of; null: it is told of the job as such")]
    event: Annotated[Event, Meta(description="What is told")]
    url: Annotated[
        str | None, Meta(description="The receiver, without the query of its URL; null: the one for all jobs")
    ]
    format: Annotated[Format, Meta(description="What the receiver takes")]
    state: Annotated[State, STATE]
    attempts: Annotated[int, Meta(description="How often it was tried, the attempt under way with it")]
    created: Annotated[Moment, Meta(description="When it happened")]
    next_attempt: Annotated[
        Moment | None,
        Meta(description="When it is tried next; while that is under way, when another may be; null: never"),
    ]
    ended: Annotated[Moment | None, Meta(description="When it was delivered, or given up")]
    status: Annotated[int | None, Meta(description="Of the receiver's last answer; null: there was none")]
    error: Annotated[
        str | None, Meta(description="Why the last attempt came to nothing; null: it did not, or there was none")
    ]


class Deliveries(Struct):
    """A page of notifications."""

    values: Annotated[list[DeliveryOut], FOUND]


def delivery_out(delivery: Delivery) -> DeliveryOut:
    """For the outside: without the query of the URL, where secrets are kept."""
    return DeliveryOut(
        id=delivery.id,
        job_id=delivery.job_id,
        run_id=delivery.run_id,
        event=delivery.event,
        url=None if delivery.url is None else shown(delivery.url),
        format=delivery.format or "json",
        state=delivery.state,
        attempts=delivery.attempts,
        created=delivery.created,
        next_attempt=delivery.not_before if delivery.state == "waiting" else None,
        ended=delivery.ended,
        status=delivery.status,
        error=delivery.error,
    )
