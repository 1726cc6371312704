"""/jobs: schedules, their making and unmaking."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct
from twisted.web.http import Request

from ..model.policy import Policy
from ..registry import Registry
from . import wire
from .location import link_next, location
from .route import Route, body, json, query, whole


class Page(Struct, forbid_unknown_fields=True):
    """Which part of a list."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 500
    after: str = ""


class Jobs:
    """The calls on jobs."""

    def __init__(self, registry: Registry, defaults: Policy, timezone: str) -> None:
        self._registry = registry
        self._defaults = defaults
        self._timezone = timezone

    def routes(self) -> list[Route]:
        """What is served here."""
        return [
            Route(verb="POST", path="/jobs", answer=self.create, summary="Schedule a job"),
            Route(verb="GET", path="/jobs", answer=self.page, summary="List jobs in the order they were made"),
            Route(verb="GET", path="/jobs/<job_id>", answer=self.show, summary="Show a job"),
            Route(verb="DELETE", path="/jobs/<job_id>", answer=self.remove, summary="Unschedule a job"),
            Route(verb="GET", path="/jobs/<job_id>/runs", answer=self.runs, summary="List a job's runs, newest first"),
        ]

    async def create(self, request: Request) -> bytes:
        """202 once the job is on disk."""
        asked = wire.draft(body(request, wire.JobIn), self._defaults, self._timezone)
        job = await self._registry.schedule(asked)
        request.setResponseCode(202)
        request.setHeader(b"location", location(request, f"/jobs/{job.id}"))
        return _empty(request)

    async def page(self, request: Request) -> bytes:
        """200: up to `limit` jobs behind `after`."""
        asked = query(request, Page)
        found = await self._registry.jobs(asked.limit + 1, asked.after)
        link_next(request, found, asked.limit, lambda news: news.job.id)
        return json(request, wire.Jobs(values=[wire.job_out(news) for news in found[: asked.limit]]))

    async def show(self, request: Request, job_id: str) -> bytes:
        """200: the job."""
        return json(request, wire.job_out(await self._registry.job(job_id)))

    async def remove(self, request: Request, job_id: str) -> bytes:
        """200 once the job is gone; an active run finishes."""
        await self._registry.unschedule(job_id)
        return _empty(request)

    async def runs(self, request: Request, job_id: str) -> bytes:
        """200: up to `limit` runs older than `after`."""
        asked = query(request, Page)
        found = await self._registry.runs_of(job_id, asked.limit + 1, asked.after or None)
        link_next(request, found, asked.limit, lambda run: run.id)
        return json(request, wire.Runs(values=[wire.run_out(run) for run in found[: asked.limit]]))


def _empty(request: Request) -> bytes:
    """No body, under the headers that the first Jobsched gave."""
    return whole(request, b"text/html; charset=utf-8", b"")
