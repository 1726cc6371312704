"""Everything that is stored, read in one view and piece by piece, for `jobsched.verify`. Nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from ...model.errors import BadStore
from ...model.hold import Hold
from ...model.ids import EPOCH
from ...model.job import Job
from ...model.node import Node
from ...model.run import Run
from . import db_errors, holds, token_uses
from . import jobs as job_rows
from . import nodes as node_rows
from . import runs as run_rows
from .db_errors import make_url_safe
from .engine import connect, reading
from .tables import nodes, runs
from .transaction import Transaction, database_now

JOBS = 500  # that are in memory at once
RUNS = 1000


@contextmanager
def view(url: str) -> Iterator[Transaction]:
    """One consistent view of the store, for as long as the block takes. Raises BadStore if the view cannot be had, or
    is lost."""
    name = make_url_safe(url)
    if _absent(url):
        raise BadStore(f"store: {name} cannot be read: there is no such file")
    engine = connect(url, patient=True)
    try:
        with reading(engine).connect() as connection, connection.begin():
            yield Transaction(connection)
    except SQLAlchemyError as why:
        raise BadStore(f"store: {name} cannot be read: {db_errors.words(engine.url, why)}") from why
    finally:
        engine.dispose()


class Snapshot:
    """What is stored, as one view shows it."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def now(self) -> datetime | None:
        return now(self._transaction)

    def nodes(self) -> dict[str, Node]:
        return known(self._transaction)

    def hold(self) -> Hold | None:
        return holds.last(self._transaction)

    def token_uses(self) -> dict[str, datetime]:
        return token_uses.every(self._transaction)

    def histories(self) -> Iterator[tuple[str, Job | None, Iterable[Run]]]:
        return histories(self._transaction)


def _absent(url: str) -> bool:
    """Whether the store is a file of SQLite that does not exist: opening it would create it."""
    try:
        target = make_url(url)
    except (ArgumentError, ValueError):
        return False  # `connect` says what is wrong
    file = target.database or ""
    return target.get_backend_name() == "sqlite" and not file.startswith("file:") and not Path(file).is_file()


def now(transaction: Transaction) -> datetime | None:
    """The instant of the view, by the database's clock; None on SQLite, which has no clock and knows no nodes."""
    return None if transaction.dialect.name == "sqlite" else database_now(transaction, EPOCH)


def known(transaction: Transaction) -> dict[str, Node]:
    """Every node that is not forgotten, by its id."""
    return {row.id: node_rows.from_row(row) for row in transaction.execute(select(nodes))}


def histories(transaction: Transaction) -> Iterator[tuple[str, Job | None, Iterable[Run]]]:
    """Each job that exists, or that has left runs (None in place of the job), by id; with its runs by due, attempt and
    place.

    The runs must be read before the next job is asked for.
    """
    after: str | None = ""
    while after is not None:
        page = {job.id: job for job in job_rows.by_id(transaction, JOBS, after)}
        until = max(page) if len(page) == JOBS else None
        for job_id, found in groupby(_between(transaction, after, until), key=attrgetter("job_id")):
            yield job_id, page.pop(job_id, None), found
        for job_id, job in page.items():
            yield job_id, job, ()
        after = until


def _between(transaction: Transaction, after: str, until: str | None) -> Iterator[Run]:
    """The runs of jobs with ids behind `after`, up to `until`, in the order of an index."""
    query = select(runs).where(runs.c.job_id > after)
    if until is not None:
        query = query.where(runs.c.job_id <= until)
    query = query.order_by(runs.c.job_id, runs.c.due, runs.c.attempt, runs.c.place).execution_options(yield_per=RUNS)
    with transaction.execute(query) as rows:
        for row in rows:
            yield run_rows.from_row(row)
