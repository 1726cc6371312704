"""The HTTP server around the routes: limits that must hold before Klein is asked, and the access log."""

from __future__ import annotations

import logging
from typing import Any

from klein import Klein
from klein.resource import KleinResource
from twisted.web.http import Request
from twisted.web.server import Request as ServerRequest
from twisted.web.server import Site

from . import problems
from .route import Route, bind

MOST_BODY = 1024 * 1024  # bytes
IDLE = 60  # seconds without a byte

access = logging.getLogger("jobsched.access")


class LimitedRequest(ServerRequest):
    """Refuses a body over 1 MiB as soon as that is known, and forms: nothing here reads them.

    `gotLength` and `handleContentChunk` are Twisted's inner doors; `tests/unit/rest/test_site.py` watches them.
    """

    _received = 0
    _refused = False

    def gotLength(self, length: int | None) -> None:
        if length is not None and length > MOST_BODY:
            self._refuse()
        super().gotLength(None if self._refused else length)

    def handleContentChunk(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > MOST_BODY and not self._refused:
            self._refuse()
        if not self._refused:
            super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        if not self._refused:
            super().requestReceived(command, path, version)

    def _refuse(self) -> None:
        """Answer at once and hang up: reading what is to be thrown away helps nobody."""
        self._refused = True
        channel: Any = self.channel
        text = problems.body(413, f"a request body may hold {MOST_BODY} bytes")
        channel.transport.write(
            b"HTTP/1.1 413 Content Too Large\r\nContent-Type: application/problem+json\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(text), text)
        )
        channel.loseConnection()


class JobschedSite(Site):
    """Serves one Klein app; one line for each answer goes to the logger `jobsched.access`."""

    displayTracebacks = False
    requestFactory = LimitedRequest

    def __init__(self, resource: KleinResource, reactor: Any) -> None:
        super().__init__(resource, requestFactory=LimitedRequest, timeout=IDLE, reactor=reactor)

    def log(self, request: Request) -> None:
        access.info(
            "%s %s %s %s %s",
            request.getClientAddress(),
            request.method.decode("ascii", "backslashreplace"),
            request.uri.decode("ascii", "backslashreplace"),
            request.code,
            request.sentLength,
        )


def site(routes: list[Route], reactor: Any) -> JobschedSite:
    """A site that serves `routes` and answers everything else with a problem."""
    app = Klein()
    problems.install(app)
    bind(app, routes)
    return JobschedSite(app.resource(), reactor)
