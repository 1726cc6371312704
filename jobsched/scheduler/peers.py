"""Who else might claim a due: the order in which the living nodes try, and how long each lets those before it go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from ..model.downtime import Downtime
from ..model.job import Due
from ..model.node import Node, claim_rank

STEP = timedelta(seconds=0.4)  # that a node gives the one before it to claim a due


class Peers(Protocol):
    """This node and the others, as the last heartbeat found them."""

    @property
    def node(self) -> Node:
        """This node; its id changes when it was taken for dead."""

    @property
    def alive(self) -> Sequence[Node]:
        """The living nodes, this one among them."""

    @property
    def alone(self) -> bool:
        """Whether the store is this node's own: nobody else can ever be there."""

    @property
    def downtime(self) -> Downtime | None:
        """The time before this node began in which no daemon ran; None where the nodes in the store tell."""

    @property
    def last_sign(self) -> datetime | None:
        """The last sign of life of the daemons before this one, where no node in the store has it."""

    def holds(self) -> bool:
        """Whether this node may act: none of the others can have taken it for dead."""


def claim_delay(peers: Peers, due: Due) -> timedelta | None:
    """How long after its due to wait before claiming it; None: others can run it, and this node cannot."""
    if peers.alone:
        return timedelta(0)
    place = claim_rank(peers.alive, peers.node.id, due.id, due.task, due.require)
    return None if place is None else place * STEP
