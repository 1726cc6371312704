"""/jobs: making, showing, changing and deleting jobs."""

from __future__ import annotations

import hashlib
import re
from contextlib import nullcontext
from functools import partial

from twisted.web.http import Request

from ..model.errors import Invalid
from ..model.job import JobFilter, JobView
from ..model.order import IdempotencyKey
from ..model.page import Page
from ..model.run import Run, RunFilter
from ..registry.registry import Registry
from . import from_json, to_json
from .conditions import tag_of, versions
from .from_json import Defaults, given
from .instants import asked_instant
from .output import Outputs
from .pages import Pages, location
from .route import MERGE_PATCH, Route, body, caller, has_body, json, query, raw, whole
from .schemas import jobs as wire
from .schemas import queries, runs

KEY = re.compile(rb"[!-~]{1,255}")


class Jobs:
    """The calls on jobs."""

    def __init__(self, registry: Registry, outputs: Outputs, defaults: Defaults, pages: Pages) -> None:
        self._registry = registry
        self._outputs = outputs
        self._pages = pages
        self._defaults = defaults

    def routes(self) -> list[Route]:
        """What is served here."""
        one = "/jobs/<job_id>"
        shown: dict[int, type | str | None] = {200: wire.JobOut}
        return [
            Route("POST", "/jobs", self.create, "Schedule a job", takes=wire.JobIn, gives={202: None},
                  keyed=True, refuses=(400, 404, 413, 422)),
            Route("GET", "/jobs", self.page, "List jobs in the order they were made", asks=queries.JobPage,
                  gives={200: wire.Jobs}, refuses=(400,)),
            Route("GET", one, self.show, "Show a job", gives=shown | {304: None}, refuses=(404,)),
            Route("PATCH", one, self.change, "Change a job", takes=wire.PatchIn, gives=shown,
                  refuses=(400, 404, 412, 413)),
            Route("DELETE", one, self.remove, "Unschedule a job", asks=queries.Deletion, gives={200: None},
                  refuses=(400, 404, 412)),
            Route("POST", one + "/pause", self.pause, "Let dues pass until an instant, or until it is resumed",
                  takes=wire.PauseIn, bare=True, gives=shown, refuses=(400, 404, 412, 413)),
            Route("POST", one + "/resume", self.resume, "Go on with the next due", gives=shown, refuses=(404, 412)),
            Route("POST", one + "/run", self.run, "Run a job now", asks=queries.Running,
                  gives={202: None, 200: "text/plain"}, keyed=True, refuses=(400, 404, 409, 412), scope="run"),
            Route("GET", one + "/runs", self.runs, "List a job's runs, newest first", asks=queries.RunPage,
                  gives={200: runs.Runs}, refuses=(400, 404)),
        ]  # fmt: skip

    async def create(self, request: Request) -> bytes:
        """202 once the job is on disk."""
        asked = from_json.draft(body(request, wire.JobIn), self._defaults)
        job_id = await self._registry_for(request).schedule(asked, _key(request, "/jobs"))
        request.setResponseCode(202)
        request.setHeader(b"location", location(request, f"/jobs/{job_id}"))
        return _empty(request)

    async def page(self, request: Request) -> bytes:
        """200: up to `limit` jobs behind `after`."""
        asked = query(request, queries.JobPage)
        only = JobFilter(
            name=given(asked.name, None),
            task=given(asked.task, None),
            state=given(asked.state, None),
            overdue=given(asked.overdue, None),
        )
        jobs = partial(self._registry_for(request).jobs, asked.limit, asked.after, only)
        return await self._pages.answer(request, asked.limit, jobs, self._out, lambda news: news.job.id)

    async def show(self, request: Request, job_id: str) -> bytes:
        """200: the job."""
        return self._shown(request, await self._registry_for(request).job(job_id))

    async def change(self, request: Request, job_id: str) -> bytes:
        """200: the job as it is now."""
        patch = body(request, wire.PatchIn, MERGE_PATCH)
        news = await self._registry_for(request).change(
            job_id, versions(request), lambda job: from_json.merged(job, patch, self._defaults)
        )
        return self._shown(request, news)

    async def pause(self, request: Request, job_id: str) -> bytes:
        """200: the job, paused."""
        asked = body(request, wire.PauseIn) if has_body(request) else wire.PauseIn()
        until, reason = from_json.pause(asked)
        news = await self._registry_for(request).pause(job_id, versions(request), until, reason)
        return self._shown(request, news)

    async def resume(self, request: Request, job_id: str) -> bytes:
        """200: the job, no longer paused."""
        return self._shown(request, await self._registry_for(request).resume(job_id, versions(request)))

    async def remove(self, request: Request, job_id: str) -> bytes:
        """200 once the job is gone; an active run finishes unless `cancel`."""
        cancel = query(request, queries.Deletion).cancel
        await self._registry_for(request).unschedule(job_id, cancel, versions(request))
        return _empty(request)

    async def run(self, request: Request, job_id: str) -> bytes:
        """202 once the run is on disk, or 200 with its output until it ends, for a caller that may read it."""
        asked = query(request, queries.Running)
        follow = asked.follow
        if follow:
            caller(request).must("read")
        with self._outputs.place() if follow else nullcontext():  # first: a refused request has made no run
            key = _key(request, f"/jobs/{job_id}/run")
            run = await self._registry_for(request).run_now(job_id, key, versions(request), asked.force)
            request.setHeader(b"location", location(request, f"/runs/{run.id}"))
            if follow and await self._outputs.followed(request, run.id):
                return b""
        request.setResponseCode(202)
        return _empty(request)

    async def runs(self, request: Request, job_id: str) -> bytes:
        """200: up to `limit` runs older than `after`."""
        return await run_page(request, self._registry_for(request), job_id, self._pages)

    def _registry_for(self, request: Request) -> Registry:
        return self._registry.seen_by(caller(request))

    def _shown(self, request: Request, news: JobView) -> bytes:
        data = json(request, self._out(news))
        request.setHeader(b"etag", tag_of(news.job.version, data))
        return data

    def _out(self, news: JobView) -> wire.JobOut:
        return to_json.job_out(news, self._registry.task_known, self._registry.timeout, self._defaults.redaction)


async def run_page(request: Request, registry: Registry, job_id: str | None, pages: Pages) -> bytes:
    """200: a page of runs, of one job or of all."""
    asked = query(request, queries.RunPage)
    only = RunFilter(
        job_id=job_id,
        state=given(asked.state, None),
        begin=asked_instant(asked.from_, "?from"),
        end=asked_instant(asked.to, "?to"),
    )

    async def runs(_room: int) -> Page[Run]:
        return Page.of(await registry.runs(asked.limit + 1, given(asked.after, None), only), asked.limit)

    return await pages.answer(request, asked.limit, runs, to_json.run_out, lambda run: run.id)


def _key(request: Request, scope: str) -> IdempotencyKey | None:
    """The caller's Idempotency-Key. Raises Invalid."""
    text = request.getHeader(b"idempotency-key")
    if text is None:
        return None
    if not KEY.fullmatch(text):
        raise Invalid("Idempotency-Key must be 1 to 255 printable ASCII characters without blanks")
    name = caller(request).name
    if name is not None:  # each caller has separate keys; the hash is as long as the column
        scope = hashlib.sha256(f"{name} {scope}".encode()).hexdigest()
    return IdempotencyKey(scope=scope, key=text.decode("ascii"), digest=hashlib.sha256(raw(request)).hexdigest())


def _empty(request: Request) -> bytes:
    """No body, under the headers that the first Jobsched gave."""
    return whole(request, b"text/html; charset=utf-8", b"")
