"""/ui/new and /ui/jobs/ID/edit: a job is made, copied or changed by a form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs
from twisted.web.http import Request

from ..http import from_json
from ..http.from_json import Defaults
from ..http.route import Route, caller
from ..model.audit import AuditFilter
from ..model.draft import Draft
from ..model.errors import Conflict, Invalid, NotFound, Stale
from ..model.ids import check_job_id
from ..model.job import EVENTS, Job
from ..model.preview import Fire
from ..registry.registry import Registry
from . import job_form
from .errors import see
from .form import one
from .frame import Frame, asked
from .job import Change

SHOWN: Final = 5  # dues


@attrs.frozen(kw_only=True)
class Clash:
    """The job was changed meanwhile: who did what, as far as the viewer may know."""

    version: int
    change: Change | None


class Edit:
    """The screens."""

    def __init__(self, frame: Frame, defaults: Defaults) -> None:
        self._frame = frame
        self._defaults = defaults

    def routes(self) -> list[Route]:
        """What is served here."""
        return [
            Route("GET", "/ui/new", self.new, "A new job", scope="write"),
            Route("POST", "/ui/new", self.make, "Make a job", form=True),
            Route("GET", "/ui/jobs/<job_id>/edit", self.edit, "Change a job", scope="write"),
            Route("POST", "/ui/jobs/<job_id>/edit", self.change, "Change a job", form=True),
        ]

    async def new(self, request: Request) -> bytes:
        """200: the form, empty or as `?of` another job."""
        of = asked(request, "of")
        if of:
            job = (await self._frame.registry(request).job(of)).job
            sent = {name: value for name, value in job_form.filled(job, self._defaults.redaction).items()
                    if name != "id"}  # fmt: skip
            return await self._form(request, None, sent | {"name": [f"{job.name} (copy)"]})
        return await self._form(request, None, self._fresh() | {"task": [asked(request, "task")]})

    async def edit(self, request: Request, job_id: str) -> bytes:
        """200: the form as the job is."""
        job = (await self._frame.registry(request).job(job_id)).job
        return await self._form(request, job, job_form.filled(job, self._defaults.redaction))

    async def make(self, request: Request) -> bytes:
        """303: made; 400: the form, with what is wrong."""
        sent, registry = self._frame.form(request), self._frame.registry(request)
        try:
            wanted = job_form.request(sent, self._zone(request))
            chosen = from_json.given(wanted.id, None)
            if chosen is not None:
                check_job_id(chosen)
            draft = from_json.draft(wanted, self._defaults)
            if one(sent, "do") == "preview":
                return await self._form(request, None, sent, fires=await self._fires(request, draft))
            job_id = await registry.schedule(draft, None, chosen)
        except (Invalid, Conflict, NotFound) as why:
            return await self._form(request, None, sent, why=why)
        return see(request, f"/ui/jobs/{job_id}?said=made")

    async def change(self, request: Request, job_id: str) -> bytes:
        """303: changed; 400: the form, with what is wrong; 409: somebody else has changed it."""
        sent, registry = self._frame.form(request), self._frame.registry(request)
        job = (await registry.job(job_id)).job
        version = one(sent, "version")
        versions = frozenset({int(version)} if version.isascii() and version.isdigit() and len(version) < 12 else ())
        try:
            wanted = job_form.request(sent | {"id": [job_id]}, self._zone(request))
            if one(sent, "do") == "preview":
                draft = from_json.replaced(job, wanted, self._defaults)
                return await self._form(request, job, sent, fires=await self._fires(request, draft))
            await registry.put(
                job_id,
                versions,
                lambda now: from_json.replaced(now, wanted, self._defaults),
                absent=False,
                present=True,
            )
        except Stale:
            return await self._form(request, job, sent, clash=await self._clash(request, registry, job))
        except (Invalid, Conflict, NotFound) as why:
            return await self._form(request, job, sent, why=why)
        return see(request, f"/ui/jobs/{job_id}?said=changed")

    async def _fires(self, request: Request, draft: Draft) -> Sequence[Fire]:
        return await self._frame.registry(request).preview(draft, self._frame.now(), SHOWN)

    async def _clash(self, request: Request, registry: Registry, job: Job) -> Clash:
        found = None
        if caller(request).may("admin"):
            only = AuditFilter(target=job.id)
            entries = (await registry.entries(10, None, only, 1 << 20)).values
            found = next((each for each in entries if each.action.startswith("job.")), None)
        return Clash(version=job.version, change=None if found is None else Change.of(found))

    async def _form(
        self, request: Request, job: Job | None, sent: job_form.Sent, *, why: Exception | None = None,
        fires: Sequence[Fire] | None = None, clash: Clash | None = None,
    ) -> bytes:  # fmt: skip
        faults = why.all if isinstance(why, Invalid) else ()
        if why is not None:
            request.setResponseCode(400)
        if clash is not None:
            request.setResponseCode(409)
        wrong = {each.pointer.split("/")[1] if "/" in each.pointer else "": each.detail for each in faults}
        tasks = self._frame.registry(request).task_names()
        task = one(sent, "task")
        return await self._frame.screen(
            request, "edit.html", f"Edit {job.name}" if job else "New job",
            job=job, sent=sent, one=lambda name: sent.get(name, [""])[0], wrong=wrong,
            problems=[(each.pointer.lstrip("/"), each.detail) for each in faults] or ([("", str(why))] if why else []),
            tasks=tasks if not task or task in tasks else [task, *tasks], events=EVENTS, fires=fires, clash=clash,
            version=one(sent, "version") or (str(job.version) if job else ""),
        )  # fmt: skip

    def _fresh(self) -> job_form.Sent:
        policy = self._defaults.policy
        return job_form.fresh({"overlap": policy.overlap, "catch_up": policy.catch_up}, self._defaults.timezone)

    def _zone(self, request: Request) -> str:
        return self._frame.view(request).zone
