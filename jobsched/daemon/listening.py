"""What --listen says: where to listen, for requests to which host names, and with which certificate."""

from __future__ import annotations

import re
import socket
import warnings
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from OpenSSL.SSL import Connection
from twisted.application import strports
from twisted.application.service import IService, Service
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IOpenSSLServerConnectionCreator, IProtocolFactory
from twisted.internet.protocol import Factory, ServerFactory
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from ..model.errors import BadConfig
from ..model.hosts import LOOPBACK
from ..reactor_types import Reactor

TLS = ("ssl:", "tls:")  # Twisted's name for TLS, and today's name, which Twisted knows for clients only
KINDS = ("tcp", "tcp6", "ssl", "tls", "unix")  # of endpoints: for these kinds we can tell which clients reach them


class Place:
    """Stands in for the reactor and notes where an endpoint would listen: Twisted parses it, not a parser of ours."""

    interface = ""
    port = -1
    path = ""
    options: Any = None  # the TLS options

    def listenTCP(self, port: int, factory: Factory, backlog: int = 50, interface: str = "") -> None:
        self.port, self.interface = port, interface

    def listenSSL(
        self, port: int, factory: Factory, contextFactory: object, backlog: int = 50, interface: str = ""
    ) -> None:
        self.port, self.interface, self.options = port, interface, contextFactory

    def listenUNIX(self, address: str, *_: object, **_options: object) -> None:
        self.path = address

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the place."""
        try:
            return bool(self.path) or ip_address(self.interface).is_loopback
        except ValueError:
            return self.interface == "localhost"


def look(endpoint: str) -> Place:
    """Where `endpoint` would listen. Raises BadConfig if it, its key or its certificate cannot be used."""
    if endpoint.partition(":")[0] not in KINDS:
        raise BadConfig(f"--listen: {endpoint}: not an endpoint served here; it begins with {', '.join(KINDS)}")
    if odd := next((path for path in _files(endpoint) if path.is_fifo()), None):
        raise BadConfig(f"--listen: {endpoint}: {odd} is a FIFO: reading it again would hold up everything")
    if hidden := _with_password(endpoint):
        raise BadConfig(f"--listen: {endpoint}: the key in {hidden} has a password, and nobody is here to type it")
    place: Any = Place()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # warnings of pyOpenSSL about Twisted's calls
            # sslmethod= would bring back protocols older than TLS 1.2
            warnings.filterwarnings("error", "Passing method to .*CertificateOptions", DeprecationWarning)
            serverFromString(place, spelled(endpoint)).listen(Factory())
            if place.options is not None:
                place.options.getContext()  # fails now if the key does not belong to the certificate
    except DeprecationWarning as why:
        raise BadConfig(f"--listen: {endpoint}: sslmethod: leave it out; TLS 1.2 and later are spoken") from why
    except Exception as why:  # Twisted parses by calling functions with the given words: any exception may come
        raise BadConfig(f"--listen: {endpoint}: not an endpoint: {_words(why)}") from why
    if not place.path and not 0 <= place.port <= 65535:
        raise BadConfig(f"--listen: {endpoint}: needs a path, or a port from 0 to 65535")
    return place  # type: ignore[no-any-return]  # `place` is Any


def _with_password(endpoint: str) -> str:
    """The file of a key with a password; "": none. OpenSSL would stop the daemon to ask for it at the terminal."""
    for path in _files(endpoint):
        with suppress(OSError):  # reported by the code that needs the file
            if path.is_file() and b"ENCRYPTED" in path.read_bytes():
                return str(path)
    return ""


def _files(endpoint: str) -> list[Path]:
    """Paths of what may be files of a TLS endpoint; none for other endpoints."""
    words = re.split(r"(?<!\\):", endpoint)[1:] if endpoint.startswith(TLS) else []
    return [Path(re.sub(r"\\(.)", r"\1", word.partition("=")[2] or word)) for word in words]


def _words(why: Exception) -> str:
    if why.args and isinstance(why.args[0], list):  # OpenSSL's own stack: (library, function, reason)
        return "; ".join(str(entry[-1]) for entry in why.args[0]) or "OpenSSL refuses it"
    return re.sub(r"^_\w+\(\) ", "", str(why))  # the name of Twisted's own function


def spelled(endpoint: str) -> str:
    """The endpoint as Twisted spells it: with `ssl:` for `tls:`."""
    return f"ssl:{endpoint[4:]}" if endpoint.startswith("tls:") else endpoint


def closed(endpoint: str) -> str:
    """The endpoint as Twisted spells it; a unix socket without a mode gets 0660: the daemon's user and group only."""
    kind, *rest = re.split(r"(?<!\\):", endpoint)
    has_mode = any(word.startswith("mode=") for word in rest) or (len(rest) > 1 and "=" not in rest[1])
    return spelled(endpoint) if kind != "unix" or has_mode else endpoint + ":mode=660"


