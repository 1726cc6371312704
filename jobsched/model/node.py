"""One Jobsched daemon, as the store knows it, and which of several is to act first."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

import attrs

from . import lease as leases
from .state_machine import StateMachine

NodeState = Literal["alive", "stopped", "dead"]
Standing = Literal["outside", "joining", "inside", "fenced"]
MembershipEvent = Literal["start", "join", "joined", "fail", "lease over", "declared dead", "leave"]

# Where a daemon stands among the nodes. Outside nothing of it runs; fenced, it is ending what ran, for others may.
MEMBERSHIP: Final = StateMachine[Standing, MembershipEvent](
    states=get_args(Standing),
    begins={"start": "outside"},
    table={
        ("outside", "join"): "joining",
        ("joining", "joined"): "inside",
        ("joining", "fail"): "outside",
        ("inside", "lease over"): "fenced",
        ("inside", "declared dead"): "fenced",
        ("inside", "leave"): "outside",
        ("fenced", "declared dead"): "fenced",  # an answer that was under way
        ("fenced", "join"): "joining",
    },
)


@attrs.frozen(kw_only=True)
class Node:
    """A daemon. `id` is fresh at each start; `name` is configured, `url` is how other nodes reach it.

    `running` and `slots` are the runs it executes and could still start, `tried` and `won` the dues it asked for and
    those it got, since it began. Without a heartbeat for its `lease` it is dead; `lease_asked` is what its
    configuration says, None in a release that knows of no such option.
    """

    id: str
    name: str
    url: str | None = None
    tags: Mapping[str, str] = attrs.field(factory=dict)
    tasks: Sequence[str] = ()
    version: str = ""
    since: datetime
    seen: datetime
    state: NodeState = "alive"
    running: int = 0
    slots: int = 0
    tried: int = 0
    won: int = 0
    lease: timedelta = leases.FIXED
    lease_asked: timedelta | None = None

    def late(self, instant: datetime) -> bool:
        """Whether it may be taken for dead then."""
        return self.seen < instant - self.lease

    def ahead(self, instant: datetime) -> bool:
        """Whether it was seen by a clock that was ahead, and has been set back since. It may be about to say that it
        lives; or it never will."""
        return self.seen > instant + self.lease

    def can(self, task: str, require: Mapping[str, str]) -> bool:
        """Whether it has the task, and every tag that is asked for."""
        return task in self.tasks and self.matches(require)

    def matches(self, require: Mapping[str, str]) -> bool:
        """Whether it has every tag that is asked for."""
        return all(self.tags.get(name) == value for name, value in require.items())


def claim_rank(nodes: Iterable[Node], own: str, key: str, task: str, require: Mapping[str, str]) -> int | None:
    """The place of node `own` in the order in which nodes try to claim what `key` stands for; 0 is first.

    Rendezvous hashing: each node computes the same order from the same nodes, and one that goes changes nothing
    between the others. Only nodes that can run the task take part, None: `own` cannot. If none can, all do, for
    somebody has to say so.
    """
    everyone = list(nodes)
    able = [node for node in everyone if node.can(task, require)] or everyone
    order = sorted((node.id for node in able), key=lambda node_id: _weight(node_id, key), reverse=True)
    return order.index(own) if own in order else None


def twins(nodes: Iterable[Node]) -> set[str]:
    """The names that more than one living node goes by."""
    names = Counter(node.name for node in nodes if node.state == "alive")
    return {name for name, count in names.items() if count > 1}


def _weight(node_id: str, key: str) -> bytes:
    return hashlib.blake2b(f"{node_id} {key}".encode(), digest_size=8).digest()
