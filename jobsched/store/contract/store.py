"""A store, with all its nouns.

These rules hold for every method of every noun:

- A question sees one state of the store. A change is made as a whole or not at all. The Deferred of a change fires once
  the change is on disk, so that it outlives a power cut.
- A method fails with `Unavailable` when the database cannot be reached or written. Then nothing was changed, unless the
  words of the failure say that this is not known. Any other failure is a fault, either in what was asked or in the
  program.
- A change that the database undid, because it collided with another change, is made again a few times. Functions that
  are part of a change may therefore be called more than once, and have no other effect.
- `now` is the caller's clock. Where the database has a clock, that clock is asked instead, so that all nodes use the
  same one.
- A method that "takes" or "holds" something keeps other changes from deciding about it until its own change is made.
  Jobs are held before their runs, several jobs in the order of their ids, so that no two changes wait for each other.
- Instants have a time zone, and are exact to the microsecond. Ids sort in the order in which they were made. Texts,
  including the names of nodes and jobs, are compared character by character: case, accents and spaces at the end count.
- `Events.runs_ended` is told each outcome that a change of this store wrote, by any method, once the change is on disk.
  It is told once, even if the change was made again. It is not told an outcome that another node had written before,
  nor one that was undone. Of a stretch that grew, only the new dues are counted. `Events.notification_stored` is told
  after the commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

from twisted.application.service import IServiceCollection
from twisted.internet.defer import Deferred

from ...model.health import Counts, JobInfo
from ...model.hold import Hold
from ...model.job import Job
from ...model.node import Node
from ...model.run import Run
from .deliveries import Deliveries
from .history import Changes, Downtimes, WrongClock
from .job_sets import JobSets
from .jobs import Claims, Holds, JobKeys, Jobs, Overdue
from .nodes import Nodes, Settings, SignsOfLife
from .orders import AuditEntries, Orders, TokenUses
from .retention import Retention
from .runs import Runs


class ForCallers(Protocol):
    """What callers may ask and order. Callers never keep all threads busy: a question or an order that would have to
    wait behind too many others fails with `Busy`. A question or an order that is cancelled before its turn is not
    carried out."""

    jobs: Jobs
    job_sets: JobSets
    job_keys: JobKeys
    runs: Runs
    nodes: Nodes
    holds: Holds
    deliveries: Deliveries
    audit: AuditEntries
    orders: Orders
    settings: Settings

    @property
    def shared(self) -> bool:
        """The same as `Store.shared`."""

    def oldest_run(self) -> Deferred[datetime | None]:
        """The due of the run that was made first, of those that are kept."""


class Store(Protocol):
    """A running store: a Twisted service. It tells what happens to the `Events` that it was opened with."""

    jobs: Jobs
    claims: Claims
    holds: Holds
    runs: Runs
    nodes: Nodes
    signs: SignsOfLife | None  # None: the store is shared, and its nodes have heartbeats
    deliveries: Deliveries
    overdue: Overdue
    retention: Retention
    downtimes: Downtimes
    wrong_clock: WrongClock
    orders: Orders
    changes: Changes
    settings: Settings
    token_uses: TokenUses

    @property
    def for_callers(self) -> ForCallers:
        """The same store for callers."""

    @property
    def shared(self) -> bool:
        """Whether other nodes may use this store too. A shared store has a clock, and all nodes use it."""

    @property
    def notifies(self) -> bool:
        """Whether the store can tell at once what other nodes changed: see `Listener`. If it cannot, look often."""

    def setServiceParent(self, parent: IServiceCollection) -> None: ...

    def startService(self) -> None: ...

    def stopService(self) -> Deferred[None]:
        """Fires when everything that is under way has been answered and nothing is open any more."""

    def renew(self) -> None:
        """Stop using the connections that exist now: their server is read-only, or another has taken its place."""

    def words(self, why: BaseException | None) -> str:
        """A failure in one line, without a password. If the database failed, the line is what the database said."""

    def answers(self) -> Deferred[None]:
        """Look at what is stored, at the same cost however much there is. Fails if the store is broken."""

    def counts(self) -> Deferred[Counts]:
        """The numbers of jobs, overdue jobs, waiting runs and notifications: see `model.health.Counts`."""

    def job_infos(self, labels: Sequence[str], most: int) -> Deferred[list[JobInfo]]:
        """Up to `most` jobs that have any label of these names, by id, each with those of its labels."""


class Listener(Protocol):
    """Hears what other nodes tell, in a thread of its own."""

    def start(self) -> None:
        """Begin to listen."""

    def stop(self) -> None:
        """Ask the listener to end. It does so soon."""

    def renew(self) -> None:
        """Listen on a new connection: another server has taken the place of the current one."""

    def join(self, seconds: float) -> bool:
        """Wait until the listener has ended; false if it has not ended after `seconds`."""


class Snapshot(Protocol):
    """One state of all that is stored, for `jobsched.verify`. It is read piece by piece, without Deferreds: nothing
    else runs in that process."""

    def now(self) -> datetime | None:
        """The instant of the snapshot, by the database's clock. None: the database has no clock, and knows no nodes."""

    def nodes(self) -> dict[str, Node]:
        """Every node that is not forgotten, by its id."""

    def hold(self) -> Hold | None:
        """The hold that there is, or was last."""

    def token_uses(self) -> dict[str, datetime]:
        """The last use of each token, by its fingerprint."""

    def histories(self) -> Iterator[tuple[str, Job | None, Iterable[Run]]]:
        """Each job that exists, or that has left runs (None in place of the job), by id; with its runs by due, attempt
        and place. The runs must be read before the next job is asked for."""
