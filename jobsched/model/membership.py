"""What a node says of itself when it joins the others and at each heartbeat, and what it hears."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import attrs

from . import lease as leases
from .node import Node


@attrs.frozen(kw_only=True)
class Heartbeat:
    """What a node says of itself at each heartbeat."""

    id: str
    tasks: Sequence[str]
    running: int
    slots: int
    tried: int
    won: int
    problem: str | None = None  # what keeps it from its work
    lease: timedelta = leases.FIXED  # for which it counts on being taken for alive from now on


@attrs.frozen(kw_only=True)
class MembershipSnapshot:
    """What a heartbeat brings back, all by the database's clock."""

    now: datetime
    renewed: bool  # false: this node was taken for dead, and its runs with it
    alive: tuple[Node, ...]  # that renewed within the lease
    late: tuple[Node, ...]  # that did not, or not by this clock, and are not declared dead yet
    stops: tuple[tuple[str, str], ...]  # (run, reason): what this node is asked to end
    kept: timedelta  # the lease that the store keeps
    lease: timedelta  # the one that this node is to go by: the same, but while a node lives that knows no other

    @classmethod
    def heard(
        cls, node_id: str, there: Sequence[Node], *, now: datetime, renewed: bool, stops: tuple[tuple[str, str], ...],
        kept: timedelta,
    ) -> MembershipSnapshot:  # fmt: skip
        """What this node hears, where `there` are all that no node has declared dead."""
        return cls(
            now=now,
            renewed=renewed,
            alive=tuple(sorted((node for node in there if not node.late(now)), key=lambda node: node.id)),
            late=tuple(node for node in there if node.late(now) or node.ahead(now)),
            stops=stops,
            kept=kept,
            lease=leases.in_force(kept, [node.lease_asked for node in there if node.id != node_id]),
        )

    @property
    def strangers(self) -> tuple[Node, ...]:
        """The nodes that may live and know no lease but one."""
        return tuple(node for node in (*self.alive, *self.late) if node.lease_asked is None)


@attrs.frozen(kw_only=True)
class Joined:
    """When a node joined, by the database's clock, and the lease that it goes by at first."""

    now: datetime
    lease: timedelta
