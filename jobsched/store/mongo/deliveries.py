"""Notifications on their way: taken by the node that makes the next attempt, and settled after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs

from ...model.delivery import LOOKED_AT, Attempt, Delivery, lease
from ...model.ids import least
from .documents import from_document, instant_of, instant_to_number, up_to, values
from .nodes import agreed_lease
from .transaction import Transaction

_BY_TIME = [("not_before", 1), ("_id", 1)]


def soonest(transaction: Transaction, full: Sequence[str], only: Sequence[str] | None) -> datetime | None:
    """As `Deliveries.soonest`."""
    found = transaction.first("deliveries", {"state": "waiting", **_at(full, only)}, _BY_TIME)
    return None if found is None else instant_of(found["not_before"])


def take(
    transaction: Transaction, local: datetime, most: int, of_one: int, busy: Mapping[str, int],
    only: Sequence[str] | None,
) -> list[Delivery]:  # fmt: skip
    """As `Deliveries.take`. Two nodes that take the same are undone but one, and the other looks again."""
    instant = transaction.now(local)
    full = [place for place, number in busy.items() if number >= of_one]
    ripe = {"state": "waiting", "not_before": up_to(instant), **_at(full, only)}
    there = Counter(busy)
    taken: list[Delivery] = []
    for document in transaction.find("deliveries", ripe, _BY_TIME, LOOKED_AT):
        delivery = from_document(Delivery, document)
        if len(taken) < most and there[delivery.place] < of_one:
            there[delivery.place] += 1
            taken.append(attrs.evolve(delivery, attempts=delivery.attempts + 1))
    until = instant_to_number(instant + lease(agreed_lease(transaction)))
    transaction.update_each(
        "deliveries", (({"_id": each.id}, {"not_before": until, "attempts": each.attempts}) for each in taken)
    )
    return taken


def settle(transaction: Transaction, attempts: Sequence[Attempt]) -> None:
    """As `Deliveries.settle`."""
    transaction.update_each("deliveries", [_settled(attempt) for attempt in attempts])


def _settled(attempt: Attempt) -> tuple[dict[str, Any], dict[str, Any]]:
    said = values(attempt)
    which = {"_id": said.pop("id"), "state": "waiting"}
    number = said.pop("number")
    return (which if attempt.state != "waiting" else which | {"attempts": number}), said


def forget(transaction: Transaction, before: datetime, most: int) -> int:
    """As `Retention.forget_deliveries`."""
    old = {"_id": {"$lt": least(before)}, "state": {"$ne": "waiting"}}
    found = transaction.find("deliveries", old, [("_id", 1)], most, {"_id": 1})
    return transaction.delete("deliveries", {"_id": {"$in": [each["_id"] for each in found]}})


def _at(full: Sequence[str], only: Sequence[str] | None) -> dict[str, Any]:
    if only is not None:
        return {"place": {"$in": [place for place in only if place not in full]}}
    return {"place": {"$nin": list(full)}} if full else {}
