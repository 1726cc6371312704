"""The HTTP server around the routes: limits that must hold before Klein is asked, and the access log."""

from __future__ import annotations

import logging
import re
from typing import Any
from urllib.parse import unquote_to_bytes

from klein import Klein
from klein.resource import KleinResource
from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.server import Request as ServerRequest
from twisted.web.server import Site

from . import problems
from .route import Route, bind

MOST_BODY = 1024 * 1024  # bytes
MOST_LINGERING = 64 * MOST_BODY  # of a body that was refused
LINGER = 5  # seconds without a byte of it
IDLE = 60  # seconds without a byte

HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%:\[\]-]*")  # RFC 3986: what a host and a port may hold

access = logging.getLogger("jobsched.access")


class LimitedRequest(ServerRequest):
    """Refuses what must not reach Klein: a body over 1 MiB as soon as that is known, and an odd path or host.

    `gotLength` and `handleContentChunk` are Twisted's inner doors; `tests/unit/rest/test_site.py` watches them.
    """

    _received = 0
    _refused = False

    def gotLength(self, length: int | None) -> None:
        if length is not None and length > MOST_BODY:
            self._refuse()
        super().gotLength(0 if self._refused else length)

    def handleContentChunk(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > MOST_BODY and not self._refused:
            self._refuse()
        if not self._refused:
            super().handleContentChunk(data)
        elif self._received > MOST_LINGERING:
            self._channel().loseConnection()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        if self._refused:
            self._channel().loseConnection()
        else:
            super().requestReceived(command, path, version)

    def process(self) -> None:
        fault = self._fault()
        if not fault:
            super().process()
            return
        text = problems.answer(self, 400, fault)
        self.write(text)
        self.finish()

    def processingFailed(self, reason: Failure) -> Failure:
        """The last resort: Twisted would answer with a page of HTML."""
        problems.log.failure("{uri} failed", reason, uri=problems.shown(self))
        self.write(problems.answer(self, 500, problems.OURS))
        self.finish()
        return reason

    def _fault(self) -> str:
        """What no route could answer; Klein would, in plain text."""
        hosts = self.requestHeaders.getRawHeaders(b"host", [])
        if len(hosts) > 1 or not all(_is_host(host) for host in hosts):
            return "the Host header is no host"
        try:
            unquote_to_bytes(self.path).decode()
            self.method.decode("ascii")
        except UnicodeDecodeError:
            return "the path is not UTF-8"
        return ""

    def _refuse(self) -> None:
        """Answer at once. What still comes is thrown away for a while: a client cut off in mid-body would see a
        reset and no answer."""
        self._refused = True
        channel = self._channel()
        text = problems.body(413, f"a request body may hold {MOST_BODY} bytes")
        channel.transport.write(
            b"HTTP/1.1 413 Content Too Large\r\nContent-Type: application/problem+json\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(text), text)
        )
        if not self._received and self.requestHeaders.hasHeader(b"expect"):
            self.requestHeaders.removeHeader(b"expect")  # or Twisted would say "100 Continue" after this
            channel.loseConnection()
        channel.setTimeout(LINGER)

    def _channel(self) -> Any:
        return self.channel


def _is_host(text: bytes) -> bool:
    try:
        text.partition(b":")[0].decode("ascii").encode("idna")  # as werkzeug will
    except UnicodeError:
        return False
    return HOST.fullmatch(text) is not None


class JobschedSite(Site):
    """Serves one Klein app; one line for each answer goes to the logger `jobsched.access`."""

    displayTracebacks = False
    requestFactory = LimitedRequest

    def __init__(self, resource: KleinResource, reactor: Any) -> None:
        super().__init__(
            resource, requestFactory=LimitedRequest, timeout=IDLE, reactor=reactor, parsePOSTFormSubmission=False
        )

    def log(self, request: Request) -> None:
        access.info(
            "%s %s %s %s %s",
            getattr(request.getClientAddress(), "host", "unix"),
            request.method.decode("ascii", "backslashreplace"),
            request.uri.decode("ascii", "backslashreplace"),
            request.code,
            request.sentLength,
        )


def site(routes: list[Route], reactor: Any) -> JobschedSite:
    """A site that serves `routes` and answers everything else with a problem."""
    app = Klein()
    app.url_map.merge_slashes = False  # or /jobs//runs would be answered with a redirect
    problems.install(app)
    bind(app, routes)
    return JobschedSite(app.resource(), reactor)
