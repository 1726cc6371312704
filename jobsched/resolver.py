"""Addresses of host names. A name server that does not answer delays only the lookups of that name, and not the end of
the daemon: Twisted would use the reactor's own threads, and the daemon waits for these threads at its end.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from ipaddress import ip_address
from typing import cast

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IReactorFromThreads,
    IReactorTCP,
    IStreamClientEndpoint,
)
from zope.interface import implementer

LookUp = Callable[[str], Deferred[list[str]]]


class Names:
    """Looks names up, each in a thread of its own; callers that ask for a name at the same time share one lookup."""

    def __init__(self, reactor: IReactorFromThreads) -> None:
        self._reactor = reactor
        self._asked: dict[str, list[Deferred[list[str]]]] = {}

    def look_up(self, host: str) -> Deferred[list[str]]:
        """The addresses of a name. Fails with OSError or UnicodeError."""
        if _is_address(host):
            return succeed([host])
        found: Deferred[list[str]] = Deferred(lambda _: None)  # after a cancel, the result is ignored
        waiting = self._asked.setdefault(host, [])
        waiting.append(found)
        if len(waiting) == 1:
            try:
                threading.Thread(target=self._work, args=(host,), name="name", daemon=True).start()
            except RuntimeError as why:  # the system may allow no more threads
                self._tell(host, OSError(str(why)))
        return found

    def _work(self, host: str) -> None:
        told: list[str] | Exception
        try:
            answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            told = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
        except Exception as why:
            told = why
        self._reactor.callFromThread(self._tell, host, told)

    def _tell(self, host: str, told: list[str] | Exception) -> None:
        for found in self._asked.pop(host):
            if found.called:  # it was cancelled
                continue
            if isinstance(told, Exception):
                found.errback(told)
            else:
                found.callback(list(told))


def _is_address(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


def endpoint(reactor: IReactorTCP, address: str, port: int, timeout: float) -> IStreamClientEndpoint:
    """The endpoint that connects to an address and a port."""
    kind = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
    return cast(IStreamClientEndpoint, kind(reactor, address, port, timeout=timeout))


@implementer(IStreamClientEndpoint)
class NamedEndpoint:
    """Connects to the first address of a name that answers; each address has `timeout` seconds for that."""

    def __init__(self, reactor: IReactorTCP, look_up: LookUp, host: str, port: int, timeout: float) -> None:
        self._reactor = reactor
        self._look_up = look_up
        self._host = host
        self._port = port
        self._timeout = timeout

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        return Deferred.fromCoroutine(self._connect(factory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        failure: Exception = OSError("there is no such host")
        for address in await self._look_up(self._host):
            try:
                return await endpoint(self._reactor, address, self._port, self._timeout).connect(factory)
            except (CancelledError, ConnectingCancelledError):
                raise
            except Exception as why:
                failure = why
        raise failure
