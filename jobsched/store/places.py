"""Where the dues of a job run: once on some node that can, or once on each; and what is said when there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
from sqlalchemy import Connection

from ..model.job import Job
from ..model.node import Node
from ..model.run import Run
from . import nodes as node_rows

ANYWHERE = ""


@attrs.frozen(kw_only=True)
class Places:
    """The names of the nodes on which each due runs once, and of those on which it would, were they not down."""

    names: Sequence[str] = (ANYWHERE,)
    down: Mapping[str, str] = attrs.field(factory=dict)  # and why nothing runs there
    nobody: str = ""  # why it runs nowhere now


def places(connection: Connection, job: Job, company: Sequence[Node]) -> Places:
    """For a job that is due; `company` are the living nodes."""
    able = {node.name: node for node in company if node.can(job.task, job.policy.require)}
    nobody = "" if able else lacking(job.task, job.policy.require)
    if job.policy.placement == "any":
        return Places(nobody=nobody)
    down = _down(connection, job, company)
    return Places(names=sorted(able) or ([] if down else [ANYWHERE]), down=down, nobody=nobody)


def in_place(active: Sequence[Run], place: str) -> list[Run]:
    """Those active runs of a job that a run there may not overlap; runs on other nodes are beside it."""
    return [run for run in active if ANYWHERE in (place, run.place) or run.place == place]


def lacking(task: str, require: Mapping[str, str]) -> str:
    """In words: there is no such node."""
    tags = ", ".join(f"{name}={value}" for name, value in require.items())
    return f"no living node has task {task}" + (f" and {tags}" if tags else "")


def _down(connection: Connection, job: Job, company: Sequence[Node]) -> dict[str, str]:
    """Those that are known, would have run it as they were last, and are not there."""
    there = {node.name for node in company}
    heard = max(node.seen for node in company)  # who joined since lives, and is not known here yet
    last: dict[str, Node] = {}
    for node in node_rows.every(connection):  # the newest of each name comes first
        last.setdefault(node.name, node)
    return {
        name: f"node {name} was {'stopped' if node.state == 'stopped' else 'down'}, last seen {node.seen:%FT%TZ}"
        for name, node in last.items()
        if name not in there and node.since <= heard and node.can(job.task, job.policy.require)
    }
