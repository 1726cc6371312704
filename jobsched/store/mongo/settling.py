"""Pauses that end by themselves; what settling asks of a transaction: see `store.settling`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from ...model.ids import Ids
from ...model.job import Job
from ...model.owed import Stretch
from ...model.run import Run
from ...model.trigger import Schedule
from .. import settling
from . import holds, jobs, stretches, wrong_clock
from .documents import instant_of, up_to
from .transaction import Transaction

CLOCKS: Final = timedelta(seconds=0.1)  # that the server's may be behind that of a node


class Settling(settling.Records):
    """What settling asks of a transaction, and writes in it."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction
        self.telling = transaction

    def settled(self, job: Job, instant: datetime) -> tuple[Job, Stretch | None]:
        return wrong_clock.settled(self._in, job, instant)

    def add(self, new: Sequence[Run], schedules: Mapping[str, Schedule], now: datetime) -> None:
        stretches.add(self._in, new, schedules, now)

    def put_job(self, job: Job) -> None:
        jobs.put(self._in, job)


def next_pause_end(transaction: Transaction, local: datetime) -> datetime | None:
    """As `Jobs.next_pause_end`."""
    soonest = transaction.first("jobs", {"paused": True, "paused_until": {"$ne": None}}, [("paused_until", 1)])
    ends = [
        None if soonest is None else instant_of(soonest["paused_until"]),
        holds.next_end(transaction, local, CLOCKS),
    ]
    return min((end for end in ends if end is not None), default=None)


def end_pauses(transaction: Transaction, local: datetime, most: int, ids: Ids, asker: str) -> int:
    """As `Jobs.end_pauses`."""
    instant = transaction.now(local)
    over = transaction.find("jobs", {"paused": True, "paused_until": up_to(instant)}, [("_id", 1)], most)
    transaction.hold_all("jobs", [each["_id"] for each in over])
    for each in over:
        settling.as_of(Settling(transaction), jobs.from_document(each), ids, instant)
    holds.tell_end(transaction, instant)
    if over:
        transaction.wake(asker)
    return len(over)
