"""A daemon whose store is its own: the one node there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import attrs
from twisted.internet.defer import Deferred, succeed

from ..model.node import Node
from ..store.nodes import Pulse


class Alone:
    """Stands where `Membership` does when there is nobody else."""

    alone = True

    def __init__(self, node: Node, pulse: Callable[[], Pulse], now: Callable[[], datetime]) -> None:
        self._node = node
        self._pulse = pulse
        self._now = now
        self.entered: Deferred[None] = succeed(None)

    @property
    def node(self) -> Node:
        """This node as it is now."""
        pulse = attrs.asdict(self._pulse(), recurse=False, filter=attrs.filters.exclude("id"))
        return attrs.evolve(self._node, seen=self._now(), **pulse)

    @property
    def alive(self) -> Sequence[Node]:
        """Itself."""
        return (self.node,)

    def holds(self) -> bool:
        """Nobody takes it for dead."""
        return True
