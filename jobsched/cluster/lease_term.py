"""How long this node may act while none of its heartbeats is heard: in its own elapsed time, by the lease in force."""

from __future__ import annotations

from datetime import datetime, timedelta

from twisted.logger import Logger

from ..model import lease as leases
from ..model.membership import MembershipSnapshot
from ..model.node import Node

EVERY = 2.0  # seconds between heartbeats
RETURN = 10.0  # seconds for the other nodes to come back after a trouble that all nodes may have had


class LeaseTerm:
    """The time for which this node may act. Begins when a heartbeat is asked for that is then heard; all times are
    seconds of elapsed time.

    Other nodes take this node for dead when the lease of the last heartbeat that the database has seen is over. If this
    node does not know whether the database has seen a heartbeat, the lease that ends earlier counts.
    """

    log = Logger()

    def __init__(self) -> None:
        self.lease = leases.FIXED  # the lease of the next heartbeat
        self.renewed: float | None = None  # when the last heartbeat that was heard was asked for
        self._until = 0.0  # when the term is over
        self._since = 0.0  # since when the term was renewed without a break
        self._kept: timedelta | None = None  # the lease that the store keeps, as last read

    def begin(self, asked: float, lease: timedelta) -> None:
        """This node has joined."""
        self.lease = lease
        self.renewed = self._since = asked
        self._until = asked + leases.gives_up(lease)

    def ask(self, moment: float) -> None:
        """A heartbeat is asked for, and its answer may be lost."""
        self._until = min(self._until, moment + leases.gives_up(self.lease))

    def heard(self, asked: float) -> float:
        """A heartbeat asked for at `asked` was heard. Returns the seconds between it and the last one heard."""
        silent = asked - (asked if self.renewed is None else self.renewed)
        if silent > 2 * EVERY:
            self._since = asked
        self.renewed, self._until = asked, asked + leases.gives_up(self.lease)
        return silent

    def hand_over(self, asked: float, lease: timedelta) -> None:
        """The last heartbeat, asked for at `asked`, was heard, and had that lease."""
        self.lease = lease
        self.heard(asked)

    def remaining(self, moment: float) -> float:
        """Seconds until the term is over; 0: it is over."""
        return max(self._until - moment, 0.0)

    @property
    def patience(self) -> float:
        """Length of the term in seconds, from the last heartbeat that was heard."""
        return round(self._until - (self.renewed or 0.0), 1)

    def silent(self, moment: float) -> float:
        """Seconds since the last heartbeat that was heard."""
        return moment - (self.renewed or 0.0)

    def settled(self, moment: float) -> bool:
        """Whether the other nodes had time to come back after a trouble that all nodes may have had."""
        return moment - self._since > RETURN

    def agree(self, snapshot: MembershipSnapshot, me: Node) -> None:
        """From the next heartbeat on, go by the lease in `snapshot`."""
        if snapshot.lease != self.lease or self._kept is None:
            strangers = ", ".join(sorted(node.name for node in snapshot.strangers))
            why = f", for {strangers} may live and is of a release that knows no other" if strangers else ""
            self.log.info("node {node} goes by a lease of {lease:g} s{why}",
                          node=me.name, lease=snapshot.lease.total_seconds(), why=why)  # fmt: skip
        if me.lease_asked is not None and snapshot.kept not in (me.lease_asked, self._kept):
            self.log.warn(
                "LEASE is {asked:g} s here, but the nodes of this store have agreed on {kept:g} s, and that counts; "
                "to change it, give all of them the same LEASE and restart them",
                asked=me.lease_asked.total_seconds(), kept=snapshot.kept.total_seconds(),
            )  # fmt: skip
        self.lease, self._kept = snapshot.lease, snapshot.kept


class Sightings:
    """The `seen` time of each node, and since when this node has known it: the database's clock may have been set."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[datetime, float]] = {}

    def silent(self, snapshot: MembershipSnapshot, moment: float) -> list[str]:
        """Ids of late nodes whose `seen` this node has not seen change for their whole lease, less one heartbeat."""
        before = self._last
        self._last = {
            node.id: before[node.id] if before.get(node.id, (None,))[0] == node.seen else (node.seen, moment)
            for node in (*snapshot.alive, *snapshot.late)
        }
        return [
            node.id for node in snapshot.late if moment - self._last[node.id][1] >= node.lease.total_seconds() - EVERY
        ]
