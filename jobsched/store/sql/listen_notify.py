"""News between nodes on PostgreSQL: a node that changes something tells the others, so that they need not find out.

News are hints. Lost news cost time and no run, because every node looks at the store by itself too.
"""

from __future__ import annotations

import contextlib
import random
import select
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy import text

from ...clock import elapsed
from . import db_errors
from .engine import connect, end_of_use
from .transaction import Transaction

if TYPE_CHECKING:  # the driver is there only where PostgreSQL is used
    from psycopg.pq.abc import PGconn

CHANNEL = "jobsched"
WATCH = 5.0  # seconds without a word until we ask whether the server is there; so long it has to answer
FIRST, LONGEST = 0.1, 5.0  # seconds before it is tried to listen again, and at most

_TELL = text(f"SELECT pg_notify('{CHANNEL}', :who)")


def tell(transaction: Transaction, who: str) -> None:
    """Let other nodes look at what this transaction changes, as soon as it is committed.

    `who` is the id of this node, which does not react to its own news. Only PostgreSQL can do this; on other databases,
    the nodes look often. Transactions that tell are committed one after the other: tell only what others must know
    soon.
    """
    if transaction.dialect.name == "postgresql":
        transaction.execute(_TELL, {"who": who})


class Listener:
    """Hears what other nodes tell, on a connection and in a thread of its own. `who` says which news come from this
    node and do not count.

    `heard` is called for news, once for news that come together, and each time that the listener begins to listen: news
    may have been missed. `cut` is called with the reason when the listener cannot listen; the listener tries again
    until it can. `left` is the last function that is called. All of them are called in the listener's thread. Raises
    BadStore.
    """

    def __init__(
        self,
        url: str,
        who: Callable[[], str],
        heard: Callable[[], None],
        cut: Callable[[str], None],
        left: Callable[[], None],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._engine = connect(url).execution_options(isolation_level="AUTOCOMMIT")
        self._who = who
        self._heard = heard
        self._cut = cut
        self._left = left
        self._chance = chance
        self._pause = FIRST
        self._waiters, self._rope = socket.socketpair()  # the bell can be read once the rope is closed
        self._thread: threading.Thread

    def start(self) -> None:
        """Begin to listen."""
        self._thread = threading.Thread(target=self._work, name="store-news", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the listener to end. It does so at once, or within the time that a connection under way may take."""
        self._rope.close()

    def renew(self) -> None:
        """Listen on a new connection: another server has taken the place of the current one."""
        self._rope.send(b"!")

    def join(self, seconds: float) -> bool:
        """Wait until the listener has ended; false if it has not ended after `seconds`."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        with contextlib.suppress(_Over):
            while True:
                self._try()
                with contextlib.suppress(_Anew):
                    self._wait(self._pause * (1 + self._chance() / 4))
                self._pause = min(self._pause * 2, LONGEST)
        self._engine.dispose()
        self._waiters.close()
        self._left()

    def _try(self) -> None:
        try:
            self._listen()
        except _Over:
            raise
        except _Anew:
            self._pause = FIRST
        except Exception as why:  # whatever it is, nobody else would try again
            self._cut(db_errors.words(self._engine.url, why))

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
        asked, since, until = False, elapsed(), end_of_use()
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
            if elapsed() - since > LONGEST:
                self._pause = FIRST  # it held: what cuts it next is something else

    def _wait(self, seconds: float, other: int | None = None) -> bool:
        """Wait until something can be read from `other`; false if nothing came. Raises _Over when the listener is to
        end, _Anew when it is to use a new connection."""
        poll = select.poll()
        for each in (self._waiters.fileno(), other):
            if each is not None:
                poll.register(each, select.POLLIN)
        ready = [number for number, _ in poll.poll(seconds * 1000)]
        if self._waiters.fileno() in ready:
            raise _Anew if self._waiters.recv(1000) else _Over
        return bool(ready)


class _Over(Exception):
    """The listener is to end."""


class _Anew(Exception):
    """The listener is to have another connection."""


def _answered(server: PGconn) -> bool:
    """Whether the answer to our question is complete."""
    while not server.is_busy():
        if server.get_result() is None:
            return True
    return False
