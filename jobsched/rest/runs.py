"""/runs: what was executed, and what it printed."""

from __future__ import annotations

from twisted.web.http import Request

from ..registry import Registry
from . import wire
from .download import send_file
from .route import Route, json


class Runs:
    """The calls on runs."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def routes(self) -> list[Route]:
        """What is served here."""
        return [
            Route(verb="GET", path="/runs/<run_id>", answer=self.show, summary="Show a run"),
            Route(verb="GET", path="/runs/<run_id>/output", answer=self.output, summary="What a run printed"),
        ]

    async def show(self, request: Request, run_id: str) -> bytes:
        """200: the run."""
        return json(request, wire.run_out(await self._registry.run(run_id)))

    async def output(self, request: Request, run_id: str) -> bytes:
        """200: what was printed, as text."""
        _, path = await self._registry.output(run_id)
        return await send_file(request, path)
