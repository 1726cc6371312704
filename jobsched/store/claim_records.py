"""What a claim asks of its transaction, and writes in it, whichever the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from ..model.hold import Hold
from ..model.job import Due, Job
from ..model.node import Node
from ..model.owed import Stretch
from ..model.run import Run, State
from ..model.trigger import Schedule
from . import start_counts


class WithWaiting(Protocol):
    """To give waiting runs an outcome."""

    def end_waiting(self, active: list[Run], state: State, reason: str, now: datetime) -> tuple[list[Run], list[Run]]:
        """Give this outcome to the runs that only waited. Returns these runs, and the others."""


class Records(start_counts.Records, WithWaiting, Protocol):
    """What a claim asks of its transaction, and writes in it."""

    def now(self, local: datetime) -> datetime:
        """The time, by the database's clock."""

    def standing_now(self, local: datetime) -> tuple[datetime, Hold | None]:
        """The time, and the hold that there is or was last: nobody makes or changes one meanwhile."""

    def declared_dead(self, node_id: str, instant: datetime) -> bool:
        """Whether that node was declared dead, or may be at any moment."""

    def lock_due(self, job_ids: Sequence[str], now: datetime) -> list[Job]:
        """The jobs among these that are due at `now`, soonest first, held until the transaction ends."""

    def dues_of(self, job_ids: Iterable[str]) -> list[Due]:
        """The next dues of these jobs, soonest first."""

    def ripe_of(self, job_ids: Sequence[str], now: datetime) -> list[Run]:
        """The active runs of these jobs, without retries whose time has not come."""

    def any_waiting(self) -> bool:
        """Whether any run waits."""

    def every_node(self) -> Sequence[Node]:
        """Every node that is not forgotten. Those that began last come first."""

    def settled(self, job: Job, instant: datetime) -> tuple[Job, Stretch | None]:
        """`job` moved behind those of its dues up to `instant` that had their outcome by another clock; and the dues
        before these that have no outcome and are too late to start."""

    def add(self, new: Sequence[Run], schedules: Mapping[str, Schedule], now: datetime) -> None:
        """Store new runs, by due, as `stretching.add`."""

    def startable(
        self, now: datetime, most: int, node: Node | None, *, any_task: bool, hold: Hold | None
    ) -> tuple[list[Run], bool]:
        """Up to `most` waiting runs that may start, oldest first. If a job does not overlap, only the head of its
        queue. And whether other runs might start, but for a transaction that is under way.

        With `node`: the runs that this node can run. With `any_task`, also runs of a task that the node lacks, because
        they fail with that reason. Runs of jobs on `hold` are left out, unless a caller forced them. The runs are held
        until the transaction ends."""

    def start(self, started: Sequence[Run]) -> None:
        """Write that these runs, which waited, are running."""

    def move_on(self, moved: Iterable[tuple[Job, datetime | None, int]]) -> None:
        """For each (job, next_due, starts): store the next due, and add the starts."""

    def ask_to_end(self, wanted: Iterable[Run], reason: str, asker: str) -> list[Run]:
        """Tell the nodes that execute these runs to end them. They come back with the reason for which they end."""

    def tell_started(self, started: Sequence[Run], known: Iterable[Job]) -> None:
        """Notify runs that have begun to those that asked for it. The jobs that are not `known` are looked up."""

    def wake(self, asker: str) -> None:
        """Let other nodes look at what this transaction changes, as soon as it is committed."""
