"""/ui/jobs/ID/keys: keys for the badge and the calendar of a job."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.web.http import Request

from ..http.pages import location
from ..http.route import Route
from ..model.errors import Conflict
from .actions import told
from .errors import see
from .frame import Frame
from .job import OneJob


class Keys:
    """The tab with the keys of a job, and its buttons."""

    def __init__(self, frame: Frame, one_job: OneJob) -> None:
        self._frame = frame
        self._one_job = one_job

    def routes(self) -> list[Route]:
        """What is served here."""
        keys = "/ui/jobs/<job_id>/keys"
        return [
            Route("GET", keys, self.show, "The keys of a job"),
            Route("POST", keys, self.make, "Make a key of a job", form=True),
            Route("POST", f"{keys}/<key_id>/revoke", self.revoke, "Revoke a key of a job", form=True),
        ]

    async def show(self, request: Request, job_id: str) -> bytes:
        """200: who made which, and when."""
        return await self._tab(request, job_id)

    async def make(self, request: Request, job_id: str) -> bytes:
        """200: the addresses with the key, this once. 409: the job has enough."""
        self._frame.form(request)
        try:
            _, secret = await self._frame.registry(request).make_key(job_id)
        except Conflict as why:
            request.setResponseCode(409)
            return await self._tab(request, job_id, fault=told(why))
        opened = [
            (name, location(request, f"/jobs/{job_id}/{path}?key={secret}").decode("ascii"))
            for name, path in (("Badge", "badge.svg"), ("Calendar", "calendar.ics"))
        ]
        return await self._tab(request, job_id, opened=opened)

    async def revoke(self, request: Request, job_id: str, key_id: str) -> bytes:
        """303: back to the keys that are left."""
        self._frame.form(request)
        await self._frame.registry(request).revoke_key(job_id, key_id)
        return see(request, f"/ui/jobs/{job_id}/keys?said=revoked")

    async def _tab(
        self, request: Request, job_id: str, *, opened: Sequence[tuple[str, str]] = (), fault: str = ""
    ) -> bytes:  # fmt: skip
        registry = self._frame.registry(request)
        return await self._one_job.tab(
            request, registry, await registry.job(job_id), "/keys",
            keys=await registry.keys(job_id), opened=opened, fault=fault,
        )  # fmt: skip
