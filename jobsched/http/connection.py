"""Limits: the time and bytes that one connection may take, and the number of connections. A thousand clients that are
slow, broken or evil must not keep the scheduler from its work.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IProtocolNegotiationFactory,
    ISSLTransport,
    ITCPTransport,
)  # fmt: skip
from twisted.internet.protocol import Protocol
from twisted.logger import Logger, LogPublisher
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, Request
from zope.interface import implementer

from ..model.errors import Busy
from ..model.log_throttle import LogThrottle
from .host_check import outright

IDLE = 60  # seconds without a byte, between two requests
WHOLE = 30.0  # seconds until the first byte must come, and from the first byte of a request to its last
STALLED = 300.0  # seconds in which a client must take the bytes that are written to it
GOING = 15.0  # seconds to take the last answer
READ = 2048  # bytes of one connection that are handled before other connections have their turn
MOST_HEADERS = 100
MOST_HEAD = 16 * 1024  # bytes of the request line and all headers together, or of any one line

CONNECTIONS = 256
FOLLOWERS = 64


class ConnectionLimit:
    """Counts the clients that hold a place, up to a limit."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.now = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place for as long as the context lasts. Raises Busy."""
        if self.now >= self.most:
            raise Busy(f"{self.most} clients wait for runs already; ask again later, or without follow and wait")
        self.now += 1
        try:
            yield
        finally:
            self.now -= 1


@implementer(IProtocolNegotiationFactory)
class ConnectionGate(WrappingFactory[ProtocolWrapper]):
    """A policy in the sense of Twisted, before the site: lets in up to `most` connections, refuses more with 503."""

    log = Logger()
    noisy = False
    wrappedFactory: Any  # JobschedSite, which makes us

    def __init__(self, site: object, most: int, seconds: Callable[[], float]) -> None:
        super().__init__(site)
        self.most = most
        self._seconds = seconds
        self._log_throttle = LogThrottle()

    @property
    def inside(self) -> int:
        """How many connections are open."""
        return len(self.protocols)

    def buildProtocol(self, addr: IAddress | None) -> Protocol:  # type: ignore[override]  # Twisted has it that a factory of wrappers makes wrappers alone
        if self.inside < self.most:
            return super().buildProtocol(addr)
        if self._log_throttle.should_log("full", self._seconds()):
            self.log.warn("{most} connections are open, and more are refused with 503", most=self.most)
        return Refusal(self.wrappedFactory)

    def acceptableProtocols(self) -> list[bytes]:
        accepted: list[bytes] = self.wrappedFactory.acceptableProtocols()
        return accepted


class Counting(typing.Protocol):
    """What a connection asks of the site."""

    def count_refused(self, wire: ITCPTransport, status: int, size: int) -> None:
        """Log and count an answer to input that never became a request."""


class Refusal(Protocol):
    """A connection for which there is no room. It is not counted as open, since it ends as soon as it is refused."""

    transport: ITCPTransport

    def __init__(self, site: Counting) -> None:
        self._site = site

    def connectionMade(self) -> None:
        wire = self.transport
        if ISSLTransport.providedBy(wire):  # an answer would need a handshake first
            wire.abortConnection()
            return
        answer = outright(503, "too many connections are open; try again later")
        wire.write(answer)
        self._site.count_refused(wire, 503, len(answer))
        wire.loseConnection()


