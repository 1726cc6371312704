"""/jobs/ID/keys: keys for the badge and the calendar of one job, and both of these as a key opens them.

A page of another site, or a calendar, can send no token. What stands in its address is read by whoever reads the page:
so a key opens nothing but these two, and can be revoked by itself.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import UnsetType
from twisted.internet.defer import Deferred
from twisted.web.http import Request

from ..http.pages import location
from ..http.route import Route, caller, json, nothing, query
from ..http.schemas import job_keys, queries
from ..model.caller import Caller
from ..model.errors import Unauthorized
from ..registry.registry import Registry
from ..threads import WAITING, Bulkhead
from . import badge
from .calendar import KIND, Calendar

ByKey = Callable[[Request, bool], Caller]  # whether the key is right; raises Unauthorized, Slower


def shut(_request: Request, _right: bool) -> Caller:
    """Lets nobody in by a key."""
    raise Unauthorized("keys open nothing here")


class JobKeys:
    """The calls on keys. `by_key` lets in those that have one. Whether a key is right is asked for one at a time: a
    flood of wrong ones leaves the other threads to callers, and an address that sent many still has its right ones."""

    def __init__(self, registry: Registry, calendar: Calendar, by_key: ByKey) -> None:
        self._registry = registry
        self._calendar = calendar
        self._by_key = by_key
        self._looks = Bulkhead(1, WAITING)

    def routes(self) -> list[Route]:
        """What is served here."""
        one = "/jobs/<job_id>"
        return [
            Route("GET", f"{one}/keys", self.index, "List the keys for a job's badge and calendar",
                  gives={200: job_keys.Keys}),
            Route("POST", f"{one}/keys", self.make, "Make a key for a job's badge and calendar",
                  gives={201: job_keys.KeyMade}, refuses=(409,)),
            Route("DELETE", f"{one}/keys/<key_id>", self.revoke, "Revoke such a key", gives={200: None}),
            Route("GET", f"{one}/badge.svg", self.badge, "The state of a job as a picture, for who has a key",
                  asks=queries.BadgeAsked, gives={200: badge.SVG}, scope="key"),
            Route("GET", f"{one}/calendar.ics", self.calendar, "What will be due of a job, for who has a key",
                  asks=queries.JobCalendarAsked, gives={200: KIND}, scope="key"),
        ]  # fmt: skip

    async def index(self, request: Request, job_id: str) -> bytes:
        """200: the keys of a job, without the keys themselves."""
        found = await self._registry.seen_by(caller(request)).keys(job_id)
        return json(request, job_keys.Keys(values=[job_keys.key_out(key) for key in found]))

    async def make(self, request: Request, job_id: str) -> bytes:
        """201: the key and the addresses that it opens, shown this once. 409: the job has 20 already."""
        key, secret = await self._registry.seen_by(caller(request)).make_key(job_id)
        request.setResponseCode(201)
        return json(request, job_keys.key_made(key, secret, *addresses(request, job_id, secret)))

    async def revoke(self, request: Request, job_id: str, key_id: str) -> bytes:
        """200 once it opens nothing any more."""
        await self._registry.seen_by(caller(request)).revoke_key(job_id, key_id)
        return nothing(request)

    async def badge(self, request: Request, job_id: str) -> bytes:
        """200: the name and the state, in words and colour, as at /badge/ID.svg."""
        asked = query(request, queries.BadgeAsked)
        return await badge.picture(request, await self._seen(request, job_id, asked.key), job_id)

    async def calendar(self, request: Request, job_id: str) -> bytes:
        """200: up to `limit` dues of the next 31 days, as at /calendar.ics."""
        asked = query(request, queries.JobCalendarAsked)
        return await self._calendar.of_job(request, await self._seen(request, job_id, asked.key), job_id, asked)

    async def _seen(self, request: Request, job_id: str, key: str | UnsetType) -> Registry:
        """What the caller sees, by its token or by its key."""
        who = caller(request)
        if not who.may("read"):
            right = not isinstance(key, UnsetType) and await self._looks.run(lambda: self._opened_by(job_id, key))
            who = self._by_key(request, right)
        return self._registry.seen_by(who)

    def _opened_by(self, job_id: str, key: str) -> Deferred[bool]:
        return Deferred.fromCoroutine(self._registry.opened_by(job_id, key))


def addresses(request: Request, job_id: str, secret: str) -> tuple[str, str]:
    """What a key opens: the addresses of the badge and the calendar, whole."""
    return (
        location(request, f"/jobs/{job_id}/badge.svg?key={secret}").decode("ascii"),
        location(request, f"/jobs/{job_id}/calendar.ics?key={secret}").decode("ascii"),
    )
