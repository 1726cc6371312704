"""The daemons that share a store, and the sign of life of one that has a store of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from twisted.internet.defer import Deferred

from ...model.ids import Ids
from ...model.membership import Heartbeat, Joined, MembershipSnapshot
from ...model.node import Node
from ...model.run import Run


class Nodes(Protocol):
    """Who is alive, by the database's clock. Dead is a node that did not renew within its lease."""

    def join(self, node: Node, known: Sequence[str], gone: Sequence[str] | None) -> Deferred[Joined]:
        """Be a node from now on, by the database's clock; those `known` to be dead are that from now on.

        The first node of all, and one that says which nodes are `gone` (the daemons whose place it takes, be it none),
        may have the store keep the lease that it asks for: by `model.lease.agreed`, with those that are alive. The
        lease that it gets is `model.lease.in_force`.
        """

    def beat(self, heartbeat: Heartbeat, now: datetime) -> Deferred[MembershipSnapshot]:
        """Say that this node is alive; hear who else is. `renewed` is false, and nothing is written, if it is not alive
        in the store any more. A node that is late is renewed like any other, as long as nobody has declared it dead.

        `alive` is sorted by id. A node that a clock saw which was ahead is in `alive` and in `late`: it may be about to
        say that it lives."""

    def leave(self, node_id: str, now: datetime) -> Deferred[None]:
        """Be no node any more, if it is alive: it is stopped and was seen now, and has no runs and no slots. One that
        was declared dead stays as it is."""

    def declare_dead(
        self, known: Sequence[str], silent: Sequence[str] | None, reason: str, ids: Ids, chance: Callable[[], float],
        now: datetime, only: Sequence[str] | None,
    ) -> Deferred[list[Run]]:  # fmt: skip
        """Declare nodes dead: those `known` to be, and those that are late, but of these only the ones that are in
        `silent` too, if it is given (with it also those that were seen by a clock that was ahead).

        Running and stopping runs of nodes that are not alive become lost (or cancelled: `Run.lost`) for `reason`, and
        are tried again as in `Runs.record`. Runs whose due is longer ago than `model.node.ABSENT` and that wait for one
        node by its name become missed, where no node of that name that can run them is alive or was seen within that
        time. Returns both; `only` some runs, if given. Waits for nobody: a job or a run that another change holds is
        left for the next time.
        """

    def left_alone(self, now: datetime) -> Deferred[list[Run]]:
        """The runs that `declare_dead` looks at: those of dead nodes, and those that have waited long for one node."""

    def every(self) -> Deferred[list[Node]]:
        """Up to 1000 nodes that are not forgotten, those that began last first; of one instant by id."""

    def get(self, node_id: str) -> Deferred[Node | None]:
        """One node."""


class SignsOfLife(Protocol):
    """Of the one daemon that a store which is not shared has, for the daemon after it."""

    def begin(self, node: Node) -> Deferred[datetime | None]:
        """This node is there, in place of all before it; the last sign of life of those, None if there was none."""

    def end(self, node_id: str, now: datetime) -> Deferred[None]:
        """It ends now."""

    def give(self) -> Deferred[None]:
        """Make a change that changes nothing: the sign that the store was opened with goes with it."""
