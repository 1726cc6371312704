"""/me: who asks, what that caller may do, and who answers."""

from __future__ import annotations

from collections.abc import Callable

from twisted.web.http import Request

from .. import __version__
from ..http.route import Route, caller, json
from ..http.schemas.greeting import MeOut
from ..model.caller import SCOPES
from ..registry.registry import Registry


class Me:
    """The call on the caller. `asks` tells whether callers need a token."""

    def __init__(self, registry: Registry, asks: Callable[[], bool]) -> None:
        self._registry = registry
        self._asks = asks

    def routes(self) -> list[Route]:
        """What is served here."""
        return [Route("GET", "/me", self.show, "Who asks, and what that caller may do", gives={200: MeOut},
                      scope="token")]  # fmt: skip

    async def show(self, request: Request) -> bytes:
        """200: what is known of the caller."""
        who = caller(request)
        shown = MeOut(
            name=who.name,
            scopes=[scope for scope in SCOPES if who.may(scope)],
            tasks=None if who.tasks is None else list(who.tasks),
            expires=who.expires,
            open=not self._asks(),
            node=self._registry.node_name,
            version=__version__,
        )
        return json(request, shown)
