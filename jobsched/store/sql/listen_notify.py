"""News between nodes on PostgreSQL: a node that changes something tells the others, so that they need not find out.

News are hints. Lost news cost time and no run, because every node looks at the store by itself too.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy import text

from ...clock import elapsed
from ..news_listener import NewsListener
from . import db_errors
from .engine import connect, end_of_use
from .transaction import Transaction

if TYPE_CHECKING:  # the driver is there only where PostgreSQL is used
    from psycopg.pq.abc import PGconn

CHANNEL = "jobsched"
WATCH = 5.0  # seconds without a word until we ask whether the server is there; so long it has to answer

_TELL = text(f"SELECT pg_notify('{CHANNEL}', :who)")


def tell(transaction: Transaction, who: str) -> None:
    """Let other nodes look at what this transaction changes, as soon as it is committed.

    `who` is the id of this node, which does not react to its own news. Only PostgreSQL can do this; on other databases,
    the nodes look often. Transactions that tell are committed one after the other: tell only what others must know
    soon.
    """
    if transaction.dialect.name == "postgresql":
        transaction.execute(_TELL, {"who": who})


class Listener(NewsListener):
    """Hears what other nodes tell, on a connection of its own: see `store.opening.listener`. Raises BadStore."""

    def __init__(
        self, url: str, who: Callable[[], str], heard: Callable[[], None], cut: Callable[[str], None],
        left: Callable[[], None], chance: Callable[[], float] = random.random,
    ) -> None:  # fmt: skip
        super().__init__(who, heard, cut, left, chance)
        self._engine = connect(url).execution_options(isolation_level="AUTOCOMMIT")

    def _words(self, why: Exception) -> str:
        return db_errors.words(self._engine.url, why)

    def _close(self) -> None:
        self._engine.dispose()

    def _listen(self) -> None:
        with self._engine.connect() as connection:
            try:
                connection.exec_driver_sql(f"LISTEN {CHANNEL}")
                self._heard()
                self._hear(connection.connection.driver_connection.pgconn)  # type: ignore[union-attr]  # it is connected
            finally:
                connection.invalidate()  # close it as it is: nothing is to be rolled back, or can be

    def _hear(self, server: PGconn) -> None:
        """Pass news on until the connection breaks or is too old. `server` is libpq's connection, because a wait in
        psycopg cannot be interrupted."""
        asked, until = False, end_of_use()
        while elapsed() < until:
            if self._wait(WATCH, server.socket):
                server.consume_input()
                asked = asked and not _answered(server)
                news = list(iter(server.notifies, None))
                if any(each.extra.decode() != self._who() for each in news):
                    self._heard()
            elif asked:
                raise TimeoutError(f"the server has not answered for {WATCH:g} s")
            else:
                server.send_query(b"SELECT 1")
                asked = True
            self._holds()


def _answered(server: PGconn) -> bool:
    """Whether the answer to our question is complete."""
    while not server.is_busy():
        if server.get_result() is None:
            return True
    return False
