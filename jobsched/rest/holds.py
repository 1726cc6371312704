"""/hold: nothing starts for a while, on any node."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from twisted.web.http import Request

from ..http.conditions import must_be_new, must_exist, tag_of, versions
from ..http.pages import location
from ..http.route import Route, body, caller, json, nothing
from ..http.schemas import holds
from ..model.errors import OnHold, Stale
from ..model.hold import Hold
from ..registry.registry import Registry


class Holds:
    """The calls on the hold."""

    def __init__(self, registry: Registry, clock: Callable[[], datetime]) -> None:
        self._registry = registry
        self._clock = clock

    def routes(self) -> list[Route]:
        """What is served here."""
        shown: dict[int, type | str | None] = {200: holds.HoldOut}
        return [
            Route("GET", "/hold", self.show, "Show what is on hold", gives=shown | {304: None}, refuses=(404,)),
            Route("PUT", "/hold", self.put, "Hold all jobs, or some", takes=holds.HoldIn,
                  gives=shown | {201: holds.HoldOut}, refuses=(400, 409, 412, 413)),
            Route("DELETE", "/hold", self.remove, "Go on with what is on hold", gives={200: None}, refuses=(404, 412)),
        ]  # fmt: skip

    async def show(self, request: Request) -> bytes:
        """200: the hold. 404: nothing is on hold."""
        return _shown(request, await self._registry_for(request).hold())

    async def put(self, request: Request) -> bytes:
        """201: nothing of these jobs starts any more. 200: the hold that If-Match names is changed."""
        wanted = holds.hold(body(request, holds.HoldIn), self._clock())
        anew, absent = not must_exist(request), must_be_new(request)
        if absent and not anew:
            raise Stale("If-Match asks for a hold that is there, and If-None-Match for none")
        try:
            stored = await self._registry_for(request).put_hold(wanted, anew, versions(request))
        except OnHold as why:
            raise Stale(str(why)) if absent else why from None
        data = _shown(request, stored)
        if anew:
            request.setResponseCode(201)
            request.setHeader(b"location", location(request, "/hold"))
        return data

    async def remove(self, request: Request) -> bytes:
        """200 once it is over."""
        await self._registry_for(request).release_hold(versions(request))
        return nothing(request)

    def _registry_for(self, request: Request) -> Registry:
        return self._registry.seen_by(caller(request))


def _shown(request: Request, found: Hold) -> bytes:
    data = json(request, holds.hold_out(found))
    request.setHeader(b"etag", tag_of(found.version, data))
    return data
