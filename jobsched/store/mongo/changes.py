"""Changes that callers follow: written with what changes, and numbered afterwards, with the counter in hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bson import ObjectId

from ...model.change import Change, Numbers
from .documents import instant_of, instant_to_number
from .transaction import Transaction

COUNTER = "last_change"
_FIELDS = ("kind", "what", "job_id", "run_id", "node_id", "task")


def write(transaction: Transaction, instant: datetime) -> None:
    """Write down what changed with this transaction, before its commit. Changes of one transaction keep their order:
    this process counts the ids of its documents up."""
    at = instant_to_number(instant)
    transaction.insert(
        "changes",
        [
            {"_id": ObjectId(), "at": at, "number": None} | {name: getattr(change, name) for name in _FIELDS}
            for change in transaction.changes
        ],
    )


def number(transaction: Transaction, most: int) -> int:
    """As `Changes.number`."""
    last = int(transaction.hold("settings", COUNTER).get("value") or 0)
    found = transaction.find("changes", {"number": None}, [("at", 1), ("_id", 1)], most, {"_id": 1})
    transaction.update_each(
        "changes", (({"_id": each["_id"]}, {"number": last + place}) for place, each in enumerate(found, 1))
    )
    if found:
        transaction.update("settings", {"_id": COUNTER}, {"value": last + len(found)})
    return len(found)


def after(transaction: Transaction, number: int, most: int) -> tuple[Sequence[Change], bool]:
    """As `Changes.after`."""
    found = transaction.find("changes", {"number": {"$gt": number}}, [("number", 1)], most)
    told = [Change(number=each["number"], **{name: each[name] for name in _FIELDS}) for each in found]
    return told, transaction.first("changes", {"number": None}) is not None


def numbers(transaction: Transaction) -> Numbers:
    """As `Changes.numbers`."""
    counter = transaction.first("settings", {"_id": COUNTER}) or {}
    last = int(counter.get("value") or 0)
    oldest = transaction.first("changes", {"number": {"$gt": 0}}, [("number", 1)])
    return Numbers(oldest=last + 1 if oldest is None else oldest["number"], last=last)


def forget(transaction: Transaction, before: datetime, most: int) -> int:
    """As `Retention.forget_changes`."""
    oldest = transaction.find("changes", {}, [("at", 1), ("_id", 1)], most, {"at": 1})
    old = [each["_id"] for each in oldest if instant_of(each["at"]) < before]
    return transaction.delete("changes", {"_id": {"$in": old}})
