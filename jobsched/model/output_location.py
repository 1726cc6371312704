"""Which nodes have the output of a run. Every node keeps the output of the runs that it executed."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from .node import Node
from .run import Run


@attrs.frozen(kw_only=True)
class OutputLocation:
    """Where an output is: `here`, or at the addresses `urls` of other nodes, the likeliest first.

    `lack`: why these nodes may not give it, in words. `gone`: the node that should have the output does not have it.
    """

    here: bool = False
    urls: tuple[str, ...] = ()
    lack: str = ""
    gone: bool = False


def elsewhere(run: Run, own: str, nodes: Iterable[Node]) -> OutputLocation:
    """Where to find the output of `run` if node `own` has no file of it; `nodes`: the newest start first.

    It is on the node that executed the run, or on a later start of that node, with the same name and the old files.
    """
    alive = [node for node in nodes if node.state == "alive"]
    itself = [node for node in alive if node.id == run.node_id]
    found = itself or [node for node in alive if node.name == run.node]
    others = [node for node in found if node.id != own]
    if found and not others:
        return OutputLocation(lack=no_more(run), gone=True)
    urls = tuple(node.url for node in others if node.url is not None)
    lack = "has no NODE_URL" if others and not urls else "cannot be reached"
    return OutputLocation(urls=urls, lack=f"node {run.node}, which has the whole, {lack}")


def no_more(run: Run) -> str:
    """In words: the node of a run was asked for its output, and does not have it."""
    return f"node {run.node} no longer has the whole"


def no_answer(run: Run) -> str:
    """In words: the node of a run was asked for its output, and can or may not answer."""
    return f"node {run.node}, which has the whole, does not give it now"
