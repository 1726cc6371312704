"""The way to another node: by address or name, in the clear or by TLS, without the threads of the reactor."""

from __future__ import annotations

import pytest
from twisted.internet.defer import succeed
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.client import URI

from jobsched import resolver
from jobsched.rest.relay import Nodes


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        (b"http://10.0.0.1:58631/x", "10.0.0.1", 58631),
        (b"http://[fe80::1]:58631/x", "fe80::1", 58631),
        (b"http://10.0.0.1/x", "10.0.0.1", 80),
    ],
)
def test_an_address_is_connected_to(url, host, port):
    reactor = MemoryReactorClock()
    Nodes(reactor).endpointForURI(URI.fromBytes(url)).connect(Factory.forProtocol(Protocol))  # type: ignore[arg-type]  # a fake
    (client,) = reactor.tcpClients
    assert client[:2] == (host, port)
    assert client[3] == 3.0


def test_https_is_tls(monkeypatch):
    reactor = MemoryReactorClock()
    Nodes(reactor).endpointForURI(URI.fromBytes(b"https://10.0.0.1:58631/x")).connect(Factory.forProtocol(Protocol))  # type: ignore[arg-type]  # a fake
    (client,) = reactor.tcpClients
    assert isinstance(vars(client[2])["_wrappedFactory"], TLSMemoryBIOFactory)


def test_a_name_is_looked_up_outside_of_the_reactors_threads(monkeypatch):
    asked = []

    def look_up(_names, host):
        asked.append(host)
        return succeed(["10.0.0.7"])

    monkeypatch.setattr(resolver.Names, "look_up", look_up)
    reactor = MemoryReactorClock()
    Nodes(reactor).endpointForURI(URI.fromBytes(b"http://alpha.example:1/x")).connect(Factory.forProtocol(Protocol))  # type: ignore[arg-type]  # a fake
    assert (asked, reactor.tcpClients[0][:2]) == (["alpha.example"], ("10.0.0.7", 1))
