"""One transaction under way, as the functions of this package are given it; and the time that it goes by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Concatenate, ParamSpec, Protocol, TypeAlias, TypeVar

from sqlalchemy import Connection, Row, Select
from sqlalchemy.exc import DBAPIError
from twisted.internet.defer import Deferred

from ..telling import Telling

P = ParamSpec("P")
T = TypeVar("T")
Query: TypeAlias = Select[*tuple[object, ...]]  # for columns of any number and type
TableRow: TypeAlias = Row[*tuple[object, ...]]  # what such a query finds; its columns are read by name

_ASK_TIME = {
    "postgresql": "SELECT clock_timestamp()",  # not now(): that is when the transaction began
    "mysql": "SELECT UTC_TIMESTAMP(6)",
}


class Transaction(Telling):
    """What can be done in the transaction, what it goes by, and what is to be told after the commit.

    `everyone` is the host and port of the receiver of notifications for all jobs, if there is one.
    """

    __slots__ = ("connection", "dialect", "everyone", "execute")

    def __init__(self, connection: Connection, everyone: str | None = None) -> None:
        super().__init__()
        self.connection = connection
        self.execute = connection.execute
        self.dialect = connection.dialect
        self.everyone = everyone

    def apart(self) -> AbstractContextManager[None]:
        """What is done inside is undone if it fails, and nothing else. If it is the database that fails, the whole
        transaction is to be given up: the database may have undone it, and with it the savepoint."""
        return self._behind_savepoint(keep=True)

    def undone(self) -> AbstractContextManager[None]:
        """What is done inside is undone; failures of the database as in `apart`."""
        return self._behind_savepoint(keep=False)

    @contextmanager
    def _behind_savepoint(self, *, keep: bool) -> Iterator[None]:
        back, point = self.mark(), self.connection.begin_nested()
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


def database_now(transaction: Transaction, fallback: datetime) -> datetime:
    """The database's own time, in UTC. On SQLite it is `fallback`: its clock is that of its one node."""
    question = _ASK_TIME.get(transaction.dialect.name)
    return fallback if question is None else in_utc(transaction.connection.exec_driver_sql(question).scalar_one())


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
