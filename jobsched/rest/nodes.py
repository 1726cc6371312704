"""/nodes and /storage: the daemons that share the store, and what the one that answers keeps."""

from __future__ import annotations

from twisted.web.http import Request

from ..http.route import Route, json
from ..http.schemas import nodes
from ..model.node import Node, twins
from ..registry.registry import Registry


class Nodes:
    """The call on nodes."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def routes(self) -> list[Route]:
        """What is served here."""
        shown = {200: nodes.Nodes}
        return [Route("GET", "/nodes", self.list, "The daemons that share the store", gives=shown, scope="admin")]

    async def list(self, request: Request) -> bytes:
        """200: every node that is known, the latest start first."""
        found = await self._registry.nodes()
        doubled = twins(found)
        return json(request, nodes.Nodes(values=[node_out(node, doubled=node.name in doubled) for node in found]))


def node_out(node: Node, *, doubled: bool) -> nodes.NodeOut:
    """A node for the outside; `doubled`: another living one has its name."""
    return nodes.NodeOut(
        id=node.id,
        name=node.name,
        url=node.url,
        tags=dict(node.tags),
        tasks=list(node.tasks),
        version=node.version,
        since=node.since,
        seen=node.seen,
        state=node.state,
        running=node.running,
        slots=node.slots,
        claims=nodes.ClaimsOut(tried=node.tried, won=node.won),
        problem="; ".join(node.problems(doubled=doubled)) or None,
    )


class Storage:
    """The call on disk and record; `keep_runs` and `keep_days` as the options say."""

    def __init__(self, registry: Registry, keep_runs: int, keep_days: float) -> None:
        self._registry = registry
        self._keep_runs = keep_runs
        self._keep_days = keep_days

    def routes(self) -> list[Route]:
        """What is served here."""
        return [Route("GET", "/storage", self.show, "What is kept, and how much room there is",
                      gives={200: nodes.StorageOut})]  # fmt: skip

    async def show(self, request: Request) -> bytes:
        """200: as it is now."""
        size, free = await self._registry.disk()
        oldest = await self._registry.oldest_run()
        return json(
            request,
            nodes.StorageOut(
                node=self._registry.node_name,
                free=free,
                size=size,
                oldest=oldest,
                keep_runs=self._keep_runs,
                keep_days=self._keep_days,
            ),
        )
