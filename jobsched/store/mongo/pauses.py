"""Pauses that end by themselves."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from ...model.ids import Ids
from .. import settling
from . import holds, jobs
from .documents import instant_of, up_to
from .ordering import Records
from .transaction import Transaction

CLOCKS: Final = timedelta(seconds=0.1)  # that the server's may be behind that of a node


def next_end(transaction: Transaction, local: datetime) -> datetime | None:
    """As `Jobs.next_pause_end`."""
    soonest = transaction.first("jobs", {"paused": True, "paused_until": {"$ne": None}}, [("paused_until", 1)])
    ends = [
        None if soonest is None else instant_of(soonest["paused_until"]),
        holds.next_end(transaction, local, CLOCKS),
    ]
    return min((end for end in ends if end is not None), default=None)


def end(transaction: Transaction, local: datetime, most: int, ids: Ids, asker: str) -> int:
    """As `Jobs.end_pauses`."""
    records = Records(transaction)
    instant = transaction.now(local)
    over = transaction.find("jobs", {"paused": True, "paused_until": up_to(instant)}, [("_id", 1)], most)
    transaction.hold_all("jobs", [each["_id"] for each in over])
    for each in over:
        settling.as_of(records, jobs.from_document(each), ids, instant)
    holds.tell_end(transaction, instant)
    if over:
        records.wake(asker)
    return len(over)
