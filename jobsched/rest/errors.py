"""/errors: what each kind of problem means, for whoever follows the `type` of one."""

from __future__ import annotations

from twisted.web.http import Request

from ..http.error_kinds import KINDS, PATH
from ..http.route import Route, whole


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
