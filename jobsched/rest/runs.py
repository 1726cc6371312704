"""/runs: the runs of jobs, and their outputs."""

from __future__ import annotations

from contextlib import nullcontext

from msgspec import UnsetType
from twisted.web.http import Request

from ..http import from_json, to_json
from ..http.instants import Times
from ..http.pages import Pages, location
from ..http.route import Route, caller, json, nothing, query
from ..http.schemas import queries
from ..http.schemas import runs as wire
from ..model.run import RunFilter
from ..registry.registry import Registry
from .jobs import idempotency_key, run_page
from .output import Outputs


class Runs:
    """The calls on runs."""

    def __init__(self, registry: Registry, outputs: Outputs, pages: Pages, times: Times) -> None:
        self._registry = registry
        self._outputs = outputs
        self._pages = pages
        self._times = times

    def routes(self) -> list[Route]:
        """What is served here."""
        one = "/runs/<run_id>"
        return [
            Route("GET", "/runs", self.page, "List runs, newest first", asks=queries.RunPage,
                  gives={200: wire.Runs}, refuses=(400, 404, 409)),
            Route("GET", one, self.show, "Show a run, once it has ended or the wait is over", asks=queries.Waiting,
                  gives={200: wire.RunOut}, refuses=(400, 404)),
            Route("GET", one + "/output", self.output, "What a run printed", asks=queries.Reading,
                  gives={200: "text/plain", 206: "text/plain", 304: None}, refuses=(400, 404, 416)),
            Route("POST", one + "/cancel", self.cancel, "End a run", gives={202: None}, refuses=(404, 409),
                  scope="run"),
            Route("POST", one + "/rerun", self.rerun, "Run again what has ended", asks=queries.Rerunning,
                  gives={202: None}, keyed=True, refuses=(400, 404, 409), scope="run"),
        ]  # fmt: skip

    async def page(self, request: Request) -> bytes:
        """200: up to `limit` runs older than `after`."""
        asked = query(request, queries.RunPage)
        registry = self._registry_for(request)
        only = RunFilter(
            job_id=None if isinstance(asked.job, UnsetType) else await registry.named(asked.job),
            task=from_json.given(asked.task, None),
            labels=from_json.labels_asked(asked.label),
        )
        return await run_page(request, registry, only, asked, self._pages, self._times)

    async def show(self, request: Request, run_id: str) -> bytes:
        """200: the run."""
        seconds = query(request, queries.Waiting).wait
        with self._outputs.place() if seconds else nullcontext():
            run = await self._registry_for(request).ended(run_id, seconds)
        return json(request, to_json.run_out(run, self._registry.last_line(run)))

    async def output(self, request: Request, run_id: str) -> bytes:
        """200 or 206: what was printed, as text."""
        asked = query(request, queries.Reading)
        tail = from_json.given(asked.tail, None)
        if not asked.follow:
            return await self._outputs.send(request, run_id, tail)
        with self._outputs.place():
            return await self._outputs.follow(request, run_id, tail)

    async def cancel(self, request: Request, run_id: str) -> bytes:
        """202: the run is being ended."""
        await self._registry_for(request).cancel(run_id)
        request.setResponseCode(202)
        return nothing(request)

    async def rerun(self, request: Request, run_id: str) -> bytes:
        """202 once the new run is on disk."""
        force = query(request, queries.Rerunning).force
        key = idempotency_key(request, f"/runs/{run_id}/rerun")
        run = await self._registry_for(request).rerun(run_id, key, force)
        request.setHeader(b"location", location(request, f"/runs/{run.id}"))
        request.setResponseCode(202)
        return nothing(request)

    def _registry_for(self, request: Request) -> Registry:
        return self._registry.seen_by(caller(request))
