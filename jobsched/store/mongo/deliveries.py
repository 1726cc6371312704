"""Notifications on their way: taken by the node that makes the next attempt, and settled after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice

import attrs

from ...model.caller import is_among
from ...model.delivery import LOOKED_AT, Attempt, Delivery, lease
from ...model.ids import least
from . import runs
from .documents import Document, from_document, instant_of, instant_to_number, up_to, values
from .nodes import agreed_lease
from .run_lists import must_be_known
from .transaction import Filter, Transaction

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


def _settled(attempt: Attempt) -> tuple[Filter, Document]:
    said = values(attempt)
    which = {"_id": said.pop("id"), "state": "waiting"}
    number = said.pop("number")
    return (which if attempt.state != "waiting" else which | {"attempts": number}), said


def of_run(transaction: Transaction, run_id: str, limit: int, before: str | None) -> tuple[str, list[Delivery]]:
    """As `Deliveries.of_run`."""
    task = runs.get(transaction, run_id).task
    return task, list(islice(_newest(transaction, {"run_id": run_id}, limit, before, None), limit))


def of_job(
    transaction: Transaction, job_id: str, limit: int, before: str | None, tasks: tuple[str, ...] | None
) -> list[Delivery]:
    """As `Deliveries.of_job`."""
    found = list(islice(_newest(transaction, {"job_id": job_id}, limit, before, tasks), limit))
    if not found:
        must_be_known(transaction, job_id, tasks)
    return found


def _newest(
    transaction: Transaction, which: Document, limit: int, before: str | None, tasks: tuple[str, ...] | None
) -> Iterator[Delivery]:
    while True:
        older = which if before is None else which | {"_id": {"$lt": before}}
        found = transaction.find("deliveries", older, [("_id", -1)], limit)
        yield from (_shown(each) for each in found if is_among(each["task"], tasks))
        if len(found) < limit:
            return
        before = found[-1]["_id"]


def _shown(document: Document) -> Delivery:
    """Without its body."""
    return from_document(Delivery, document | {"body": "{}"})


def forget(transaction: Transaction, before: datetime, most: int) -> int:
    """As `Retention.forget_deliveries`."""
    old = {"_id": {"$lt": least(before)}, "state": {"$ne": "waiting"}}
    found = transaction.find("deliveries", old, [("_id", 1)], most, {"_id": 1})
    return transaction.delete("deliveries", {"_id": {"$in": [each["_id"] for each in found]}})


def _at(full: Sequence[str], only: Sequence[str] | None) -> Document:
    if only is not None:
        return {"place": {"$in": [place for place in only if place not in full]}}
    return {"place": {"$nin": list(full)}} if full else {}
