"""Another node's answer, handed on to our client as it comes."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Literal, cast

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import wrapClientTLS
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, BrowserLikePolicyForHTTPS, HTTPConnectionPool, ResponseDone
from twisted.web.http import Request
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IResponse
from zope.interface import implementer

from ..http.conditions import READS, single_range
from ..http.download import no_more
from ..http.problems import break_off
from ..reactor_types import Connector
from ..resolver import NamedEndpoint, Names

CONNECT = 3.0  # seconds to reach another node
ANSWER = 10.0  # seconds until it begins to answer
SILENCE = 30.0  # seconds without a byte from a node that is not waiting for a run
IDLE = 30.0  # seconds that a connection is kept for the next request; the other node keeps it for 60
KEPT = 4  # such connections for each node

MARK = b"jobsched-relayed"
ASKED = (b"if-range", b"if-match", b"if-none-match")
TOLD = (
    b"content-type", b"content-range", b"accept-ranges", b"etag", b"cache-control", b"jobsched-output",
)  # fmt: skip
GOOD = (200, 206, 304, 412, 416)
PROBLEM = [b"application/problem+json"]

Fate = Literal["answered", "absent", "refused", "unreachable"]


def relayed(request: Request) -> bool:
    """Whether another node sent this request for a client of its own; then it is not relayed again."""
    return request.getHeader(MARK) is not None


class Relay(Service):
    """Relays requests to other nodes; `token` is the CLUSTER_TOKEN."""

    name = "relay"
    log = Logger()

    def __init__(self, reactor: Connector, token: str | None = None) -> None:
        self._reactor = reactor
        self._own = {b"authorization": [b"Bearer " + token.encode()]} if token else {}  # never the token of our client
        self._pool = HTTPConnectionPool(reactor)
        self._pool.maxPersistentPerHost = KEPT
        self._pool.cachedConnectionTimeout = IDLE  # type: ignore[assignment]
        self._agent = Agent.usingEndpointFactory(reactor, Nodes(reactor), self._pool)

    def stopService(self) -> Deferred[None]:
        """Fires when no idle connection is left."""
        super().stopService()
        closed: Deferred[None] = self._pool.closeCachedConnections()
        return closed

    async def forward(self, request: Request, url: str, over: Deferred[None] | None = None) -> Fate:
        """Answer `request` with the answer from `url`. Unless this returns "answered", nothing was sent to the client.

        The other node may be silent until `over` fires; without `over`, never for long. If its answer breaks off, or it
        is silent for too long, the connection to the client is ended too, so that a part is not taken for the whole.
        """
        try:
            asking = self._ask(request, url)
            request.notifyFinish().addErrback(lambda _: asking.cancel())
            response = await asking
        except CancelledError:
            raise
        except Exception as why:
            self.log.warn("{url} does not answer: {why}", url=url, why=_words(why))
            return "unreachable"
        pipe = Pipe(self._reactor, request)
        if response.code not in GOOD:
            pipe.drop(response)
            if response.code == 404 and response.headers.getRawHeaders(b"content-type") == PROBLEM:
                return "absent"
            self.log.warn("{url} does not answer: {why}", url=url, why=f"status {response.code}")
            return "refused"
        if request.channel is None:  # the client has gone
            pipe.drop(response)
            return "answered"
        _begin(request, response)
        request.write(b"")  # the headers, at once
        if over is None:
            pipe.hurry()
        else:
            over.addCallback(lambda _: pipe.hurry())
        response.deliverBody(pipe)
        if not await pipe.done:
            await break_off(request)
        return "answered"

    def _ask(self, request: Request, url: str) -> Deferred[IResponse]:
        headers = Headers({MARK: [b"1"], **self._own})
        if (asked := single_range(request)) is not None:
            headers.addRawHeader(b"range", str(asked).encode("ascii"))
        for name in ASKED if request.method in READS else ():
            for value in request.requestHeaders.getRawHeaders(name, []):
                headers.addRawHeader(name, value)
        method = b"HEAD" if request.method == b"HEAD" else b"GET"
        asking: Deferred[IResponse] = self._agent.request(method, url.encode("ascii"), headers)
        return asking.addTimeout(ANSWER, self._reactor)


@implementer(IAgentEndpointFactory)
class Nodes:
    """Connects to other nodes."""

    def __init__(self, reactor: Connector) -> None:
        self._reactor = reactor
        self._names = Names(reactor)
        self._policy = BrowserLikePolicyForHTTPS()

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        host = uri.host.decode("ascii").strip("[]")
        plain = NamedEndpoint(self._reactor, self._names.look_up, host, uri.port, CONNECT)
        if uri.scheme == b"http":
            return plain
        return wrapClientTLS(self._policy.creatorForNetloc(uri.host, uri.port), plain)


class _Upstream(typing.Protocol):
    """The transport that Twisted's HTTP client makes, which has no interface."""

    def pauseProducing(self) -> None: ...

    def resumeProducing(self) -> None: ...

    def loseConnection(self) -> None: ...


