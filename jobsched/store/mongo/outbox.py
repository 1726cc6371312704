"""What notifications ask of a transaction in MongoDB, and write in it: see `store.news`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from ...model.delivery import Delivery
from ...model.job import Job
from ...model.run import RETRIED, Run, State
from .. import news
from . import jobs
from .documents import instant_to_number, to_document
from .transaction import Transaction


class Records(news.Records):
    """Asks and writes in one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction
        self.everyone = transaction.everyone

    def add_deliveries(self, new: Sequence[Delivery]) -> None:
        self._in.insert("deliveries", map(to_document, new))
        self._in.will_notify()

    def fail(self, since: Mapping[str, datetime]) -> None:
        for job_id in sorted(since):
            number = instant_to_number(since[job_id])
            earlier = [{"failing": None}, {"failing": {"$lt": number}}]
            self._in.update("jobs", {"_id": job_id, "$or": earlier}, {"failing": number})

    def that_ask(self, job_ids: Iterable[str]) -> dict[str, Job]:
        return jobs.some(self._in, job_ids, notify={"$ne": None})

    def concerned(self, ended: Sequence[Run], *, retried: bool = False) -> dict[str, Job]:
        """Between the look at a job and its being held nothing can come: both see the same state, or the transaction is
        undone."""
        if not ended:
            return {}
        found = jobs.some(self._in, {run.job_id for run in ended})
        held = news.to_hold(found, self.everyone, retried=retried)
        self._in.hold_all("jobs", held)
        return {job_id: found[job_id] for job_id in held}

    def results(self, run: Run, most: int) -> Sequence[State]:
        told = {"job_id": run.job_id, "_id": {"$lte": run.id}, "state": {"$in": [*RETRIED, "succeeded"]}}
        return [each["state"] for each in self._in.find("runs", told, [("_id", -1)], most, {"state": 1})]
