"""One Jobsched daemon, as the store knows it, and which of several is to act first."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Literal

import attrs

LEASE = timedelta(seconds=10)  # without a heartbeat for so long a node is dead

NodeState = Literal["alive", "stopped", "dead"]


@attrs.frozen(kw_only=True)
class Node:
    """A daemon. `id` is fresh at each start; `name` is configured, `url` is how other nodes reach it."""

    id: str
    name: str
    url: str | None = None
    tags: Mapping[str, str] = attrs.field(factory=dict)
    tasks: tuple[str, ...] = ()
    version: str = ""
    since: datetime
    seen: datetime
    running: int = 0
    state: NodeState = "alive"

    def can(self, task: str, require: Mapping[str, str]) -> bool:
        """Whether it has the task, and every tag that is asked for."""
        return task in self.tasks and all(self.tags.get(name) == value for name, value in require.items())


def turn(nodes: Iterable[Node], own: str, key: str, task: str, require: Mapping[str, str]) -> int | None:
    """The place of node `own` in the order in which nodes try to claim what `key` stands for; 0 is first.

    Rendezvous hashing: each node computes the same order from the same nodes, and one that goes changes nothing
    between the others. Only nodes that can run the task take part, None: `own` cannot. If none can, all do, for
    somebody has to say so.
    """
    everyone = list(nodes)
    able = [node for node in everyone if node.can(task, require)] or everyone
    order = sorted((node.id for node in able), key=lambda node_id: _weight(node_id, key), reverse=True)
    return order.index(own) if own in order else None


def _weight(node_id: str, key: str) -> bytes:
    return hashlib.blake2b(f"{node_id} {key}".encode(), digest_size=8).digest()
