"""Bodies that are larger than any other call may send: who may send one, and that there is one at a time.

They are asked for here before they come: the disk of a daemon must not fill for callers that are not let in.
"""

from __future__ import annotations

from collections.abc import Iterable

from twisted.web.server import Request

from ..http.route import Admit, Route
from ..model.errors import Busy

MOST_BODY = 1024 * 1024  # bytes of any other body


class LargeBodies:
    """The calls that take such a body, and the request that is sending one."""

    def __init__(self, routes: Iterable[Route], admit: Admit) -> None:
        self._routes = {(route.verb.encode(), route.path.encode()): route for route in routes if route.large}
        self._admit = admit
        self._sending: Request | None = None

    def room(self, request: Request, verb: bytes, target: bytes) -> int:
        """Bytes that the body of this request may have. Raises Busy, and what the check of the caller does."""
        route = self._routes.get((verb, target.partition(b"?")[0].rstrip(b"/")))
        if route is None:
            return MOST_BODY
        if self._sending is not request:
            self._admit(request, route.scope)
            if self._sending is not None:
                raise Busy("another request with a large body is under way; ask again later")
            self._sending = request
            request.notifyFinish().addBoth(lambda _: self._over())
        return route.large

    def _over(self) -> None:
        self._sending = None
