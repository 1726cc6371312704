"""/catalog: what may be run."""

from __future__ import annotations

from twisted.web.http import Request

from ..registry import Registry
from . import wire
from .route import Route, json


class Catalog:
    """The calls on the catalog."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def routes(self) -> list[Route]:
        """What is served here."""
        return [
            Route(verb="GET", path="/catalog", answer=self.names, summary="The tasks that may be scheduled"),
            Route(verb="GET", path="/catalog/<name>", answer=self.show, summary="Describe a task"),
        ]

    async def names(self, request: Request) -> bytes:
        """200: names in the catalog's order."""
        return json(request, wire.Names(tasks=self._registry.task_names()))

    async def show(self, request: Request, name: str) -> bytes:
        """200: one task."""
        task = self._registry.task(name)
        shown = wire.TaskOut(
            name=task.name,
            description=task.description,
            kind=task.kind,
            parameters=task.parameters,
            timeout=task.timeout,
        )
        return json(request, shown)
