"""The HTTP server around the routes: limits that must hold before Klein is asked, and the access log."""

from __future__ import annotations

from klein.resource import KleinResource
from twisted.internet.interfaces import IReactorTime, ITCPTransport
from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import Request as ServerRequest
from twisted.web.server import Site

from ..clock import elapsed
from ..events import Events
from ..model.caller import ANYBODY
from ..model.errors import JobschedError
from ..model.hosts import Hosts
from . import connection, host_check, problems
from .app import make_app
from .connection import Channel, ConnectionGate
from .large_bodies import MOST_BODY, PACE, LargeBodies
from .log_limit import Lines, shown
from .route import Admit, Route

MOST_LINGERING = 64 * MOST_BODY  # bytes of a refused body that are still read
LINGER = 5  # seconds without a byte of such a body

OTHER = "other"  # for requests without a known method and route


class LimitedRequest(ServerRequest):
    """Refuses requests that must not reach Klein: a body over 1 MiB as soon as its size is known, unless the call takes
    a large one, and all requests that the host check refuses.

    `gotLength` and `handleContentChunk` are inner methods of Twisted; `tests/unit/rest/test_site.py` watches them.
    """

    defaultContentType = None  # what has no body has no type
    _received = 0
    _most = MOST_BODY
    _came = 0.0  # elapsed time when the last of a large body came, and when its answer began
    _let_in = 0.0  # elapsed time when it was let in
    refused = False
    logged = False  # the log has a line about this request already
    known = False  # the request has a valid token
    begun = 0.0  # elapsed time when the request was complete
    taken = (OTHER, OTHER)  # method and route

    def gotLength(self, length: int | None) -> None:
        if length is not None and length > self._most:
            self._ask_for_room(length)
        super().gotLength(0 if self.refused else length)

    def handleContentChunk(self, data: bytes) -> None:
        self._received += len(data)
        if self._most > MOST_BODY:
            self._came = elapsed()
        if self._received > self._most and not self.refused:
            self._ask_for_room(self._received)
        if not self.refused:
            super().handleContentChunk(data)
        elif self._received > MOST_LINGERING:
            self._channel().loseConnection()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        if self.refused:
            self._channel().loseConnection()
        else:
            super().requestReceived(command, host_check.target(path, self.requestHeaders), version)

    def process(self) -> None:
        self.begun = elapsed()
        fault = host_check.fault(self, self._channel().site.hosts)
        if fault is None:
            super().process()
            return
        self._channel().persistent = False  # no more requests are read from a client that sent this
        self.setHeader(b"connection", b"close")
        self.write(problems.answer(self, *fault))
        self.finish()

    def write(self, data: bytes) -> None:
        if not self.startedWriting:
            self._came = elapsed()
            host_check.add_security_headers(self.responseHeaders)
        super().write(data)

    def processingFailed(self, reason: Failure) -> Failure:
        """The last resort: Twisted would answer with a page of HTML."""
        problems.log.failure("{uri} failed", reason, uri=problems.shown(self))
        if self.startedWriting:
            self._channel().loseConnection()
            return reason
        self.write(problems.answer(self, 500, problems.OURS))
        self.finish()
        return reason

    def holds(self, still: float, taking: float) -> bool:
        """Whether it may keep its place from others: see `large_bodies`."""
        now = elapsed()
        if self.startedWriting:
            return now - self._came < taking
        comes = now - self._came < still and self._received >= PACE * (now - self._let_in - still)
        return bool(self.begun) or comes

    def cut_off(self) -> None:
        """Close the connection at once."""
        if self.channel is not None:
            self._channel().transport.abortConnection()

    def _ask_for_room(self, size: int) -> None:
        """Refuse a body of that size, unless the call may have it."""
        channel = self._channel()
        try:
            self._most = channel.site.large_bodies.room(self, *channel.asked)
            self._came = self._let_in = elapsed()
        except JobschedError as why:
            self._refuse(problems.status_of(why), str(why))
            return
        if size > self._most:
            self._refuse(413, f"a request body may hold {self._most} bytes")

    def _refuse(self, status: int, detail: str) -> None:
        """Answer at once. The rest of the body is read for a while and thrown away: a client that is cut off while
        it sends would see a reset and no answer."""
        self.refused = True
        channel = self._channel()
        answer = host_check.outright(status, detail)
        channel.transport.write(answer)
        channel.site.count_refused(channel.transport, status, len(answer))
        if not self._received and self.requestHeaders.hasHeader(b"expect"):
            self.requestHeaders.removeHeader(b"expect")  # or Twisted would say "100 Continue" after this
            channel.loseConnection()
        channel.setTimeout(LINGER)

    def _channel(self) -> Channel:
        assert isinstance(self.channel, Channel)
        return self.channel


class JobschedSite(Site):
    """Serves one Klein app; lines about its answers go to the logger `jobsched.access`."""

    displayTracebacks = False
    requestFactory = LimitedRequest
    protocol = Channel  # type: ignore[assignment]  # Twisted's default may choose HTTP/2, which has no limits

    def __init__(
        self,
        resource: KleinResource,
        reactor: IReactorTime,
        hosts: Hosts | None,
        connections: int,
        lines: Lines,
        events: Events,
        large_bodies: LargeBodies,
        page: Resource | None = None,
    ) -> None:
        super().__init__(
            resource,
            requestFactory=LimitedRequest,
            timeout=connection.IDLE,
            reactor=reactor,
            parsePOSTFormSubmission=False,
        )
        self.page = page
        self.hosts = hosts
        self.lines = lines
        self.events = events
        self.large_bodies = large_bodies
        self.gate = ConnectionGate(self, connections, reactor.seconds)  # the factory that listens

    def getResourceFor(self, request: Request) -> Resource:
        if self.page is not None and (request.path == b"/ui" or request.path.startswith(b"/ui/")):
            return self.page
        found: Resource = super().getResourceFor(request)
        return found

    def count_refused(self, wire: ITCPTransport, status: int, size: int) -> None:
        """Log and count an answer to input that never became a request."""
        self.lines.cut_off(shown(wire.getPeer()), status, size)
        self.events.request_answered(OTHER, OTHER, status, 0.0)

    def acceptableProtocols(self) -> list[bytes]:
        return [b"http/1.1"]

    def log(self, request: Request) -> None:
        assert isinstance(request, LimitedRequest)
        self.events.request_answered(*request.taken, request.code, elapsed() - request.begun)
        if not request.logged:
            address = shown(request.getClientAddress())
            self.lines.request(address, request.method, request.uri, request.code, request.sentLength, request.known)

    def stopFactory(self) -> None:
        self.lines.stop()
        super().stopFactory()


def site(
    routes: list[Route], reactor: IReactorTime, hosts: Hosts | None = None, connections: int = connection.CONNECTIONS,
    admit: Admit = lambda _request, _need: ANYBODY, lines: Lines | None = None, events: Events | None = None,
    page: Resource | None = None,
) -> JobschedSite:  # fmt: skip
    """A site that serves `routes`, and `page` under /ui, and answers all else with a problem; `hosts` None: any host
    name is accepted."""
    resource = make_app(routes, admit).resource()
    large = LargeBodies(routes, admit)
    return JobschedSite(resource, reactor, hosts, connections, lines or Lines(reactor), events or Events(), large, page)
