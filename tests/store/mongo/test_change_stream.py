"""News between nodes on MongoDB: who hears what and when, and what becomes of a listener that is cut off."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
import pytest_twisted
from pymongo import MongoClient
from twisted.internet.defer import Deferred

from jobsched.store.mongo.change_stream import KEPT, NEWS, Listener
from jobsched.store.mongo.store import Store
from jobsched.store.mongo.transaction import Transaction

pytestmark = pytest.mark.mongodb

PATIENCE = 30.0  # seconds for what happens at once, on a busy machine


@attrs.define
class Ear:
    """A listener on the node `here`, and what it said."""

    url: str
    heard: int = 0
    looked_at: int = 0  # how often it asked whether news are its own
    reasons: list[str] = attrs.field(factory=list)
    listener: Listener = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.listener = Listener(self.url, self._who, self._hear, self.reasons.append, lambda: None)
        self.listener.start()

    def _who(self) -> str:
        self.looked_at += 1
        return "here"

    def _hear(self) -> None:
        self.heard += 1

    def hears(self, count: int) -> None:
        """It is told so often, or more."""
        until(lambda: self.heard >= count)


def until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)


@pytest.fixture
def store(open_store: Callable[[], Store]) -> Store:
    return open_store()


@pytest.fixture
def ear(store: Store, url: str) -> Iterator[Ear]:
    """One that listens."""
    made = Ear(url)
    made.hears(1)
    yield made
    made.listener.stop()
    assert made.listener.join(PATIENCE)


def tell(store: Store, who: str) -> Deferred[None]:
    return store.write(Transaction.wake, who)


@pytest_twisted.ensureDeferred
async def test_others_hear_of_a_commit_and_of_nothing_else(ear: Ear, store: Store) -> None:
    def fails(transaction: Transaction) -> None:
        transaction.wake("there")
        raise LookupError

    with pytest.raises(LookupError):
        await store.write(fails)
    await tell(store, "here")  # comes behind what was undone
    until(lambda: ear.looked_at > 0)
    assert (ear.heard, ear.looked_at) == (1, 1)
    await tell(store, "there")
    ear.hears(2)


@pytest_twisted.ensureDeferred
async def test_a_stream_that_breaks_is_taken_up(ear: Ear, store: Store, fail: Callable[..., None]) -> None:
    fail(["getMore"], 1, closeConnection=True)
    for _ in range(3):
        await tell(store, "there")
    ear.hears(4)
    assert (ear.heard, ear.reasons) == (4, [])


@pytest_twisted.ensureDeferred
async def test_one_that_cannot_be_taken_up_begins_anew(ear: Ear, store: Store, fail: Callable[..., None]) -> None:
    fail(["getMore", "aggregate"], 3, closeConnection=True)
    ear.hears(2)
    assert len(ear.reasons) == 1
    await tell(store, "there")
    ear.hears(3)


@pytest_twisted.ensureDeferred
async def test_it_listens_again_when_the_news_were_dropped(ear: Ear, store: Store, url: str) -> None:
    with MongoClient[dict[str, Any]](url) as client:
        news = client.get_default_database()[NEWS]
        news.drop()
        ear.hears(2)
        assert len(ear.reasons) == 1
        await tell(store, "there")
        ear.hears(3)
        assert news.index_information()["by_age"]["expireAfterSeconds"] == KEPT, "the server forgets what is old"


@pytest.mark.parametrize("code", [59, 40573])
def test_where_there_is_no_stream_it_looks_often(
    store: Store, url: str, fail: Callable[..., None], code: int
) -> None:  # fmt: skip
    fail(["aggregate"], 1, errorCode=code)
    ear = Ear(url)
    ear.hears(3)
    assert (ear.looked_at, ear.reasons) == (0, [])
    ear.listener.stop()
    assert ear.listener.join(PATIENCE)
