"""The other nodes that might claim a due: in which order the living nodes try, and how long each node waits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from ..model.downtime import Downtime
from ..model.job import Due
from ..model.node import Node, claim_rank

STEP = timedelta(seconds=0.4)  # the time that a node leaves the node before it to claim a due


class Peers(Protocol):
    """This node and the other nodes, as the last heartbeat found them."""

    @property
    def node(self) -> Node:
        """This node; it gets a new id after it was declared dead."""

    @property
    def alive(self) -> Sequence[Node]:
        """The living nodes, with this node among them."""

    @property
    def alone(self) -> bool:
        """Whether the store is this node's own: no other node can ever use it."""

    @property
    def downtime(self) -> Downtime | None:
        """The time before the start of this node in which no daemon ran; None: the nodes in the store say so."""

    @property
    def last_sign(self) -> datetime | None:
        """The last sign of life of an earlier daemon; None: the nodes in the store have it, or there is none."""

    def holds(self) -> bool:
        """Whether this node may act: no other node can have declared it dead."""


def claim_delay(peers: Peers, due: Due) -> timedelta | None:
    """How long after the due this node claims it; None: other nodes can run the job, and this node cannot."""
    if peers.alone:
        return timedelta(0)
    place = claim_rank(peers.alive, peers.node.id, due.id, due.task, due.require)
    return None if place is None else place * STEP
