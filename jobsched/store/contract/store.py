"""A store, with all its nouns.

What holds for every method of them:

- A question sees one state of the store. A change is made as a whole or not at all, and its Deferred fires once it is
  on disk, so that it outlives a power cut.
- They fail with `Unavailable` when the database cannot be reached or written. Then nothing was changed, unless the
  words say that this is not known. Any other failure is a fault: of what was asked, or of ours.
- A change that the database undid, for it met another one, is made again a few times: functions that are part of a
  change may be called more than once, and touch nothing else.
- `now` is the caller's clock. Where the database has a clock, that one is asked instead, so that all nodes go by one.
- What "takes" or "holds" something keeps others from deciding about it until the change is made. Jobs are held before
  their runs, several in the order of their ids, so that no two changes wait for each other.
- Instants are aware of their zone, and exact to the microsecond. Ids sort as they were made. Texts, names of nodes and
  jobs among them, are compared letter by letter: case, accents and spaces at the end count.
- `Events.runs_ended` is told each outcome that a change of this store wrote, by whichever method, once the change is on
  disk: once, also where the change was made again; not where another node had written one before, and not what was
  undone. Of a stretch that grew only the new dues are counted. `Events.notification_stored` is told after the commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Protocol

from twisted.application.service import IServiceCollection
from twisted.internet.defer import Deferred

from ...model.health import Counts
from ...model.job import Job
from ...model.node import Node
from ...model.run import Run
from .deliveries import Deliveries
from .history import Downtimes, WrongClock
from .jobs import Claims, Jobs, Overdue
from .nodes import Nodes, SignsOfLife
from .orders import AuditEntries, Orders
from .retention import Retention
from .runs import Runs


class ForCallers(Protocol):
    """What callers may ask and order. They never keep all threads busy: a question or an order that would have to wait
    behind too many others fails with `Busy`, and one that is cancelled before its turn is not asked."""

    jobs: Jobs
    runs: Runs
    nodes: Nodes
    deliveries: Deliveries
    audit: AuditEntries
    orders: Orders

    @property
    def shared(self) -> bool:
        """As that of the store."""


class Store(Protocol):
    """A running store: a Twisted service. What happens to it is told by the `Events` that it was opened with."""

    jobs: Jobs
    claims: Claims
    runs: Runs
    nodes: Nodes
    signs: SignsOfLife
    deliveries: Deliveries
    overdue: Overdue
    retention: Retention
    downtimes: Downtimes
    wrong_clock: WrongClock
    orders: Orders

    @property
    def for_callers(self) -> ForCallers:
        """The same for callers."""

    @property
    def shared(self) -> bool:
        """Whether other nodes may use it too; it has a clock then, which all of them go by."""

    @property
    def notifies(self) -> bool:
        """Whether it can tell at once what other nodes changed: see `Listener`. Where it cannot, look often."""

    def setServiceParent(self, parent: IServiceCollection) -> None: ...

    def startService(self) -> None: ...

    def stopService(self) -> Deferred[None]:
        """Fires when all that is under way has been answered and nothing is open any more."""

    def renew(self) -> None:
        """Use no connection again that there is now: its server is read-only, or no longer the one that counts."""

    def words(self, why: BaseException | None) -> str:
        """A failure in one line, without a password: what the database said, if it was the database."""

    def answers(self) -> Deferred[None]:
        """Look at what is stored, at the same cost however much there is. Fails if the store is broken."""

    def counts(self) -> Deferred[Counts]:
        """How much there is of what."""


class Listener(Protocol):
    """Hears in a thread of its own what other nodes tell."""

    def start(self) -> None:
        """Begin to listen."""

    def stop(self) -> None:
        """Ask it to end, which it does soon."""

    def renew(self) -> None:
        """Listen on a new connection: the server of this one is no longer the one that counts."""

    def join(self, seconds: float) -> bool:
        """Wait until nothing of it is left; false if something still is."""


class Snapshot(Protocol):
    """All that is stored, in one state of it, for `jobsched.verify`. Read piece by piece; no Deferreds: nobody else is
    there."""

    def now(self) -> datetime | None:
        """The instant of it, by the database's clock; None: it has no clock, and knows no nodes."""

    def nodes(self) -> dict[str, Node]:
        """Every node that is not forgotten, by its id."""

    def histories(self) -> Iterator[tuple[str, Job | None, Iterable[Run]]]:
        """Each job that there is, or of which runs are left (None), by id; its runs by due, attempt and place. They are
        to be read before the next job is asked for."""
