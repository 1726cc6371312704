"""The way to a receiver: looked up once, and nothing is connected to but what was looked at."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionRefusedError as Nobody
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.web.client import URI

from jobsched import resolver as addresses
from jobsched.model.receiver import Receiver
from jobsched.notifications import endpoint
from jobsched.notifications.endpoint import GuardedEndpoint, Refused
from tests.present import present

METADATA = "169.254.169.254"
PUBLIC, OTHER = "203.0.114.1", "2606:4700::1111"


class Names:
    """Gives one list of addresses after the other, as a name server of an attacker may."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, host: str) -> Deferred[list[str]]:
        self.asked.append(host)
        return succeed(self._answers.pop(0))


def way(
    names: Any, url: str = "http://hooks.example/", private: bool = False
) -> tuple[GuardedEndpoint, MemoryReactorClock]:
    reactor = MemoryReactorClock()
    return GuardedEndpoint(reactor, names, Receiver.of(url), private), reactor  # type: ignore[arg-type]  # a fake


def connect(to: GuardedEndpoint) -> Deferred[Any]:
    return to.connect(Factory.forProtocol(Protocol))


def connected(reactor: MemoryReactorClock) -> list[tuple[str, int]]:
    return [(host, port) for host, port, *_ in reactor.tcpClients]


def failed(what: Deferred[Any]) -> BaseException:
    seen: list[Failure] = []
    what.addErrback(seen.append)
    assert seen, "it did not fail"
    return present(seen[0].value)


def refuse(reactor: MemoryReactorClock, number: int) -> None:
    reactor.tcpClients[number][2].clientConnectionFailed(None, Failure(Nobody()))  # type: ignore[arg-type]  # the factory does not look at it


def test_a_name_is_looked_up_once_for_its_connection() -> None:
    names = Names([PUBLIC], [METADATA])
    to, reactor = way(names, "http://hooks.example:8080/")
    connect(to)
    assert names.asked == ["hooks.example"]
    assert connected(reactor) == [(PUBLIC, 8080)]


@pytest.mark.parametrize("address", [METADATA, "127.0.0.1", "::1", "fe80::1", "10.0.0.1", "::ffff:169.254.169.254"])
def test_a_name_that_leads_to_a_refused_address_is_not_tried(address: str) -> None:
    to, reactor = way(Names([address]))
    assert isinstance(failed(connect(to)), Refused)
    assert connected(reactor) == []


def test_an_address_in_the_url_is_looked_at_too() -> None:
    names = addresses.Names(MemoryReactorClock())  # type: ignore[arg-type]  # a fake
    to, reactor = way(names.look_up, f"http://{METADATA}/", private=True)
    assert isinstance(failed(connect(to)), Refused)
    assert connected(reactor) == []


def test_private_addresses_are_for_the_operator_to_allow() -> None:
    to, reactor = way(Names(["127.0.0.1"]), private=True)
    connect(to)
    assert connected(reactor) == [("127.0.0.1", 80)]


def test_of_several_addresses_the_allowed_are_tried_in_turn() -> None:
    to, reactor = way(Names([METADATA, PUBLIC, "127.0.0.1", OTHER]), "https://hooks.example/")
    connecting = connect(to)
    assert connected(reactor) == [(PUBLIC, 443)]
    refuse(reactor, 0)
    assert connected(reactor) == [(PUBLIC, 443), (OTHER, 443)]
    refuse(reactor, 1)
    assert isinstance(failed(connecting), Nobody)


def test_not_many_of_them() -> None:
    to, reactor = way(Names([f"203.0.114.{n}" for n in range(1, 100)]))
    connecting = connect(to)
    for number in range(endpoint.TRIED):
        refuse(reactor, number)
    assert len(connected(reactor)) == endpoint.TRIED
    failed(connecting)


def test_a_name_without_addresses_is_refused() -> None:
    to, _ = way(Names([]))
    assert str(failed(connect(to))) == "there is no such host"


def test_a_connection_given_up_is_not_tried_elsewhere() -> None:
    to, reactor = way(Names([PUBLIC, OTHER]))
    connecting = connect(to)
    connecting.cancel()
    failed(connecting)
    assert connected(reactor) == [(PUBLIC, 80)]


def test_a_cancelled_lookup_connects_to_nobody() -> None:
    found: Deferred[list[str]] = Deferred()
    to, reactor = way(lambda _: found)
    connecting = connect(to)
    connecting.cancel()
    failed(connecting)
    assert connected(reactor) == []


@pytest.mark.parametrize(
    "url", ["http://other.example/", "https://hooks.example/", "http://hooks.example:81/", "http://hooks.example.evil/"]
)
def test_it_leads_nowhere_else(url: str) -> None:
    to, _ = way(Names([PUBLIC]))
    assert to.endpointForURI(URI.fromBytes(b"http://hooks.example/a?b")) is to
    with pytest.raises(Refused):
        to.endpointForURI(URI.fromBytes(url.encode()))


def test_at_the_end_the_connection_is_cut() -> None:
    to, reactor = way(Names([PUBLIC]))
    to.close()
    connect(to)
    wire = StringTransport()
    protocol = present(reactor.tcpClients[0][2].buildProtocol(None))
    protocol.makeConnection(wire)
    to.close(gently=True)
    reactor.advance(endpoint.LINGER - 0.1)
    assert not wire.disconnected
    reactor.advance(0.2)
    assert wire.disconnected


def test_at_once_if_it_is_not_over() -> None:
    to, reactor = way(Names([PUBLIC]))
    connect(to)
    wire = StringTransport()
    present(reactor.tcpClients[0][2].buildProtocol(None)).makeConnection(wire)
    to.close()
    assert wire.disconnected


# Looking up.
