"""A store in MongoDB: how a transaction is made there, and made again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from pymongo.errors import PyMongoError
from twisted.internet.defer import Deferred

from ...clock import elapsed
from ...events import Events
from ...model.errors import Unavailable
from ...model.health import Counts, JobInfo
from ...reactor_types import WithTimers
from ...threads import Pool
from ..asking import Asking
from ..contract import deliveries as delivery_contract
from ..contract import history as history_contract
from ..contract import jobs as job_contract
from ..contract import nodes as node_contract
from ..contract import orders as order_contract
from ..contract import retention as retention_contract
from ..contract import runs as run_contract
from . import change_stream, changes, db_errors, jobs, nouns
from .client import begin, connect, database
from .db_errors import Collided
from .for_callers import ForCallers
from .nodes import Settings
from .token_uses import TokenUses
from .transaction import Transaction

T = TypeVar("T")

THREADS: Final = 4
OWN: Final = 2  # threads more that read, and one that writes: so many are free for what no caller orders
WAITING: Final = 512  # questions of callers, and as many changes, that wait for a thread
TRIES: Final = 12  # of a transaction that collided: nobody waits inside MongoDB, so others may win a few times
RACES: Final = 4  # of one that stored the same thing as another: the next try sees what is there
FOUND, SILENT = 3, 30  # seconds that a primary may take to be found, and to answer
LONG: Final = 10  # seconds after which nothing is tried again
FIRST, LONGEST = 0.005, 0.25  # seconds between two tries, at first and at most


class Store(Asking[Transaction]):
    """Runs questions and changes against one database. The options are those of `sql.store.Store`."""

    failures = (PyMongoError,)

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
        tells: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__(
            reactor, pool(0, threads + OWN, "store-read"), pool(0, threads + 1, "store-write"), events, tells
        )
        self._client = connect(url, found=min(FOUND, prompt or FOUND), silent=prompt or SILENT)
        self._long = prompt or LONG
        self._place = database(self._client)
        self._everyone = everyone
        self._for_callers = ForCallers(reactor, self, threads, waiting)
        self.jobs: job_contract.Jobs = nouns.Jobs(self)
        self.holds: job_contract.Holds = nouns.Holds(self)
        self.orders: order_contract.Orders = nouns.Orders(self)
        self.audit: order_contract.AuditEntries = nouns.AuditEntries(self)
        self.settings: node_contract.Settings = Settings(self)
        self.claims: job_contract.Claims = nouns.Claims(self)
        self.runs: run_contract.Runs = nouns.Runs(self)
        self.nodes: node_contract.Nodes = nouns.Nodes(self)
        self.signs: node_contract.SignsOfLife | None = None
        self.deliveries: delivery_contract.Deliveries = nouns.Deliveries(self)
        self.overdue: job_contract.Overdue = nouns.Overdue(self)
        self.wrong_clock: history_contract.WrongClock = nouns.WrongClock(self)
        self.downtimes: history_contract.Downtimes = nouns.Downtimes(self)
        self.retention: retention_contract.Retention = nouns.Retention(self)
        self.changes: history_contract.Changes = nouns.Changes(self)
        self.token_uses: order_contract.TokenUses = TokenUses(self)

    @property
    def for_callers(self) -> ForCallers:
        """The same for callers."""
        return self._for_callers

    @property
    def shared(self) -> bool:
        """Other nodes may use it."""
        return True

    @property
    def notifies(self) -> bool:
        """By a change stream; where the server has none, the listener itself looks often."""
        return True

    def answers(self) -> Deferred[None]:
        """As the contract has it, as the next two."""
        return self.read(jobs.answers)

    def counts(self) -> Deferred[Counts]:
        return self.read(jobs.counts)

    def job_infos(self, labels: Sequence[str], most: int) -> Deferred[list[JobInfo]]:
        return self.read(jobs.job_infos, labels, most)

    def renew(self) -> None:
        """Nothing is to be done: the driver finds the primary by itself, and leaves connections to what was one."""

    def words(self, why: BaseException | None) -> str:
        """A failure in one line, without a password."""
        if isinstance(why, PyMongoError):
            return db_errors.words(why)
        return " ".join(f"{type(why).__name__}: {why}".split())

    def _disconnect(self) -> None:
        self._client.close()

    def _insist(self, writes: bool, work: Callable[[Transaction], T]) -> T:
        begun = elapsed()
        for number in range(TRIES):
            try:
                return self._transact(writes, work)
            except PyMongoError as why:
                kind = db_errors.kind(why)
                last = number + 1 == TRIES or elapsed() - begun > self._long
                if kind == "fault" or (kind == "raced" and number + 1 >= RACES):
                    raise
                if kind == "unavailable" or last:
                    raise self._unavailable(why, collided=kind == "again") from why
            time.sleep(min(FIRST * 2**number, LONGEST) * (0.5 + random.random()))  # noqa: S311  # nosec B311  # no secret; in a thread of the store
        raise AssertionError("the last try returns or raises")

    def _transact(self, writes: bool, work: Callable[[Transaction], T]) -> T:
        with self._client.start_session() as session:
            begin(session)
            transaction = Transaction(self._place, session, self._everyone)
            answer = work(transaction)
            if writes:
                _write_news(transaction)
            self._commit(writes, session.commit_transaction)
        self._tell(transaction)
        return answer

    def _commit(self, writes: bool, commit: Callable[[], None]) -> None:
        """Commit; once more, a few times, where it is not known whether the server did: it does so once."""
        begun = elapsed()
        for number in range(TRIES):
            try:
                return commit()
            except PyMongoError as why:
                if not why.has_error_label(db_errors.UNKNOWN):
                    raise
                if number + 1 == TRIES or elapsed() - begun > self._long:
                    more = " (it is not known whether the change was made)" if writes else ""
                    raise self._unavailable(why, more) from why
            time.sleep(min(FIRST * 2**number, LONGEST))
        raise AssertionError("the last try returns or raises")

    def _unavailable(self, why: PyMongoError, more: str = "", *, collided: bool = False) -> Unavailable:
        words = f"the store cannot be used now: {db_errors.words(why)}{more}"
        lost = db_errors.lost(why)
        return Collided(words) if collided and not lost else Unavailable(words, unreachable=lost)


def _write_news(transaction: Transaction) -> None:
    """What callers may follow, and what other nodes should look at."""
    if not transaction.changes and transaction.waker is None:
        return
    instant = transaction.clock()
    if transaction.changes:
        changes.write(transaction, instant)
    if transaction.waker is not None:
        change_stream.write(transaction, instant)
