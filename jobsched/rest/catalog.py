"""/catalog and /preview: the tasks that may be run, and when a trigger would be due."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import attrs
from twisted.web.http import Request

from ..http import from_json
from ..http.from_json import Defaults
from ..http.route import Route, body, caller, json
from ..http.schemas import jobs
from ..http.schemas.tasks import LimitsOut, Names, TaskOut
from ..http.to_json import effective_out
from ..model.success import codes_in_words
from ..registry.registry import Registry


class Catalog:
    """The calls that change no job."""

    def __init__(self, registry: Registry, defaults: Defaults, now: Callable[[], datetime]) -> None:
        self._registry = registry
        self._defaults = defaults
        self._now = now

    def routes(self) -> list[Route]:
        """What is served here."""
        names = {200: Names}
        return [
            Route("GET", "/catalog", self.names, "The tasks that may be scheduled", gives=names),
            Route("POST", "/catalog/reload", self.reload, "Read tokens.cfg and catalog.cfg again", gives=names,
                  refuses=(409,), scope="admin"),
            Route("GET", "/catalog/<name>", self.show, "Describe a task", gives={200: TaskOut}, refuses=(404,)),
            Route("POST", "/preview", self.preview, "What a trigger would do", takes=jobs.PreviewIn,
                  gives={200: jobs.Fires}, refuses=(400, 413), looks=True, scope="read"),
        ]  # fmt: skip

    async def names(self, request: Request) -> bytes:
        """200: names in the catalog's order."""
        return json(request, Names(tasks=self._registry_for(request).task_names()))

    async def reload(self, request: Request) -> bytes:
        """200: the names that there are now; 409: a file is bad, and its last good version stays in force."""
        return json(request, Names(tasks=await self._registry_for(request).reload()))

    async def show(self, request: Request, name: str) -> bytes:
        """200: one task."""
        task = self._registry_for(request).task(name)
        shown = TaskOut(
            name=task.name,
            description=task.description,
            kind=task.kind,
            parameters=task.parameters,
            timeout=task.timeout,
            effective=effective_out(self._registry.timeout(name, None)),
            user=task.confinement.user,
            limits=LimitsOut(**attrs.asdict(task.confinement.resource_limits)),
            new_privileges=task.confinement.new_privileges,
            leftovers=task.leftovers,
            success_codes=codes_in_words(task.success.codes),
            expect_output=None if task.success.expect is None else task.success.expect.text,
            forbid_output=None if task.success.forbid is None else task.success.forbid.text,
            problem=task.problem,
        )
        return json(request, shown)

    async def preview(self, request: Request) -> bytes:
        """200: the next dues of a trigger, and what a change of clocks does to them."""
        asked = body(request, jobs.PreviewIn)
        draft, after = from_json.preview(asked, self._defaults, self._now())
        found = await self._registry.preview(draft, after, asked.count)
        shown = [jobs.FireOut(at=fire.at, utc=fire.utc, note=fire.note) for fire in found]
        return json(request, jobs.Fires(fires=shown))

    def _registry_for(self, request: Request) -> Registry:
        return self._registry.seen_by(caller(request))
