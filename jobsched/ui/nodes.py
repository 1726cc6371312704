"""/ui/nodes and /ui/audit: the daemons, and who changed what."""

from __future__ import annotations

from typing import Final, get_args

from twisted.web.http import Request

from ..http.route import Route
from ..model.audit import Action, AuditFilter
from ..model.errors import Invalid, NotFound
from ..model.node import twins
from ..registry.registry import Registry
from .frame import Frame, asked, link
from .job import Change

PAGE: Final = 200
ROOM: Final = 1 << 20
ACTIONS: Final = get_args(Action)


class Nodes:
    """Both screens."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def routes(self) -> list[Route]:
        """What is served here."""
        return [
            Route("GET", "/ui/nodes", self.nodes, "The daemons"),
            Route("GET", "/ui/audit", self.audit, "Who changed what", scope="admin"),
        ]

    async def nodes(self, request: Request) -> bytes:
        """200: the daemons that share the store."""
        registry = self._frame.registry(request)
        nodes = await registry.nodes()
        versions = {node.version for node in nodes if node.state == "alive"}
        return await self._frame.screen(
            request, "nodes.html", "Nodes", nodes=nodes, differ=len(versions) > 1, twins=twins(nodes)
        )

    async def audit(self, request: Request) -> bytes:
        """200: the newest 200 entries."""
        registry, action, who = self._frame.registry(request), asked(request, "action"), asked(request, "who")
        chosen = next((each for each in ACTIONS if each == action), None)
        if action and chosen is None:
            raise Invalid(f"{action!r} is none of {', '.join(ACTIONS)}", "?action")
        target = asked(request, "target")
        only = AuditFilter(
            action=chosen, who=who or None, target=await _id(registry, target) if target else None,
            group=asked(request, "group") or None,
        )  # fmt: skip
        page = await registry.entries(PAGE, asked(request, "after") or None, only, ROOM)
        return await self._frame.screen(
            request, "audit.html", "Audit",
            entries=[Change.of(each) for each in page.values], actions=ACTIONS,
            fields={"action": action, "who": who, "target": target},
            next=link(request, after=page.values[-1].id) if page.more else None,
        )  # fmt: skip


async def _id(registry: Registry, text: str) -> str:
    """The id of the job that has this name, if one has; else what may be the id of anything."""
    try:
        return await registry.named(text)
    except NotFound:
        return text
