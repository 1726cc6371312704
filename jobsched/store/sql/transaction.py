"""One transaction under way, as the functions of this package are given it; and the time that it goes by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Concatenate, ParamSpec, Protocol, TypeAlias, TypeVar

from sqlalchemy import Connection, Row, Select, text
from sqlalchemy.exc import DBAPIError
from twisted.internet.defer import Deferred

from ...model.change import Change
from ...model.run import Run

P = ParamSpec("P")
T = TypeVar("T")
Query: TypeAlias = Select[*tuple[object, ...]]  # for columns of any number and type
TableRow: TypeAlias = Row[*tuple[object, ...]]  # what such a query finds; its columns are read by name

_ASK_TIME = {
    "postgresql": text("SELECT clock_timestamp()"),  # not now(): that is when the transaction began
    "mysql": text("SELECT UTC_TIMESTAMP(6)"),
}
_BY_INDEXES = text("SET LOCAL enable_seqscan = off")


class Transaction:
    """What can be done in the transaction, what it goes by, and what is to be told after the commit.

    `everyone` is the host and port of the receiver of notifications for all jobs, if there is one. `ended` collects the
    runs that get their outcome, `changes` what callers may follow. `notified` becomes true when a notification is
    written.
    """

    __slots__ = ("changes", "connection", "dialect", "ended", "everyone", "execute", "notified")

    def __init__(self, connection: Connection, everyone: str | None = None) -> None:
        self.connection = connection
        self.execute = connection.execute
        self.dialect = connection.dialect
        self.everyone = everyone
        self.ended: list[Run] = []
        self.changes: list[Change] = []
        self.notified = False

    def will_notify(self) -> None:
        """A notification is written in this transaction."""
        self.notified = True

    def apart(self) -> AbstractContextManager[None]:
        """What is done inside is undone if it fails, and nothing else. If it is the database that fails, the whole
        transaction is to be given up: the database may have undone it, and with it the savepoint."""
        return self._behind_savepoint(keep=True)

    def undone(self) -> AbstractContextManager[None]:
        """What is done inside is undone; failures of the database as in `apart`."""
        return self._behind_savepoint(keep=False)

    @contextmanager
    def _behind_savepoint(self, *, keep: bool) -> Iterator[None]:
        back, point = self._mark(), self.connection.begin_nested()
        try:
            yield
        except DBAPIError:
            raise
        except BaseException:
            point.rollback()
            back()
            raise
        if keep:
            point.commit()
        else:
            point.rollback()
            back()

    def _mark(self) -> Callable[[], None]:
        """A function that forgets what is to be told from now on."""
        ended, changes, notified = len(self.ended), len(self.changes), self.notified

        def back() -> None:
            del self.ended[ended:]
            del self.changes[changes:]
            self.notified = notified

        return back

    def have_ended(self, runs: Iterable[Run]) -> None:
        """These runs get their outcome in this transaction. Active runs among them are left out."""
        self.have_changed(run for run in runs if not run.active)

    def have_changed(self, runs: Iterable[Run]) -> None:
        """These runs come to their states in this transaction; the states of some are outcomes."""
        for run in runs:
            self.changes.append(Change(kind="run", what=run.state, job_id=run.job_id, run_id=run.id, task=run.task))
            if not run.active:
                self.ended.append(run)


def by_indexes(transaction: Transaction) -> None:
    """From here on, use an index wherever there is one. PostgreSQL may know nothing yet of thousands of rows that were
    just written: it takes the table for empty, and looks through all of it for each row of another."""
    if transaction.dialect.name == "postgresql":
        transaction.execute(_BY_INDEXES)


def database_now(transaction: Transaction, fallback: datetime) -> datetime:
    """The database's own time, in UTC. On SQLite it is `fallback`: its clock is that of its one node."""
    question = _ASK_TIME.get(transaction.dialect.name)
    return fallback if question is None else in_utc(transaction.execute(question).scalar_one())


def has_clock(transaction: Transaction) -> bool:
    """Whether the database has a clock, which is asked for the time."""
    return transaction.dialect.name in _ASK_TIME


def in_utc(told: datetime) -> datetime:
    """What the database's clock told."""
    return told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)


class Transactions(Protocol):
    """Runs a function in a transaction. `Store` and `ForCallers` do so."""

    def read(
        self, question: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]:
        """Run it in a transaction that reads."""

    def write(self, change: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Run it in a transaction that may write."""


class Noun:
    """The questions and changes of one noun of the contract, each in a transaction of its own."""

    def __init__(self, transactions: Transactions) -> None:
        self._in = transactions
