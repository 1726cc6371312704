"""/nodes: the daemons that share the store."""

from __future__ import annotations

from twisted.web.http import Request

from ..http.route import Route, json
from ..http.schemas import nodes
from ..model.node import Node, twins
from ..registry.registry import Registry

TWIN = "another living node has this name too"


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
        problem=TWIN if doubled and node.state == "alive" else None,
    )
