"""Bodies that are larger than any other call may send: who may send one, and that there is one at a time.

They are asked for here before they come: the disk of a daemon must not fill for callers that are not let in.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.web.server import Request

from ..http.route import Admit, Route
from ..model.errors import Busy

MOST_BODY = 1024 * 1024  # bytes of any other body
STILL = 5.0  # seconds without a byte of the body after which another request may have the place
PACE = 64 * 1024  # bytes a second that come at least, after as many seconds as it may be still
TAKING = 30.0  # seconds of taking the answer, after which it may


class Sender(Protocol):
    """What is asked of a request with a large body."""

    def holds(self, still: float, taking: float) -> bool:
        """Whether its body has come on in the last `still` seconds, and at no less than `PACE`, or, where it has come
        whole, is being worked on or answered since less than `taking` seconds."""

    def cut_off(self) -> None:
        """Close its connection."""

    def notifyFinish(self) -> Deferred[None]:
        """Fires when it is over, one way or the other."""


class SendingRequest(Request, Sender):
    """Such a request."""


class LargeBodies:
    """The calls that take such a body, and the request that is sending one.

    Who sends nothing, or does not take the answer, keeps the place only as long as nobody else wants it: with a byte
    now and then it would else be held for hours.
    """

    log = Logger()

    def __init__(self, routes: Iterable[Route], admit: Admit) -> None:
        self._routes = {(route.verb.encode(), route.path.encode()): route for route in routes if route.large}
        self._admit = admit
        self._sending: Sender | None = None

    def room(self, request: SendingRequest, verb: bytes, target: bytes) -> int:
        """Bytes that the body of this request may have. Raises Busy, and what the check of the caller does."""
        route = self._routes.get((verb, target.partition(b"?")[0].rstrip(b"/")))
        if route is None:
            return MOST_BODY
        if self._sending is not request:
            self._admit(request, route.scope)
            if self._sending is not None:
                if self._sending.holds(STILL, TAKING):
                    raise Busy("another request with a large body is under way; ask again later")
                self.log.warn("a client that sent a large body, or took its answer, too slowly is cut off for another")
                self._sending.cut_off()
            self._sending = request
            request.notifyFinish().addBoth(lambda _: self._over(request))
        return route.large

    def _over(self, request: Sender) -> None:
        if self._sending is request:
            self._sending = None
