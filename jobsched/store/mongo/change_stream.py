"""News between nodes on MongoDB: a node that changes something writes so beside it, and the others follow a stream.

News are hints. Lost news cost time and no run, because every node looks at the store by itself too.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from bson import ObjectId
from pymongo.errors import OperationFailure

from ...model.errors import Unavailable
from ..news_listener import NewsListener
from . import db_errors
from .client import Place, connect, database
from .transaction import Transaction

NEWS: Final = "news"
KEPT: Final = 3600  # seconds; only what is new is read
AWAIT: Final = 500  # milliseconds that the server holds a question back until there are news; to stop may take as long
PROMPT: Final = 5  # seconds that it has to answer
EVERY: Final = 0.5  # seconds between looks where the server has no streams
NONE: Final = {59, 115, 136, 238, 303, 40324, 40573}  # no such command, stage or feature; not enabled; no replica set
_NEW: Final = [{"$match": {"operationType": "insert"}}]


def prepare(place: Place) -> None:
    """Make the collection, with the index by which the server forgets what is old. Somebody may have dropped it: the
    next news would make one that grows for ever."""
    place[NEWS].create_index([("at", 1)], name="by_age", expireAfterSeconds=KEPT)


def write(transaction: Transaction, instant: datetime) -> None:
    """Write down, before the commit, that other nodes should look. `who` is this node, which does not react to its own
    news. What is old, the server forgets: that needs a date of its own kind."""
    transaction.insert(NEWS, [{"_id": ObjectId(), "who": transaction.waker, "at": instant}])


class Listener(NewsListener):
    """Hears what other nodes tell, on a connection of its own: see `store.opening.listener`. Raises BadStore.

    A stream that breaks is taken up by the driver where it was; another one begins with what comes, and with a look.
    """

    def __init__(
        self, url: str, who: Callable[[], str], heard: Callable[[], None], cut: Callable[[str], None],
        left: Callable[[], None], chance: Callable[[], float] = random.random,
    ) -> None:  # fmt: skip
        super().__init__(who, heard, cut, left, chance)
        self._client = connect(url, found=PROMPT, silent=PROMPT)
        self._place: Place = database(self._client)

    def _words(self, why: Exception) -> str:
        return db_errors.words(why)

    def _close(self) -> None:
        self._client.close()

    def _listen(self) -> None:
        prepare(self._place)
        try:
            self._follow()
        except OperationFailure as why:
            if why.code not in NONE:
                raise
            self._look_often()

    def _follow(self) -> None:
        with self._place[NEWS].watch(_NEW, max_await_time_ms=AWAIT) as stream:
            self._heard()
            while stream.alive:
                news: Any = stream.try_next()
                if news is not None and news["fullDocument"]["who"] != self._who():
                    self._heard()
                self._wait(0)
                self._holds()
        raise Unavailable("the stream of news has ended: their collection was dropped, or put back from a copy")

    def _look_often(self) -> None:
        while True:
            self._heard()
            self._wait(EVERY)
