"""/ and /errors: where to look, and what each kind of problem means. At / a browser is led to the page, and every other
caller gets a list of links."""

from __future__ import annotations

from typing import Final

from twisted.web.http import Request

from ..http.error_kinds import KINDS, PATH
from ..http.route import Route, json, whole
from ..http.schemas.greeting import GreetingOut

LINKS: Final = GreetingOut(
    page="/ui/", jobs="/jobs", runs="/runs", catalog="/catalog", upcoming="/upcoming", events="/events",
    health="/health/ready", description="/openapi.json",
)  # fmt: skip


class Greeting:
    """The call for callers that do not know where to begin."""

    def routes(self) -> list[Route]:
        """What is served here."""
        return [
            Route("GET", "/", self.show, "Where to look", gives={200: GreetingOut, 303: None}, scope="open"),
        ]

    async def show(self, request: Request) -> bytes:
        """200: links. 303: to the page, for one that takes HTML, as browsers do."""
        request.setHeader(b"vary", b"accept")
        if b"text/html" in (request.getHeader(b"accept") or b"").lower():
            request.setResponseCode(303)
            request.setHeader(b"location", LINKS.page.encode("ascii"))
            request.setHeader(b"content-length", b"0")
            return b""
        return json(request, LINKS)


class Errors:
    """The call that explains problems."""

    def routes(self) -> list[Route]:
        """What is served here."""
        gives: dict[int, type | str | None] = {200: "text/plain"}
        return [Route("GET", PATH, self.show, "What each kind of problem means", gives=gives, scope="open")]

    async def show(self, request: Request) -> bytes:
        """200: every kind of problem, with what to do about it."""
        told = [f"{name} ({kind.status})\n    {kind.means}\n    {kind.do}\n" for name, kind in KINDS.items()]
        return whole(request, b"text/plain; charset=utf-8", "\n".join(told).encode())
