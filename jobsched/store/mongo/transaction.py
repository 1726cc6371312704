"""One transaction under way, as the functions of this package are given it; and the time that it goes by.

A lock is a write: whatever a change goes by is written in it, and another change that writes the same is undone and
made again. So nothing waits inside the database, and snapshot isolation cannot skew what was decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from pymongo import ReturnDocument, UpdateOne
from twisted.internet.defer import Deferred

from ..telling import Telling
from .client import Place, Session
from .documents import Document

P = ParamSpec("P")
T = TypeVar("T")
Filter = Mapping[str, Any]  # what MongoDB asks for, in its own words
Order = list[tuple[str, int]]

_HAS_CLOCK = [True]  # tests that make up their own time take it away


class Transaction(Telling):
    """What can be asked and written in the transaction, and what is to be told after the commit.

    `everyone` is the host and port of the receiver of notifications for all jobs, if there is one.
    """

    __slots__ = ("_place", "_session", "everyone", "waker", "writes")

    def __init__(self, place: Place, session: Session, everyone: str | None = None) -> None:
        super().__init__()
        self._place = place
        self._session = session
        self.everyone = everyone
        self.writes = 0  # what was only held does not count
        self.waker: str | None = None  # the node through which other nodes are told to look

    def find(
        self, name: str, which: Filter, order: Order | None = None, most: int = 0, fields: Filter | None = None
    ) -> list[Document]:
        """The documents of a collection that `which` fits, no more than `most` (0: all); `fields`: of those alone, or
        without those."""
        return list(self._place[name].find(which, fields, sort=order, limit=most, session=self._session))

    def first(self, name: str, which: Filter, order: Order | None = None) -> Document | None:
        """The first of them."""
        return self._place[name].find_one(which, sort=order, session=self._session)

    def insert(self, name: str, documents: Iterable[Document]) -> None:
        """Store new documents."""
        self.writes += 1
        if given := list(documents):
            self._place[name].insert_many(given, session=self._session)

    def update(self, name: str, which: Filter, values: Document) -> int:
        """Set these values in all that `which` fits; how many these are."""
        self.writes += 1
        return self._place[name].update_many(which, {"$set": values}, session=self._session).matched_count

    def update_each(self, name: str, changes: Iterable[tuple[Filter, Document]]) -> None:
        """For each pair, set these values in the one document that fits."""
        self.writes += 1
        if asked := [UpdateOne(which, {"$set": values}) for which, values in changes]:
            self._place[name].bulk_write(asked, session=self._session)

    def delete(self, name: str, which: Filter) -> int:
        """Forget all that fit; how many these were."""
        self.writes += 1
        return self._place[name].delete_many(which, session=self._session).deleted_count

    def hold(self, name: str, key: str) -> Document:
        """The document of that id, made if there is none, and written: nobody else can decide by it meanwhile."""
        held = self._place[name].find_one_and_update(
            {"_id": key}, {"$inc": {"held": 1}}, upsert=True, return_document=ReturnDocument.AFTER,
            session=self._session,
        )  # fmt: skip
        return dict(held or {})

    def hold_known(self, name: str, key: str) -> bool:
        """The same for one that is there; whether it is."""
        return (
            self._place[name].update_one({"_id": key}, {"$inc": {"held": 1}}, session=self._session).matched_count == 1
        )

    def hold_all(self, name: str, keys: Sequence[str]) -> None:
        """The same for several that are there."""
        if keys:
            self._place[name].update_many({"_id": {"$in": list(keys)}}, {"$inc": {"held": 1}}, session=self._session)

    def hold_living(self) -> None:
        """The same for all nodes that nobody has declared dead."""
        self._place["nodes"].update_many({"state": "alive"}, {"$inc": {"held": 1}}, session=self._session)

    def wake(self, who: str) -> None:
        """Let other nodes look at what this transaction changes, as soon as it is committed; `who` is this node."""
        self.waker = who

    @property
    def has_clock(self) -> bool:
        """Whether the server's time counts: it does, but in tests that make up their own."""
        return _HAS_CLOCK[0]

    def now(self, fallback: datetime) -> datetime:
        """The time to go by: the server's. `fallback` counts only in tests that make up their own time."""
        return self.clock() if self.has_clock else fallback

    def clock(self) -> datetime:
        """The server's own time, in UTC, to the millisecond. It is asked outside the transaction."""
        told: datetime = self._place.client.admin.command("hello")["localTime"]
        return told.replace(tzinfo=UTC)


class Transactions(Protocol):
    """Runs a function in a transaction, as `Store` does."""

    def read(
        self, question: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]:
        """Run it in a transaction that reads."""

    def write(self, change: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Run it in a transaction that may write."""


class Noun:
    """The questions and changes of one noun."""

    def __init__(self, transactions: Transactions) -> None:
        self._in = transactions
