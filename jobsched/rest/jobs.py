"""/jobs: making, showing, changing and deleting jobs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial

import attrs
import msgspec
from msgspec import UnsetType
from twisted.web.http import Request

from ..http import from_json, to_json
from ..http.conditions import must_be_new, must_exist, tag_of, versions, wants_representation
from ..http.from_json import Defaults, given
from ..http.instants import Times
from ..http.pages import Pages, location
from ..http.route import MERGE_PATCH, Route, body, caller, has_body, json, nothing, query, raw, whole
from ..http.schemas import jobs as wire
from ..http.schemas import queries, runs
from ..http.schemas.stats import StatsOut
from ..model.errors import Invalid, Taken
from ..model.ids import check_job_id
from ..model.job import JobFilter, JobView
from ..model.job_list import JobOrder, words
from ..model.order import IdempotencyKey
from ..model.page import Page
from ..model.run import ENDED, FAILING, Run, RunFilter
from ..model.stats import MOST, stats
from ..registry.registry import Registry
from . import exports
from .output import Outputs

KEY = re.compile(rb"[!-~]{1,255}")
LONGEST_SCOPE = 64  # characters, as the column has them


class Jobs:
    """The calls on jobs."""

    def __init__(self, registry: Registry, outputs: Outputs, defaults: Defaults, pages: Pages, times: Times) -> None:
        self._registry = registry
        self.outputs = outputs
        self._pages = pages
        self._times = times
        self._defaults = defaults
        self._exports = exports.Exports(defaults, pages)

    def routes(self) -> list[Route]:
        """What is served here."""
        one = "/jobs/<job_id>"
        shown: dict[int, type | str | None] = {200: wire.JobOut}
        return [
            Route("POST", "/jobs", self.create, "Schedule a job", takes=wire.JobIn, gives={202: None, 201: wire.JobOut},
                  keyed=True, refuses=(400, 404, 409, 413, 422)),
            Route("GET", "/jobs", self.page, "List jobs", asks=queries.JobPage,
                  gives={200: wire.Jobs}, also=exports.ALSO, refuses=(400, 409)),
            Route("GET", one, self.show, "Show a job", gives=shown | {304: None}, refuses=(404,)),
            Route("PUT", one, self.put, "Make a job under an id, or replace it", takes=wire.JobIn,
                  gives={200: wire.JobOut, 201: wire.JobOut}, refuses=(400, 404, 409, 412, 413)),
            Route("PATCH", one, self.change, "Change a job", takes=wire.PatchIn, gives=shown,
                  refuses=(400, 404, 412, 413)),
            Route("DELETE", one, self.remove, "Unschedule a job", asks=queries.Deletion, gives={200: None},
                  refuses=(400, 404, 412)),
            Route("POST", one + "/pause", self.pause, "Let dues pass until an instant, or until it is resumed",
                  takes=wire.PauseIn, bare=True, gives=shown, refuses=(400, 404, 412, 413)),
            Route("POST", one + "/resume", self.resume, "Go on with the next due", gives=shown, refuses=(404, 412)),
            Route("POST", one + "/run", self.run, "Run a job now", takes=wire.RunIn, bare=True, asks=queries.Running,
                  gives={202: None, 200: "text/plain"}, keyed=True, refuses=(400, 404, 409, 412, 413), scope="run"),
            Route("GET", one + "/runs", self.runs, "List a job's runs, newest first", asks=queries.JobRunPage,
                  gives={200: runs.Runs}, refuses=(400, 404)),
            Route("GET", one + "/stats", self.stats, "How a job has fared", gives={200: StatsOut}, refuses=(404,)),
        ]  # fmt: skip

    async def create(self, request: Request) -> bytes:
        """202 once the job is on disk; 201 with the job for a caller that prefers to see it."""
        wanted = body(request, wire.JobIn)
        asked = from_json.draft(wanted, self._defaults)
        with _led(request):
            registry = self._registry_for(request)
            job_id = await registry.schedule(asked, idempotency_key(request, "/jobs"), given(wanted.id, None))
        request.setResponseCode(202)
        request.setHeader(b"location", location(request, f"/jobs/{job_id}"))
        if not wants_representation(request):
            return _empty(request)
        shown = self._shown(request, await registry.job(job_id))
        request.setResponseCode(201)
        request.setHeader(b"preference-applied", b"return=representation")
        return shown

    async def page(self, request: Request) -> bytes:
        """200: up to `limit` jobs behind `after`."""
        asked = query(request, queries.JobPage)
        fields = to_json.fields_asked(given(asked.fields, ()))
        only = JobFilter(
            name=given(asked.name, None),
            task=given(asked.task, None),
            state=given(asked.state, None),
            overdue=given(asked.overdue, None),
            labels=from_json.labels_asked(asked.label),
            words=words(given(asked.q, "")),
            order=JobOrder.of(given(asked.sort, "created")),
            activity=not fields or not fields.isdisjoint(to_json.OF_ACTIVITY),
        )
        if (kind := exports.format_asked(request, asked)) is not None:
            return await self._exports.answer(request, kind, asked, only, self._registry_for(request))
        jobs = partial(self._registry_for(request).jobs, asked.limit, asked.after, only)

        def out(news: JobView) -> object:
            shown = self.out(news)
            some = {name: getattr(shown, name) for name in shown.__struct_fields__ if name in fields}
            return some if fields else shown

        return await self._pages.answer(request, asked.limit, jobs, out, lambda news: news.place)

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

    async def put(self, request: Request, job_id: str) -> bytes:
        """201: the job, made; 200: the job as it is now."""
        check_job_id(job_id, "")
        wanted = body(request, wire.JobIn)
        if given(wanted.id, job_id) != job_id:
            raise Invalid(f"is not the id of the path, {job_id}", "/id")
        wanted = msgspec.structs.replace(wanted, id=job_id)
        with _led(request):
            put = await self._registry_for(request).put(
                job_id,
                versions(request),
                lambda job: from_json.replaced(job, wanted, self._defaults),
                absent=must_be_new(request),
                present=must_exist(request),
            )
        data = self._shown(request, put.view)
        if put.made:
            request.setResponseCode(201)
            request.setHeader(b"location", location(request, f"/jobs/{job_id}"))
        return data

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
        with self.outputs.place() if follow else nullcontext():  # first: a refused request has made no run
            key = idempotency_key(request, f"/jobs/{job_id}/run")
            wanted = body(request, wire.RunIn) if has_body(request) else wire.RunIn()
            if wanted.parameters is not None:
                caller(request).must("write")  # to set parameters is to change what is run
            due, parameters = from_json.run(wanted, self._defaults)
            run = await self._registry_for(request).run_now(
                job_id, key, versions(request), force=asked.force, due=due, parameters=parameters
            )
            request.setHeader(b"location", location(request, f"/runs/{run.id}"))
            if follow and await self.outputs.followed(request, run.id):
                return b""
        request.setResponseCode(202)
        return nothing(request)

    async def runs(self, request: Request, job_id: str) -> bytes:
        """200: up to `limit` runs older than `after`."""
        asked = query(request, queries.JobRunPage)
        only = RunFilter(job_id=job_id)
        return await run_page(request, self._registry_for(request), only, asked, self._pages, self._times)

    async def stats(self, request: Request, job_id: str) -> bytes:
        """200: how its last runs have fared."""
        only = RunFilter(job_id=job_id, states=ENDED)
        found = await self._registry_for(request).runs(MOST, None, only)
        return json(request, to_json.stats_out(stats(found)))

    def _registry_for(self, request: Request) -> Registry:
        return self._registry.seen_by(caller(request))

    def _shown(self, request: Request, news: JobView) -> bytes:
        data = json(request, self.out(news))
        request.setHeader(b"etag", tag_of(news.job.version, data))
        return data

    def out(self, news: JobView) -> wire.JobOut:
        """A job, as it is shown."""
        return to_json.job_out(news, self._registry.task_known, self._registry.timeout, self._defaults.redaction)


async def run_page(
    request: Request, registry: Registry, only: RunFilter, asked: queries.JobRunPage, pages: Pages, times: Times
) -> bytes:
    """200: a page of runs, of one job or of all."""
    only = run_filter(only, asked, times)

    async def runs(_room: int) -> Page[Run]:
        return Page.of(await registry.runs(asked.limit + 1, given(asked.after, None), only), asked.limit)

    return await pages.answer(request, asked.limit, runs, lambda run: to_json.run_out(run, registry.last_line(run)),
                              lambda run: run.id)  # fmt: skip


def run_filter(only: RunFilter, asked: queries.JobRunPage | queries.RunCounts, times: Times) -> RunFilter:
    """Which runs are asked for, of those that `only` asks for. Raises Invalid."""
    begin, end = times.window(asked.from_, asked.to, asked.zone)
    if asked.failing and not isinstance(asked.state, UnsetType):
        raise Invalid("give state or failing, not both", "?failing")
    return attrs.evolve(
        only,
        states=tuple(given(asked.state, FAILING if asked.failing else ())),
        node=given(asked.node, None),
        cause=given(asked.cause, None),
        begin=begin,
        end=end,
    )


@contextmanager
def _led(request: Request) -> Iterator[None]:
    """Lead a caller whose id is taken to the job that has it."""
    try:
        yield
    except Taken as why:
        request.setHeader(b"location", location(request, why.path))
        raise


def idempotency_key(request: Request, scope: str) -> IdempotencyKey | None:
    """The caller's Idempotency-Key. Raises Invalid."""
    text = request.getHeader(b"idempotency-key")
    if text is None:
        return None
    if not KEY.fullmatch(text):
        raise Invalid("Idempotency-Key must be 1 to 255 printable ASCII characters without blanks")
    name = caller(request).name
    if name is not None:  # each caller has separate keys; the hash is as long as the column
        scope = hashlib.sha256(f"{name} {scope}".encode()).hexdigest()
    elif len(scope) > LONGEST_SCOPE:
        scope = hashlib.sha256(scope.encode()).hexdigest()
    return IdempotencyKey(scope=scope, key=text.decode("ascii"), digest=hashlib.sha256(raw(request)).hexdigest())


def _empty(request: Request) -> bytes:
    """No body, under the headers that the first Jobsched gave."""
    return whole(request, b"text/html; charset=utf-8", b"")
