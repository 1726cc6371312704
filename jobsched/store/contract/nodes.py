"""The daemons that share a store, what these have in common, and the sign of life of a daemon that has a store
of its own."""

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
    """The nodes that live, by the database's clock. A node that did not renew within its lease is late, and others may
    declare it dead."""

    def join(self, node: Node, known: Sequence[str], gone: Sequence[str] | None) -> Deferred[Joined]:
        """Be a node from now on, by the database's clock. The nodes in `known`, which are known to be dead, are
        declared dead.

        `gone` names the daemons whose place this node takes, and may be empty; None: not given. The first node of all,
        and a node that gives `gone`, may have the store keep the lease that it asks for. `model.lease.agreed` decides,
        from the other nodes that are alive and not late; those in `known` and `gone` do not count. The lease of this
        node is `model.lease.in_force`, where late nodes count too.
        """

    def beat(self, heartbeat: Heartbeat, now: datetime) -> Deferred[MembershipSnapshot]:
        """Say that this node is alive, and read which other nodes are. If the node is not alive in the store any more,
        `renewed` is false and nothing is written. A late node is renewed like any other, as long as no node has
        declared it dead.

        `alive` is sorted by id. A node that was last seen by a clock that was ahead is in `alive` and in `late`: it may
        be about to send a heartbeat. Those who follow changes are told when a node has a `problem`, and when it has
        none any more.
        """

    def leave(self, node_id: str, now: datetime) -> Deferred[None]:
        """Be no node any more, if this node is alive: it is stopped, was seen now, and has no runs, no slots and no
        problem. A node that was declared dead stays as it is."""

    def declare_dead(
        self, known: Sequence[str], silent: Sequence[str] | None, reason: str, ids: Ids, chance: Callable[[], float],
        now: datetime, only: Sequence[str] | None,
    ) -> Deferred[list[Run]]:  # fmt: skip
        """Declare dead the nodes in `known`, and the nodes that are late. If `silent` is given, only those late nodes
        that are in `silent` too; nodes in `silent` that were last seen by a clock that was ahead count as late then.

        - Running and stopping runs of nodes that are not alive become lost (or cancelled: `Run.lost`) for `reason`, and
          are tried again as in `Runs.record`. Of those whose `on_isolation` is "keep" it is said that they may go on
          (`Run.taken_for_lost`), and none follows; but nothing goes on of the nodes in `known`, and what was said to go
          on there becomes lost like the others.
        - A run that waits for one node by its name, with a due longer ago than `model.node.ABSENT`, becomes missed,
          unless a node of that name that can run it is alive or was seen within that time.

        Returns both kinds of runs. If `only` is given, only these runs are changed. The method waits for nobody: a job
        or a run that another change holds is left for the next time.
        """

    def left_alone(self, now: datetime) -> Deferred[list[Run]]:
        """The runs that `declare_dead` looks at: runs of dead nodes, and runs that have waited long for one node."""

    def every(self) -> Deferred[list[Node]]:
        """Up to 1000 nodes that are not forgotten, those that began last first; those that began at the same instant by
        id."""

    def get(self, node_id: str) -> Deferred[Node | None]:
        """One node."""


class SignsOfLife(Protocol):
    """The signs of life of the one daemon of a store that is not shared. The daemon after it reads them."""

    def begin(self, node: Node) -> Deferred[datetime | None]:
        """This node is there, in place of all nodes before it. Returns the last sign of life of those nodes; None:
        there was none."""

    def end(self, node_id: str, now: datetime) -> Deferred[None]:
        """This node ends now."""

    def give(self) -> Deferred[None]:
        """Make a change that changes nothing, so that the sign that the store was opened with goes with it."""


class Settings(Protocol):
    """What all nodes of a store have in common: values by name."""

    def agreed(self, name: str, proposed: str) -> Deferred[str]:
        """The value of that name: of all that are proposed, the first that was stored, for ever. All nodes get the
        same."""
