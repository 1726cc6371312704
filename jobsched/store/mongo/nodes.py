"""Nodes: which live, by the server's clock. Every function runs inside a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import attrs
from twisted.internet.defer import Deferred

from ...model import lease as leases
from ...model.membership import Heartbeat, Joined, MembershipSnapshot
from ...model.node import FORGOTTEN, Node
from ..contract import nodes as contract
from . import runs
from .documents import from_document, instant_to_number, span_of, span_to_number, to_document, values
from .transaction import Noun, Transaction

LEASE = "lease"


def join(transaction: Transaction, node: Node, known: Sequence[str], gone: Sequence[str] | None) -> Joined:
    """As `Nodes.join`. The document of the lease is held, so that two nodes that start at once do it one by one."""
    instant = transaction.now(node.since)
    kept = _lease_in(transaction.hold("settings", LEASE).get("value"))
    there = [each for each in living(transaction) if each.id not in (*known, *(gone or ()))]
    if kept is None or gone is not None:
        asked = [each.lease_asked for each in there if not each.late(instant)]
        kept = leases.agreed(kept, node.lease_asked or leases.FIXED, asked)
        transaction.update("settings", {"_id": LEASE}, {"value": span_to_number(kept)})
    lease = leases.in_force(kept, [each.lease_asked for each in there])
    joined = attrs.evolve(node, since=instant, seen=instant, lease=lease)
    transaction.insert("nodes", [to_document(joined)])
    transaction.have_moved(node.id, "alive")
    declare_dead(transaction, [each for each in living(transaction) if each.id in known], instant)
    return Joined(now=instant, lease=lease)


def beat(transaction: Transaction, heartbeat: Heartbeat, local: datetime) -> MembershipSnapshot:
    """As `Nodes.beat`. The node's own document is written, so that its burial and its heartbeat cannot both be."""
    instant = transaction.now(local)
    said = values(heartbeat)
    mine = {"_id": said.pop("id"), "state": "alive"}
    had = (transaction.first("nodes", mine) or {}).get("problem") is not None
    renewed = transaction.update("nodes", mine, {**said, "seen": instant_to_number(instant)}) == 1
    if renewed and had != (heartbeat.problem is not None):
        transaction.have_moved(heartbeat.id, "alive")
    there = living(transaction)
    kept = agreed_lease(transaction) or heartbeat.lease
    return MembershipSnapshot.heard(
        heartbeat.id, there, now=instant, renewed=renewed, stops=runs.stops(transaction, heartbeat.id), kept=kept
    )


def leave(transaction: Transaction, node_id: str, local: datetime) -> None:
    """As `Nodes.leave`."""
    seen = instant_to_number(transaction.now(local))
    stopped = {"state": "stopped", "seen": seen, "running": 0, "slots": 0, "problem": None}
    if transaction.update("nodes", {"_id": node_id, "state": "alive"}, stopped):
        transaction.have_moved(node_id, "stopped")


def declare_dead(transaction: Transaction, gone: Sequence[Node], instant: datetime) -> None:
    """These nodes, which are alive in this transaction, are dead from now on."""
    for node in gone:
        seen = instant_to_number(min(node.seen, instant))
        dead = {"state": "dead", "seen": seen, "running": 0, "slots": 0}
        transaction.update("nodes", {"_id": node.id}, dead)
        transaction.have_moved(node.id, "dead")


def declared_dead(transaction: Transaction, node_id: str, instant: datetime) -> bool:
    """Whether that node was declared dead, or may be at any moment. If not, its document is written: what is decided
    for it now, and a burial, cannot both be."""
    node = get(transaction, node_id)
    if node is None:
        return False
    if node.state != "alive" or node.late(instant):
        return True
    transaction.hold_all("nodes", [node_id])
    return False


def agreed_lease(transaction: Transaction) -> timedelta | None:
    """The lease that the nodes have agreed on; None: no node has asked for one yet."""
    kept = transaction.first("settings", {"_id": LEASE})
    return None if kept is None else _lease_in(kept.get("value"))


def _lease_in(value: int | None) -> timedelta | None:
    return None if value is None else leases.within_limits(span_of(value))


def living(transaction: Transaction) -> list[Node]:
    """The nodes that no node has declared dead, including late ones."""
    return [from_document(Node, each) for each in transaction.find("nodes", {"state": "alive"}, [("_id", 1)])]


def every(transaction: Transaction, most: int = 1000) -> list[Node]:
    """As `Nodes.every`."""
    found = transaction.find("nodes", {}, [("since", -1), ("_id", 1)], most)
    return [from_document(Node, each) for each in found]


def get(transaction: Transaction, node_id: str) -> Node | None:
    """As `Nodes.get`."""
    found = transaction.first("nodes", {"_id": node_id})
    return None if found is None else from_document(Node, found)


def forget(transaction: Transaction, local: datetime) -> None:
    """As `Retention.forget_nodes`."""
    before = instant_to_number(transaction.now(local) - FORGOTTEN)
    transaction.delete("nodes", {"state": {"$ne": "alive"}, "seen": {"$lt": before}})


class Settings(Noun, contract.Settings):
    """The noun of the contract."""

    def agreed(self, name: str, proposed: str) -> Deferred[str]:
        return self._in.write(agreed_setting, name, proposed)


def agreed_setting(transaction: Transaction, name: str, proposed: str) -> str:
    """As `Settings.agreed`. Of two nodes that are the first, one is undone, and finds what the other stored."""
    found = transaction.first("settings", {"_id": name})
    if found is None:
        transaction.insert("settings", [{"_id": name, "value": proposed}])
    return proposed if found is None else str(found["value"])
