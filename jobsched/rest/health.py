"""/health, /health/ready and /metrics: the state of the daemon, for monitoring."""

from __future__ import annotations

from typing import Protocol

from twisted.web.http import Request

from .. import __version__
from ..http import problems
from ..http.problems import Fault
from ..http.route import Route, caller, json, whole
from ..http.schemas import nodes
from ..metrics import CONTENT_TYPE
from ..model.errors import Forbidden
from ..model.health import HealthProblem


class Body(Protocol):
    """The daemon as these calls see it; it answers within seconds, in any state."""

    async def health_problems(self) -> list[HealthProblem]:
        """All problems that keep this daemon from its work; an empty list: it is ready."""

    async def held(self) -> str | None:
        """What keeps jobs from being run on purpose, as far as it was seen last; None: nothing does."""

    async def exposition(self) -> bytes:
        """A page of metrics."""


class HealthCalls:
    """The calls for monitoring."""

    def __init__(self, body: Body) -> None:
        self._body = body

    def routes(self) -> list[Route]:
        """What is served here."""
        gives: dict[int, type | str | None] = {200: nodes.Health}
        return [
            Route("GET", "/health", self.alive, "Whether the daemon lives", gives=gives, scope="open"),
            Route("GET", "/health/ready", self.ready, "Whether the daemon can do its work", gives=gives, refuses=(503,),
                  scope="open"),
            Route("GET", "/metrics", self.metrics, "What is counted, for Prometheus", gives={200: "text/plain"},
                  refuses=(403,)),
        ]  # fmt: skip

    async def alive(self, request: Request) -> bytes:
        """200: the reactor runs. The store is not checked: a restart of the daemon would not repair it."""
        return json(request, nodes.Health(status="ok", version=__version__))

    async def ready(self, request: Request) -> bytes:
        """200, or 503 with all problems. Not logged, since this call is made every few seconds."""
        found = await self._body.health_problems()
        if not found:
            held = await self._body.held()
            words = held if held is None or caller(request).may("read") else "on hold"
            return json(request, nodes.Health(status="ready", version=__version__, hold=words))
        shown = [str(each) if caller(request).may("read") else each.words for each in found]
        return problems.answer(request, 503, "; ".join(shown), [Fault(pointer="", detail=words) for words in shown])

    async def metrics(self, request: Request) -> bytes:
        """200: all metrics. 403: the caller may see only some tasks."""
        who = caller(request)
        if who.tasks is not None:
            raise Forbidden(f"this shows all tasks, and the token {who.name!r} is for some only")
        return whole(request, CONTENT_TYPE.encode("ascii"), await self._body.exposition())
