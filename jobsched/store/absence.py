"""Nodes that do not come back, and times in which there was none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from ..model.downtime import Downtime, without_nodes
from ..model.node import ABSENT, Node
from ..model.run import Run


def missed(waiting: Iterable[Run], nodes: Sequence[Node], instant: datetime) -> list[Run]:
    """Those of these runs, each of which waits for one node by its name, that are missed: no such node lives or was
    seen lately, or none of that name can run them any more."""
    there = [node for node in nodes if node.state == "alive" or node.seen >= instant - ABSENT]
    return [
        run.become("missed", reason=f"node {run.place} was gone before it could start", ended=instant)
        for run in waiting
        if not any(node.name == run.place and node.can(run.task, run.require) for node in there)
    ]


def before(known: Sequence[Node], node_id: str) -> Downtime | None:
    """The downtime that ended when that node began. None: another node lived then, or there was no node before."""
    began = next((node.since for node in known if node.id == node_id), None)
    if began is None:
        return None
    return without_nodes(known, [node for node in known if node.id == node_id or node.since > began])
