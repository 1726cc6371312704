"""Everything that is stored, read in one view and piece by piece, for `jobsched.verify`. Nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Final

from pymongo.errors import PyMongoError

from ...model.errors import BadStore
from ...model.hold import Hold
from ...model.job import Job
from ...model.node import Node
from ...model.run import Run
from . import holds, jobs, schema, token_uses
from .client import begin, connect, database
from .db_errors import words
from .documents import Document, from_document
from .transaction import Transaction
from .url import make_url_safe

JOBS: Final = 500  # that are in memory at once, with their runs
_BY_DUE: Final = [("job_id", 1), ("due", 1), ("attempt", 1), ("place", 1)]


@contextmanager
def view(url: str) -> Iterator[Transaction]:
    """One consistent view of the store, for as long as the block takes, or as the server lets a transaction last, which
    is a minute with mongod. Raises BadStore if the view cannot be had, or is lost."""
    name = make_url_safe(url)
    try:
        with connect(url) as client, client.start_session() as session:
            place = database(client)
            if place.settings.find_one({"_id": schema.VERSION}) is None:
                raise BadStore(f"store: {name} cannot be read: Jobsched has made no jobs, runs and nodes there")
            begin(session)
            yield Transaction(place, session)
    except PyMongoError as why:
        raise BadStore(f"store: {name} cannot be read: {words(why)}") from why


class Snapshot:
    """What is stored, as one view shows it."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def now(self) -> datetime | None:
        return self._transaction.clock()

    def nodes(self) -> dict[str, Node]:
        return {each["_id"]: from_document(Node, each) for each in self._transaction.find("nodes", {})}

    def hold(self) -> Hold | None:
        return holds.last(self._transaction)

    def token_uses(self) -> dict[str, datetime]:
        return token_uses.every(self._transaction)

    def histories(self) -> Iterator[tuple[str, Job | None, Iterable[Run]]]:
        """Each job that exists, or that has left runs (None in place of the job), by id; with its runs by due, attempt
        and place. The runs must be read before the next job is asked for."""
        after: str | None = ""
        while after is not None:
            found = self._transaction.find("jobs", {"_id": {"$gt": after}}, [("_id", 1)], JOBS)
            page = {each["_id"]: jobs.from_document(each) for each in found}
            until = max(page) if len(page) == JOBS else None
            for job_id, runs in groupby(self._between(after, until), key=attrgetter("job_id")):
                yield job_id, page.pop(job_id, None), runs
            for job_id, job in page.items():
                yield job_id, job, ()
            after = until

    def _between(self, after: str, until: str | None) -> Iterator[Run]:
        """The runs of jobs with ids behind `after`, up to `until`."""
        within: Document = {"$gt": after} if until is None else {"$gt": after, "$lte": until}
        return (from_document(Run, each) for each in self._transaction.find("runs", {"job_id": within}, _BY_DUE))
