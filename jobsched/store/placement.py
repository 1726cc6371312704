"""Where the dues of a job run: once on some node that can run it, or once on each such node. And what is said if there
is none."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property

import attrs

from ..model.job import Job
from ..model.node import ABSENT, Node
from ..model.run import ANYWHERE, Run


class LivingNodes:
    """The living nodes, for one transaction. `last_heard` are the nodes of the last heartbeat of node `own`. `alive`
    are the nodes that the store has now, because no node may be overlooked that has just come or gone. They are read
    once, by `every`, however many jobs ask; `now` is asked with them."""

    def __init__(
        self, every: Callable[[], Sequence[Node]], now: Callable[[], datetime], last_heard: Sequence[Node], own: str
    ) -> None:
        self.last_heard = last_heard
        self._every = every
        self._now = now
        self._own = own

    @cached_property
    def known(self) -> Sequence[Node]:
        """Every node that is not forgotten. Those that began last come first."""
        return self._every()

    @cached_property
    def alive(self) -> Sequence[Node]:
        """The nodes that live, as the store has them. This node itself is as it says. Where nodes are not stored, it
        lives alone."""
        mine = {node.id: node for node in self.last_heard if node.id == self._own}
        instant = self._now()
        there = (node for node in self.known if node.state == "alive" and not node.late(instant))
        return [mine.get(node.id, node) for node in there] or self.last_heard


@attrs.frozen(kw_only=True)
class Placement:
    """The names of the nodes on which each due runs once; and the names of the nodes that are down, on which it would
    run."""

    names: Sequence[str] = (ANYWHERE,)
    down: Mapping[str, str] = attrs.field(factory=dict)  # and why nothing runs there
    nobody: str = ""  # why it runs nowhere now


def placement_of(job: Job, living: LivingNodes) -> Placement:
    """The placement of a job that is due."""
    if job.policy.placement == "any":
        return Placement(nobody=_nobody(job, living.last_heard))
    able = {node.name for node in living.alive if node.can(job.task, job.policy.require)}
    down = _down(job, living)
    nobody = _nobody(job, living.alive)
    return Placement(names=sorted(able) or ([] if down else [ANYWHERE]), down=down, nobody=nobody)


def _nobody(job: Job, nodes: Sequence[Node]) -> str:
    can = any(node.can(job.task, job.policy.require) for node in nodes)
    return "" if can else lacking(job.task, job.policy.require)


def is_full(job: Job, place: str, nodes: Iterable[Node]) -> bool:
    """Whether a run of the job has to wait there for a slot, as these nodes have said last."""
    able = [node for node in nodes if node.can(job.task, job.policy.require) and place in (ANYWHERE, node.name)]
    return bool(able) and not any(node.slots for node in able)


def in_place(active: Sequence[Run], place: str) -> list[Run]:
    """The active runs of a job that block a run in that place. Runs on other nodes do not."""
    return [run for run in active if ANYWHERE in (place, run.place) or run.place == place]


def lacking(task: str, require: Mapping[str, str]) -> str:
    """In words: there is no such node."""
    tags = ", ".join(f"{name}={value}" for name, value in require.items())
    return f"no living node has task {task}" + (f" and {tags}" if tags else "")


def _down(job: Job, living: LivingNodes) -> dict[str, str]:
    """The names that no living node has, if the node of that name that began last could run the job."""
    there = {node.name for node in living.alive}
    last: dict[str, Node] = {}
    for node in living.known:
        last.setdefault(node.name, node)
    return {
        name: f"node {name} was {'stopped' if node.state == 'stopped' else 'down'}, last seen {node.seen:%FT%TZ}"
        for name, node in last.items()
        if name not in there and node.can(job.task, job.policy.require)
    }


def lost_with_its_node(run: Run, known: Container[str], reason: str, instant: datetime) -> Run:
    """A run of a dead node. Of nodes that are `known` to be dead, nothing goes on: they, or those that come after them
    in their place, say so."""
    return run.lost(reason, instant) if run.node_id in known else run.taken_for_lost(reason, instant)


def missed_for_absence(waiting: Iterable[Run], nodes: Sequence[Node], instant: datetime) -> list[Run]:
    """Those of these runs, each of which waits for one node by its name, that are missed: no such node lives or was
    seen lately, or none of that name can run them any more."""
    there = [node for node in nodes if node.state == "alive" or node.seen >= instant - ABSENT]
    return [
        run.become("missed", reason=f"node {run.place} was gone before it could start", ended=instant)
        for run in waiting
        if not any(node.name == run.place and node.can(run.task, run.require) for node in there)
    ]
