"""/hold: nothing starts for a while, on any node."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from twisted.web.http import Request

from ..model.errors import Invalid
from ..model.hold import Hold
from ..model.printable import unprintable
from ..registry.registry import Registry
from .conditions import tag_of, versions
from .route import Route, body, caller, json, whole
from .schemas import holds


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
        asked = body(request, holds.HoldIn)
        if char := unprintable(asked.reason or ""):
            raise Invalid(f"holds {char}, which is not printable", "/reason")
        anew = not request.requestHeaders.hasHeader(b"if-match")
        stored = await self._registry_for(request).put_hold(holds.hold(asked, self._clock()), anew, versions(request))
        request.setResponseCode(201 if anew else 200)
        return _shown(request, stored)

    async def remove(self, request: Request) -> bytes:
        """200 once it is over."""
        await self._registry_for(request).release_hold(versions(request))
        return whole(request, b"text/html; charset=utf-8", b"")

    def _registry_for(self, request: Request) -> Registry:
        return self._registry.seen_by(caller(request))


def _shown(request: Request, found: Hold) -> bytes:
    data = json(request, holds.hold_out(found))
    request.setHeader(b"etag", tag_of(found.version, data))
    return data
