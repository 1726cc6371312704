"""POST /jobs:batch: one order on many jobs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import attrs
from msgspec import UnsetType
from twisted.web.http import Request

from ..http import from_json
from ..http.from_json import Defaults, given
from ..http.route import Route, body, caller, json, query
from ..http.schemas import batches as wire
from ..http.schemas.holds import selection
from ..http.schemas.jobs import PauseIn
from ..model.batch import BatchAction
from ..model.errors import Faults, Invalid
from ..model.job import Job
from ..model.order import BatchJobs, DeleteJob, Order, PauseJob, ResumeJob, RunJob
from ..model.selection import EVERY_JOB, Selection
from ..registry.registry import Registry

NEEDS: dict[str, BatchAction] = {"patch": "change", "until": "pause", "reason": "pause", "cancel": "delete",
                                 "force": "run"}  # fmt: skip


class Batches:
    """The call on many jobs."""

    def __init__(self, registry: Registry, defaults: Defaults) -> None:
        self._registry = registry
        self._defaults = defaults

    def routes(self) -> list[Route]:
        """What is served here. Which scope is needed depends on what is to be done."""
        return [
            Route("POST", "/jobs:batch", self.perform, "Pause, resume, run, change or delete many jobs",
                  takes=wire.BatchIn, asks=wire.BatchQuery, gives={200: wire.BatchOut},
                  refuses=(400, 404, 409, 412, 413), scope="any", conditional=False),
        ]  # fmt: skip

    async def perform(self, request: Request) -> bytes:
        """200: what became of each job."""
        how = query(request, wire.BatchQuery)
        asked = body(request, wire.BatchIn)
        caller(request).must("run" if asked.action == "run" else "write")
        select = _checked(asked)
        registry = self._registry.seen_by(caller(request))
        order = BatchJobs(
            select=select,
            action=asked.action,
            order=self._order(asked, registry),
            versions=given(asked.versions, None),
            plan=how.plan,
            partial=how.partial,
        )
        done = await registry.batch(order)
        return json(request, wire.BatchOut(values=[wire.part_out(part) for part in done.parts]))

    def _order(self, asked: wire.BatchIn, registry: Registry) -> Callable[[str], Order[object]]:
        until, reason = from_json.pause(PauseIn(until=asked.until, reason=asked.reason))
        peers = registry.peers
        patch = asked.patch

        def of(job_id: str) -> Order[object]:
            if asked.action == "pause":
                return PauseJob(job_id=job_id, until=until, reason=reason)
            if asked.action == "resume":
                return ResumeJob(job_id=job_id)
            if asked.action == "run":
                return RunJob(job_id=job_id, peers=peers, force=asked.force)
            if asked.action == "delete":
                return DeleteJob(job_id=job_id, cancel=registry.cancelling(asked.cancel))
            assert not isinstance(patch, UnsetType)
            change = registry.changing(job_id, None, lambda job: from_json.merged(job, patch, self._defaults))
            return attrs.evolve(change, revise=_pointing(change.revise))

        return of


def _checked(asked: wire.BatchIn) -> Selection:
    """The jobs that are meant. Raises Invalid."""
    faults, select = Faults(), EVERY_JOB
    with faults.noting():
        select = selection(asked.select)
        if not select.fields:
            raise Invalid('names no job; all are meant by {"names": ["*"]}', "/select")
    for name, action in NEEDS.items():
        with faults.noting():
            if getattr(asked, name) not in (None, False) and not isinstance(getattr(asked, name), UnsetType):
                if action != asked.action:
                    raise Invalid(f"is for {action} alone", f"/{name}")
            elif name == "patch" and asked.action == "change":
                raise Invalid("is missing", "/patch")
    faults.check()
    return select


def _pointing(revise: Callable[[Job, datetime], Job]) -> Callable[[Job, datetime], Job]:
    """The same, and what is wrong with the patch points into the body of the batch."""

    def revised(job: Job, instant: datetime) -> Job:
        try:
            return revise(job, instant)
        except Invalid as why:
            first, *more = (Invalid(each.detail, f"/patch{each.pointer}") for each in why.all)
            raise Invalid(first.detail, first.pointer, more) from why

    return revised