class Channel(HTTPChannel):
    """One connection, with limits that Twisted does not have.

    Twisted drops a client that sends too much, sets no limit to the time of a request that comes a byte at a time, and
    answers a thousand requests that come together before it does anything else. This class uses inner methods of
    Twisted: the methods with an underscore, which `twisted_private` lists, `lineReceived` and `requestDone`.
    `tests/unit/rest/test_connection.py` watches all of them.
    """

    maxHeaders = MOST_HEADERS
    totalHeadersSize = MAX_LENGTH = MOST_HEAD
    abortTimeout = int(GOING)

    transport: ITCPTransport
    site: Any  # JobschedSite, which makes us
    _deadline: IDelayedCall | None = None  # of a request that has begun to come
    _stall: IDelayedCall | None = None  # of a client that does not take what is written
    _next_request: IDelayedCall | None = None  # of the next request, when it has come already
    _log = Logger(observer=LogPublisher())  # goes nowhere: Twisted's own logger would report each silent client
    _deaf = False  # no more input is read: the last answer is written
    _secure: bool | None = None

    def connectionMade(self) -> None:
        super().connectionMade()
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpKeepAlive(True)  # or a client that vanished while following a quiet run would stay
        _socket(self.transport).bufferSize = READ
        self.setTimeout(WHOLE)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self._deaf = True
        self._calm()
        self._flowing()
        _cancel(self._next_request)
        super().connectionLost(reason)

    # What comes in.

    def dataReceived(self, data: bytes) -> None:
        if self._deaf:
            return
        if self.timeOut == WHOLE:
            self.setTimeout(IDLE)  # the deadline of the request is stricter
        super().dataReceived(data)
        if self._deaf or self._busyReceiving or self._handlingRequest or self.paused:
            return
        if self.line_mode and b"\n" in self._buffer:  # Twisted would have taken out a CR LF
            self.refuse(400, "a line ends with CR LF, not with LF alone")
        elif self._deadline is None and (self._buffer or self.requests):
            self._deadline = self.callLater(WHOLE, self._overdue)

    def lineReceived(self, line: bytes) -> None:
        if line.startswith((b" ", b"\t")):  # Twisted would join the lines; others see two headers (RFC 9112, 5.2)
            self.refuse(400, "a header goes over several lines")
        else:
            super().lineReceived(line)

    def isSecure(self) -> bool:
        """As Twisted has it, who finds it out anew each time. Klein asks with each request."""
        if self._secure is None:
            self._secure = bool(super().isSecure())
        return self._secure

    @property
    def asked(self) -> tuple[bytes, bytes]:
        """The method and the target of the request whose headers have come."""
        return self._command, self._path

    def _maybeChooseTransferDecoder(self, header: bytes, data: bytes) -> bool:
        """Refuse every form of a body's length that a proxy in front of us might understand differently."""
        if header == b"Transfer-Encoding" and (data.lower() != b"chunked" or self._version != b"HTTP/1.1"):
            return self._failChooseTransferDecoder()
        if header == b"Content-Length" and len(data) > 20:
            return self._failChooseTransferDecoder()
        return bool(super()._maybeChooseTransferDecoder(header, data))

    def allContentReceived(self) -> None:
        self._calm()
        super().allContentReceived()

    def requestDone(self, request: Request) -> None:
        self.paused = True  # bytes after this request stay in the buffer
        super().requestDone(request)
        self.paused = bool(self._buffer) and bool(self.persistent)
        if self.paused:
            self._networkProducer.pauseProducing()
            self._next_request = self.callLater(0, self._go_on)

    def _go_on(self) -> None:
        """Handle the next request that has come, unless the client has not taken the last answer yet."""
        self._next_request = None
        if self._waitingForTransport:
            return
        self.paused = False
        self._networkProducer.resumeProducing()
        self.dataReceived(b"")

    # What is no request.

    def lineLengthExceeded(self, line: bytes) -> None:
        if self._receivedHeaderSize:
            self.refuse(431, f"the headers may hold {MOST_HEAD} bytes")
        else:
            self.refuse(414, f"the request line may hold {MOST_HEAD} bytes")

    def _respondToBadRequestAndDisconnect(self) -> None:
        if self._receivedHeaderCount > self.maxHeaders:
            self.refuse(431, f"a request may have {MOST_HEADERS} headers")
        elif self._receivedHeaderSize > self.totalHeadersSize:
            self.refuse(431, f"the headers may hold {MOST_HEAD} bytes")
        else:
            self.refuse(400, "this is no request of HTTP/1.1 as RFC 9112 has it")

    def _overdue(self) -> None:
        self._deadline = None
        self.refuse(408, f"a request has to come within {WHOLE:g} seconds")

    def refuse(self, status: int, detail: str) -> None:
        """Answer input that cannot become a request, and close. If an answer was begun already, only close."""
        if self._deaf:
            return
        self._deaf = True
        self._calm()
        self.setTimeout(None)
        if not (self.requests and getattr(self.requests[-1], "refused", False)):
            self._say(status, detail)
        self._flowing()
        self.loseConnection()

    def _say(self, status: int, detail: str) -> None:
        answer = outright(status, detail)
        self.transport.write(answer)
        self.site.count_refused(self.transport, status, len(answer))

    # What goes out.

    def pauseProducing(self) -> None:
        self._slow(STALLED)
        super().pauseProducing()

    def resumeProducing(self) -> None:
        self._flowing()
        super().resumeProducing()
        if self.paused and self._next_request is None:
            self._next_request = self.callLater(0, self._go_on)

    def loseConnection(self) -> None:
        self._slow(GOING if self._deaf else STALLED)  # TLS waits until the other end closes too
        super().loseConnection()

    def _slow(self, seconds: float) -> None:
        if self._stall is None:
            self._stall = self.callLater(seconds, self._cut)

    def _cut(self) -> None:
        self._stall = None
        self.transport.abortConnection()

    def _flowing(self) -> None:
        _cancel(self._stall)
        self._stall = None

    def _calm(self) -> None:
        _cancel(self._deadline)
        self._deadline = None


class _Socket(typing.Protocol):
    """Of any kind: TCP, or a file's."""

    bufferSize: int


def _socket(wire: object) -> _Socket:
    """The socket inside the wrappers of the gate and of TLS."""
    while isinstance(wire, ProtocolWrapper):
        wire = wire.transport
    return typing.cast("_Socket", wire)


def _cancel(call: IDelayedCall | None) -> None:
    if call is not None and call.active():
        call.cancel()