@implementer(IPushProducer)
class Pipe(Protocol, TimeoutMixin):
    """Passes the body of an answer on to a client, as fast as the client takes it.

    `done` fires at the end: True if the body is whole, or if the client has gone and needs no more.
    """

    def __init__(self, clock: IReactorTime, request: Request) -> None:
        self.done: Deferred[bool] = Deferred(lambda _: self.stopProducing())
        self._clock = clock
        self._request: Request | None = request
        self._patience: float | None = None
        self._paused = False
        self._ended = False

    def callLater(self, delay: float, call: Callable[[], object]) -> IDelayedCall:
        """As TimeoutMixin asks for it."""
        later: IDelayedCall = self._clock.callLater(delay, call)
        return later

    def hurry(self) -> None:
        """From now on the other node may not be silent for long."""
        self._patience = SILENCE
        self._listen()

    def drop(self, response: IResponse) -> None:
        """Close the connection without reading the body."""
        self._request = None
        response.deliverBody(self)

    def connectionMade(self) -> None:
        if self._request is None:
            self._hang_up()
        else:
            self._request.registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:
        self.resetTimeout()
        if self._request is not None:
            self._request.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._ended = True
        self.setTimeout(None)
        if self._request is not None:
            self._request.unregisterProducer()
        if not self.done.called:
            self.done.callback(self._request is None or reason.check(ResponseDone) is not None)

    def timeoutConnection(self) -> None:
        self._hang_up()

    def pauseProducing(self) -> None:
        self._paused = True
        self._listen()
        self._upstream().pauseProducing()

    def resumeProducing(self) -> None:
        self._paused = False
        self._listen()
        self._upstream().resumeProducing()

    def stopProducing(self) -> None:
        """The client has gone."""
        if self._request is not None:
            no_more(self._request)
        self._request = None
        self._hang_up()

    def _listen(self) -> None:
        """Limit the other node's silence, except while the client takes nothing: then nothing can come."""
        self.setTimeout(None if self._paused or self._ended else self._patience)

    def _hang_up(self) -> None:
        self.setTimeout(None)
        self._upstream().loseConnection()

    def _upstream(self) -> _Upstream:
        return cast("_Upstream", self.transport)


def _begin(request: Request, response: IResponse) -> None:
    """Copy the status of the other node's answer, and its headers about the body."""
    request.setResponseCode(response.code, response.phrase)
    for name in TOLD:
        values = response.headers.getRawHeaders(name)
        if values is not None:
            request.responseHeaders.setRawHeaders(name, values)
    length = response.headers.getRawHeaders(b"content-length")  # of HEAD
    if length is not None:
        request.responseHeaders.setRawHeaders(b"content-length", length)
    elif request.method != b"HEAD" and response.code != 304 and isinstance(response.length, int):
        request.setHeader(b"content-length", b"%d" % response.length)


def _words(why: Exception) -> str:
    return str(why) or type(why).__name__
