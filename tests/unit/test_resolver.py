"""Addresses of names, and connections to them; no name server is asked."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.error import ConnectionRefusedError as Nobody
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from jobsched.resolver import NamedEndpoint, Names
from tests.present import present

METADATA = "169.254.169.254"
PUBLIC, OTHER = "203.0.114.1", "2606:4700::1111"


class Threads(MemoryReactorClock):
    """Tells when a thread has called."""

    def __init__(self) -> None:
        super().__init__()
        self.called = threading.Event()

    def callFromThread(self, call: Any, *args: Any, **kwargs: Any) -> None:
        call(*args, **kwargs)
        self.called.set()


def failed(what: Deferred[Any]) -> BaseException:
    seen: list[Failure] = []
    what.addErrback(seen.append)
    assert seen, "it did not fail"
    return present(seen[0].value)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "203.0.114.1"])
def test_an_address_is_not_looked_up(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("it was"))
    assert Names(Threads()).look_up(address).result == [address]  # type: ignore[arg-type]  # a fake


@pytest.mark.parametrize("host", ["2852039166", "0xa9.0xfe.0xa9.0xfe", "169.254.43518"])
def test_an_address_in_an_old_spelling_comes_out_plain(host: str) -> None:
    reactor = Threads()
    found = Names(reactor).look_up(host)  # type: ignore[arg-type]  # a fake
    assert reactor.called.wait(30)
    assert found.result == [METADATA]


def test_a_name_is_looked_up_elsewhere_each_address_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []

    def answer(*_: Any, **__: Any) -> Any:
        threads.append(threading.current_thread())
        return [(0, 0, 0, "", (address, 0)) for address in (PUBLIC, OTHER, PUBLIC)]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    reactor = Threads()
    found = Names(reactor).look_up("hooks.example")  # type: ignore[arg-type]  # a fake
    assert reactor.called.wait(30)
    assert found.result == [PUBLIC, OTHER]
    assert threads[0] is not threading.current_thread()
    assert threads[0].daemon, "it does not hold up the end of the daemon"


@pytest.mark.parametrize("why", [socket.gaierror(-2, "unknown"), UnicodeError("label too long")])
def test_what_goes_wrong_in_the_thread_comes_back(why: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise why

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    reactor = Threads()
    found = Names(reactor).look_up("hooks.example")  # type: ignore[arg-type]  # a fake
    assert reactor.called.wait(30)
    assert failed(found) is why


def test_a_name_that_many_ask_for_is_asked_for_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate, asked = threading.Event(), []

    def answer(host: str, *_: Any, **__: Any) -> Any:
        asked.append(host)
        gate.wait(30)
        return [(0, 0, 0, "", (PUBLIC, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    reactor = Threads()
    names = Names(reactor)  # type: ignore[arg-type]  # a fake
    impatient, *found = (names.look_up("hooks.example") for _ in range(100))
    impatient.cancel()
    assert isinstance(failed(impatient), CancelledError)
    gate.set()
    assert reactor.called.wait(30)
    assert [one.result for one in found] == [[PUBLIC]] * 99
    assert asked == ["hooks.example"]
    reactor.called.clear()
    again = names.look_up("hooks.example")
    assert reactor.called.wait(30)
    assert again.result == [PUBLIC]
    assert len(asked) == 2, "an answer is not kept: the next one may be another"


def test_without_threads_a_name_is_not_found_until_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    names = Names(Threads())  # type: ignore[arg-type]  # a fake
    with monkeypatch.context() as broken:
        broken.setattr(threading.Thread, "start", start)
        assert isinstance(failed(names.look_up("hooks.example")), OSError)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
    reactor: Any = names._reactor
    found = names.look_up("hooks.example")
    assert reactor.called.wait(30)
    assert found.result == []


def connect(reactor: MemoryReactorClock, look_up: Any) -> Deferred[Any]:
    found: Deferred[Any] = NamedEndpoint(reactor, look_up, "alpha.example", 8080, 3).connect(
        Factory.forProtocol(Protocol)
    )
    return found


def test_the_first_address_that_answers_is_connected_to() -> None:
    reactor = MemoryReactorClock()
    connecting = connect(reactor, lambda _: succeed([OTHER, PUBLIC]))
    assert [client[:2] for client in reactor.tcpClients] == [(OTHER, 8080)]
    reactor.tcpClients[0][2].clientConnectionFailed(None, Failure(Nobody()))  # type: ignore[arg-type]  # the factory does not look at it
    assert [client[:2] for client in reactor.tcpClients] == [(OTHER, 8080), (PUBLIC, 8080)]
    present(reactor.tcpClients[1][2].buildProtocol(None)).makeConnection(StringTransport())
    assert isinstance(connecting.result, Protocol)


def test_when_none_answers_the_last_one_says_why() -> None:
    reactor = MemoryReactorClock()
    connecting = connect(reactor, lambda _: succeed([PUBLIC]))
    reactor.tcpClients[0][2].clientConnectionFailed(None, Failure(Nobody()))  # type: ignore[arg-type]  # the factory does not look at it
    assert isinstance(failed(connecting), Nobody)


@pytest.mark.parametrize("found", [succeed([]), fail(socket.gaierror(-2, "unknown"))])
def test_a_name_without_an_address_cannot_be_connected_to(found: Deferred[Any]) -> None:
    assert isinstance(failed(connect(MemoryReactorClock(), lambda _: found)), OSError)


def test_a_connection_nobody_waits_for_is_not_tried_elsewhere() -> None:
    reactor = MemoryReactorClock()
    connecting = connect(reactor, lambda _: succeed([OTHER, PUBLIC]))
    connecting.cancel()
    failed(connecting)
    assert len(reactor.tcpClients) == 1
