"""A desk that speaks SQL besides, for the tests of SQL itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

import attrs
from sqlalchemy import func, select

from jobsched.events import Events
from jobsched.model.run import Run
from jobsched.store.sql import runs as run_rows
from jobsched.store.sql.store import Store
from jobsched.store.sql.tables import jobs, runs
from jobsched.store.sql.transaction import Transaction
from tests.store.engines.sql import SqlEngine
from tests.store.samples import Desk

P = ParamSpec("P")
T = TypeVar("T")


def job_count(transaction: Transaction) -> int:
    return transaction.execute(select(func.count()).select_from(jobs)).scalar_one()


def every_run(transaction: Transaction) -> list[Run]:
    return [run_rows.from_row(row) for row in transaction.execute(select(runs).order_by(runs.c.due, runs.c.id))]


@attrs.frozen(kw_only=True)
class SqlDesk(Desk):
    """Runs functions in transactions, too."""

    store: Store

    @classmethod
    def at(cls, url: str, everyone: str | None = None) -> SqlDesk:
        events = Events()
        store, bench = SqlEngine().open(url, events, everyone)
        return cls(store=store, bench=bench, events=events)

    def read(self, question: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return self.ask(self.store.read(question, *args, **kwargs))

    def write(self, change: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return self.ask(self.store.write(change, *args, **kwargs))

    def insert(self, *new: Run) -> None:
        """By the way of the program, which tells of those that have ended."""
        self.write(run_rows.insert_all, new)
