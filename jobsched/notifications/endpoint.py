"""The connection to a receiver: its name is looked up once, and only an address that was checked is connected to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import wrapClientTLS
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint, ITCPTransport
from twisted.internet.ssl import optionsForClientTLS
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from ..model.address import fault
from ..model.receiver import Receiver
from ..reactor_types import Connector
from ..resolver import LookUp, endpoint

CONNECT = 4.0  # seconds for one address
LINGER = 2.0  # seconds for the other side to agree that the connection ends
TRIED = 3  # addresses of one name
MOST = 256 * 1024  # bytes that may come before the body: headers without an end would fill the memory


class Refused(Exception):
    """Nothing may be sent there."""


@implementer(IAgentEndpointFactory, IStreamClientEndpoint)
class GuardedEndpoint:
    """Connects one request to one receiver, and refuses any other address.

    - `look_up`: gives the addresses of a host name
    - `private`: whether networks of our own may be reached
    """

    def __init__(self, reactor: Connector, look_up: LookUp, receiver: Receiver, private: bool) -> None:
        self._reactor = reactor
        self._look_up = look_up
        self._receiver = receiver
        self._private = private
        self._wire: Any = None
        self._header_limit: HeaderLimit | None = None

    def endpointForURI(self, uri: URI) -> GuardedEndpoint:
        meant = (uri.scheme, uri.host.lower().removesuffix(b"."), uri.port)
        to = self._receiver
        if meant != (to.scheme.encode(), to.host.encode(), to.port):
            raise Refused("its URL was read as another address")
        return self

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        return Deferred.fromCoroutine(self._connect(factory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        found = await self._look_up(self._receiver.host)
        faults = {address: fault(address, self._private) for address in found}
        allowed = [address for address, why in faults.items() if not why]
        if not allowed:
            raise Refused(next(iter(faults.values()), "there is no such host"))
        for address in allowed[:TRIED]:
            try:
                protocol: Any = await self._endpoint(address).connect(factory)
            except (CancelledError, ConnectingCancelledError):
                raise
            except Exception as why:
                failure = why
            else:
                self._wire, self._header_limit = protocol.transport, HeaderLimit(protocol)
                return cast(IProtocol, protocol)
        raise failure

    def _endpoint(self, address: str) -> IStreamClientEndpoint:
        plain = endpoint(self._reactor, address, self._receiver.port, CONNECT)
        if self._receiver.scheme == "http":
            return plain
        return wrapClientTLS(optionsForClientTLS(self._receiver.host), plain)

    def answered(self) -> None:
        """The headers of the answer are complete: what comes now is its body."""
        if self._header_limit is not None:
            self._header_limit.over()

    def close(self, gently: bool = False) -> None:
        """Leave no connection, even if the other side does not react. `gently`: it is being closed already."""
        if self._wire is not None and gently:
            self._reactor.callLater(LINGER, self._wire.abortConnection)
        elif self._wire is not None:
            self._wire.abortConnection()


class HttpWire(Protocol):
    """What `HeaderLimit` needs of Twisted's protocol for one request."""

    transport: ITCPTransport
    dataReceived: Callable[[bytes], None]


class HeaderLimit:
    """Watches one connection, and cuts it off when more than `MOST` bytes come before `over` is called."""

    def __init__(self, protocol: HttpWire) -> None:
        self._wire = protocol.transport
        self._deliver = protocol.dataReceived
        self._left = MOST
        self._over = False
        protocol.dataReceived = self._received

    def over(self) -> None:
        """The headers are complete: the reader of the body knows when to stop."""
        self._over = True

    def _received(self, data: bytes) -> None:
        self._deliver(data)
        self._left -= len(data)
        if self._left < 0 and not self._over:
            self._wire.abortConnection()