def url(endpoint: str) -> str:
    """The address of what listens at `endpoint`, as a client on this machine may use it; of a unix socket its path."""
    place = look(endpoint)
    if place.path:
        return f"unix:{place.path}"
    host = place.interface if place.interface and not _is_any(place.interface) else socket.gethostname()
    scheme = "https" if endpoint.startswith(TLS) else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{place.port}"


def names(places: Iterable[Place]) -> list[str]:
    """The host names by which clients address a daemon that listens at `places`, if none are configured."""
    found = [*LOOPBACK]
    for place in places:
        if not place.loopback:
            found.append(socket.gethostname())
        if place.interface and not _is_any(place.interface):
            found.append(place.interface)
    return found


def _is_any(interface: str) -> bool:
    try:
        return ip_address(interface).is_unspecified
    except ValueError:
        return False


@implementer(IOpenSSLServerConnectionCreator)
class Certificate:
    """The certificate of a TLS endpoint. A renewal cuts no connection: open connections keep the old certificate."""

    log = Logger()

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._options = look(endpoint).options

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> Connection:
        connection: Connection = self._options.serverConnectionForTLS(protocol)
        return connection

    def renew(self) -> None:
        """Read key and certificate again; if they cannot be used, the old ones stay in force."""
        try:
            self._options = look(self._endpoint).options
        except BadConfig as why:
            self.log.error("the old certificate stays in force: {why}", why=str(why))
        else:
            self.log.info("the certificate of {endpoint} was read again", endpoint=self._endpoint)


class Renewing:
    """Stands in for the reactor: puts a certificate that can be renewed in the place of the endpoint's fixed one."""

    def __init__(self, reactor: Reactor, certificate: Certificate) -> None:
        self._reactor = reactor
        self._certificate = certificate

    def listenSSL(
        self, port: int, factory: ServerFactory, contextFactory: object, backlog: int = 50, interface: str = ""
    ) -> IListeningPort:
        certificate: Any = self._certificate  # Twisted takes more than its interface says
        listening: IListeningPort = self._reactor.listenSSL(
            port, factory, certificate, backlog=backlog, interface=interface
        )
        return listening


class CannotListen(SystemExit, Exception):
    """Ends the daemon with one line; as an Exception it is also seen by twistd, which then removes its pid file."""

    __module__ = (
        "jobsched"  # a daemon in the background can report its end in 100 bytes, which include the path of this class
    )


class Port(Service):
    """Serves what `factory` builds at an endpoint. If the daemon cannot listen there, its start fails."""

    def __init__(self, endpoint: str, factory: IProtocolFactory, reactor: Reactor) -> None:
        self.name = endpoint
        self._certificate = Certificate(endpoint) if endpoint.startswith(TLS) else None
        stand: Any = reactor if self._certificate is None else Renewing(reactor, self._certificate)
        self._inner = IService(strports.service(closed(endpoint), factory, reactor=stand))
        self._open = False

    def renew(self) -> None:
        """Show the certificate that is in the file now, if this endpoint has a certificate."""
        if self._certificate is not None:
            self._certificate.renew()

    def privilegedStartService(self) -> None:
        try:
            self._inner.privilegedStartService()
        except CannotListenError as why:
            raise CannotListen(f"jobsched: {self.name}: {why.socketError.strerror or why.socketError}") from None
        except OSError as why:  # about the lock file beside a unix socket
            raise CannotListen(f"jobsched: {self.name}: {why.strerror}") from None
        self._open = True

    def startService(self) -> None:
        super().startService()
        if not self._open:  # `twist` starts no service as privileged
            self.privilegedStartService()
        self._inner.startService()

    def stopService(self) -> Deferred[None] | None:
        super().stopService()
        ended: Deferred[None] | None = self._inner.stopService()
        return ended
