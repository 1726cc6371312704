"""A store in a database of SQL: how a transaction is made there, and made again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import ParamSpec, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from twisted.internet.defer import Deferred

from ...events import Events
from ...model.errors import Unavailable
from ...model.health import Counts, JobInfo
from ...reactor_types import WithTimers
from ...threads import Bulkhead, Pool
from ..asking import Asking
from ..contract import deliveries as delivery_contract
from ..contract import history as history_contract
from ..contract import jobs as job_contract
from ..contract import nodes as node_contract
from ..contract import orders as order_contract
from ..contract import retention as retention_contract
from ..contract import runs as run_contract
from ..order_groups import OrderGroups
from ..sign_of_life import Sign
from . import changes, db_errors, downtimes, nouns, queries, retention, token_uses
from . import labels as label_rows
from .engine import connect, reading, writing
from .for_callers import ForCallers
from .nodes import Settings
from .order_groups import Carrying
from .transaction import Transaction

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 4
OWN = 2  # threads more that read, and one that writes: so many are free for what no caller orders
WAITING = 512  # questions of callers, and as many changes, that wait for a thread
TRIES = 5  # of a transaction that the database undid, or whose connection broke


class Store(Asking[Transaction]):
    """Runs questions and changes against one database.

    On SQLite there is one thread that writes, so that changes queue here and never meet inside the database.

    - `pool` makes the pools of threads, from the least and the most threads and a name
    - `threads` says how many threads callers may keep busy
    - `everyone` is the host and port of the receiver of notifications for all jobs, if there is one
    - `prompt`: a server that has not answered in this many seconds is given up; None: after the usual time
    - `sign()`, called in the thread that writes, says which sign of life goes with a change, if any
    - `tells()`, called in the reactor, says whether the log already says that the store cannot be reached
    """

    failures = (DBAPIError, PoolTimeout)

    def __init__(
        self,
        reactor: WithTimers,
        url: str,
        pool: Callable[[int, int, str], Pool] = Pool,
        threads: int = THREADS,
        everyone: str | None = None,
        waiting: int = WAITING,
        prompt: int | None = None,
        events: Events | None = None,
        sign: Callable[[], Sign | None] = lambda: None,
        tells: Callable[[], bool] = lambda: False,
    ) -> None:
        self._engine: Engine = connect(url, prompt=prompt)
        one_writer = self._engine.dialect.name == "sqlite"
        self._writer: Connection | None = None  # of the one thread that writes
        self._renewed = False  # since that thread has looked
        readers = pool(0, threads + OWN, "store-read")
        writers = pool(0, 1 if one_writer else threads + 1, "store-write")
        super().__init__(reactor, readers, writers, events, tells)
        self._sign = sign
        self._everyone = everyone
        self._reading = reading(self._engine)
        self._writing = writing(self._engine)
        # Where one thread writes, it has the next change of a caller at hand when it is through with one, and no more.
        self._for_callers = ForCallers(
            self, self.shared, Bulkhead(threads, waiting), Bulkhead(2 if one_writer else threads, waiting),
            lambda them: OrderGroups(reactor, Carrying(them), alone=one_writer, most=threads, waiting=waiting),
        )  # fmt: skip
        self.jobs: job_contract.Jobs = nouns.Jobs(self)
        self.claims: job_contract.Claims = nouns.Claims(self)
        self.holds: job_contract.Holds = nouns.Holds(self)
        self.runs: run_contract.Runs = nouns.Runs(self)
        self.nodes: node_contract.Nodes = nouns.Nodes(self)
        self.signs: node_contract.SignsOfLife | None = None if self.shared else nouns.SignsOfLife(self)
        self.deliveries: delivery_contract.Deliveries = nouns.Deliveries(self)
        self.overdue: job_contract.Overdue = nouns.Overdue(self)
        self.retention: retention_contract.Retention = retention.Retention(self)
        self.downtimes: history_contract.Downtimes = nouns.Downtimes(self)
        self.wrong_clock: history_contract.WrongClock = nouns.WrongClock(self)
        self.orders: order_contract.Orders = nouns.Orders(self)
        self.changes: history_contract.Changes = nouns.Changes(self)
        self.settings: node_contract.Settings = Settings(self)
        self.token_uses: order_contract.TokenUses = token_uses.TokenUses(self)

    @property
    def shared(self) -> bool:
        """Whether the database is on a server."""
        return self._engine.dialect.name != "sqlite"

    @property
    def notifies(self) -> bool:
        """Whether the database has LISTEN and NOTIFY."""
        return self._engine.dialect.name == "postgresql"

    @property
    def for_callers(self) -> ForCallers:
        """The same for callers."""
        return self._for_callers

    def answers(self) -> Deferred[None]:
        return self.read(queries.answers)

    def counts(self) -> Deferred[Counts]:
        return self.read(queries.counts)

    def job_infos(self, labels: Sequence[str], most: int) -> Deferred[list[JobInfo]]:
        return self.read(label_rows.infos, labels, most)

    def _disconnect(self) -> None:
        self._drop_writer()
        self._engine.dispose()

    def renew(self) -> None:
        """Stop using the connections that exist now: their server is read-only, or another has taken its place."""
        self._engine.dispose()
        self._renewed = True

    def words(self, why: BaseException | None) -> str:
        """A failure in one line, without a password: what the database said, if it was the database."""
        if isinstance(why, (DBAPIError, PoolTimeout)):
            return db_errors.words(self._engine.url, why)
        return " ".join(f"{type(why).__name__}: {why}".split())

    def _insist(self, writes: bool, work: Callable[[Transaction], T]) -> T:
        tries = TRIES
        while True:
            try:
                return self._transact(writes, work)
            except (DBAPIError, PoolTimeout) as why:
                tries -= 1
                kind = db_errors.kind(self._engine.url, why)
                if kind == "fault" or (kind == "raced" and not tries):
                    raise
                if kind == "elsewhere":
                    self._reactor.callFromThread(self._events.server_read_only)
                    tries = min(tries, 1)  # on a new connection; there may be no other server yet
                if kind == "unavailable" or not tries:
                    raise self._unavailable(why) from why

    def _transact(self, writes: bool, work: Callable[[Transaction], T]) -> T:
        try:
            opened = self._open(writes)
        except DBAPIError as why:  # not to be tried again: it may have taken its time
            raise self._unavailable(why, connected=False) from why
        with opened as connection, connection.begin() as begun:
            transaction = Transaction(connection, self._everyone)
            answer = work(transaction)
            if writes:
                self._add_sign(transaction)
                changes.write(transaction)
            try:
                begun.commit()
            except DBAPIError as why:
                if writes and why.connection_invalidated and not db_errors.not_made(self._engine.url, why):
                    raise self._unavailable(why, " (it is not known whether the change was made)") from why
                raise
        self._tell(transaction)
        return answer

    def _open(self, writes: bool) -> AbstractContextManager[Connection]:
        """A connection for one transaction. The one thread that writes keeps its own: each connection remembers pages
        and statements, and if reads and writes took what is free, each would come to remember all of both."""
        if self.shared or not writes:
            return (self._writing if writes else self._reading).connect()
        if self._renewed:
            self._renewed = False
            self._drop_writer()
        if self._writer is None:
            self._writer = self._writing.connect()
        return self._kept(self._writer)

    @contextmanager
    def _kept(self, writer: Connection) -> Iterator[Connection]:
        try:
            yield writer
        except DBAPIError:
            self._drop_writer()
            raise

    def _drop_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.invalidate()  # or it would go, open, to the pool it came from, which may be of no use any more
            writer.close()

    def _add_sign(self, transaction: Transaction) -> None:
        if (sign := self._sign()) is not None:
            downtimes.give_sign(transaction, *sign)

    def _unavailable(self, why: Exception, more: str = "", *, connected: bool = True) -> Unavailable:
        words = f"the store cannot be used now: {db_errors.words(self._engine.url, why)}{db_errors.remedy(why)}{more}"
        return Unavailable(words, unreachable=getattr(why, "connection_invalidated", False) or not connected)
