"""Notifications, as they are asked for and shown."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from ...model.delivery import Delivery, State
from ...model.receiver import shown
from ...model.watch import Event

Moment = Annotated[datetime, Meta(tz=True)]


class DeliveryPage(Struct, forbid_unknown_fields=True):
    """Which part of a list of notifications."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 500
    after: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET


class DeliveryOut(Struct):
    """Something that is told to a receiver, and how that went."""

    id: str
    job_id: str
    run_id: str | None
    event: Event
    url: str | None
    state: State
    attempts: int
    created: Moment
    next_attempt: Moment | None
    ended: Moment | None
    status: int | None
    error: str | None


class Deliveries(Struct):
    """A page of notifications."""

    values: list[DeliveryOut]


def delivery_out(delivery: Delivery) -> DeliveryOut:
    """For the outside: without the query of the URL, where secrets are kept."""
    return DeliveryOut(
        id=delivery.id,
        job_id=delivery.job_id,
        run_id=delivery.run_id,
        event=delivery.event,
        url=None if delivery.url is None else shown(delivery.url),
        state=delivery.state,
        attempts=delivery.attempts,
        created=delivery.created,
        next_attempt=delivery.not_before if delivery.state == "waiting" else None,
        ended=delivery.ended,
        status=delivery.status,
        error=delivery.error,
    )
