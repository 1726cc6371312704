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

TWIN: Final = "another living node has this name too"
ABSENT: Final = timedelta(seconds=30)  # a run that only one node may start waits so long for the node to come back
SCHEMA: Final = "0005"  # of the store, as this release knows it
FORGOTTEN: Final = timedelta(days=7)  # a node that was not seen for so long is not known any more

# Membership of a daemon. Outside, it runs nothing; fenced, it ends its runs, since other nodes may start them again.
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
    """A daemon, from one start to its end. It is dead after the time `lease` without a heartbeat.

    - `id`: fresh at each start; `name`: from the configuration; `url`: how other nodes reach it
    - `running`: how many runs it executes; `slots`: how many more it could start
    - `tried`: how many dues it tried to claim since it began; `won`: how many of them it got
    - `lease_asked`: what its configuration says; None: its release has no such option
    - `problem`: what kept it from its work at its last heartbeat; None: nothing, or its release does not say
    - `schema`: of the store, as its release knows it; None: a release that did not say so, before 0005
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
    schema: str | None = SCHEMA
    problem: str | None = None

    def problems(self, *, doubled: bool) -> list[str]:
        """What is wrong with it; `doubled`: another living node has its name."""
        said = [] if self.problem is None else [self.problem]
        return [TWIN, *said] if doubled and self.state == "alive" else said

    def late(self, instant: datetime) -> bool:
        """Whether the node may be taken for dead at `instant`."""
        return self.seen < instant - self.lease

    def ahead(self, instant: datetime) -> bool:
        """Whether `seen` was written by a clock that was ahead, and has been set back since. The node may be alive and
        send its next heartbeat soon, or never."""
        return self.seen > instant + self.lease

    def can(self, task: str, require: Mapping[str, str]) -> bool:
        """Whether it has the task, and every tag that is asked for."""
        return task in self.tasks and self.matches(require)

    def matches(self, require: Mapping[str, str]) -> bool:
        """Whether it has every tag that is asked for."""
        return all(self.tags.get(name) == value for name, value in require.items())


def claim_rank(nodes: Iterable[Node], own: str, key: str, task: str, require: Mapping[str, str]) -> int | None:
    """The position of node `own` in the order in which nodes try to claim the item `key`; 0 is first.

    Rendezvous hashing: each node computes the same order from the same nodes, and a node that goes does not change the
    order of the others. Only nodes that can run the task take part; None: `own` cannot. If no node can, all take part,
    since one of them has to record that.
    """
    everyone = list(nodes)
    able = [node for node in everyone if node.can(task, require)] or everyone
    order = sorted((node.id for node in able), key=lambda node_id: _weight(node_id, key), reverse=True)
    return order.index(own) if own in order else None


def twins(nodes: Iterable[Node]) -> set[str]:
    """The names that more than one living node has."""
    names = Counter(node.name for node in nodes if node.state == "alive")
    return {name for name, count in names.items() if count > 1}


def _weight(node_id: str, key: str) -> bytes:
    return hashlib.blake2b(f"{node_id} {key}".encode(), digest_size=8).digest()


def differs(before: Node | None, after: Node) -> bool:
    """Whether the node is new (`before` is None), or its tasks or tags changed."""
    return before is None or (before.tasks, before.tags) != (after.tasks, after.tags)
