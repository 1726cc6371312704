"""How many connections there may be, and how many who wait for runs."""

import pytest
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs

from jobsched.http.connection import ConnectionLimit
from jobsched.model.errors import Busy
from jobsched.model.log_throttle import PAUSE
from jobsched.rest import api
from jobsched.rest.output import Outputs
from tests.unit.rest.conftest import exchange
from tests.unit.rest.served import HEAD, ServedSite


@pytest.fixture
def served():
    return ServedSite()


def test_connections_beyond_the_limit_hear_when_to_come_again(served):
    clients = [served.client() for _ in range(3)]
    with capturedLogs() as events:
        late = [served.client() for _ in range(5)]
    for client in late:
        assert client.heard.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"\r\nRetry-After: 5\r\n" in client.heard
        assert client.wire.disconnecting
        assert client.send(HEAD + b"\r\n").count(b"HTTP/1.1") == 1
        client.go()

    assert [client.heard for client in clients] == [b""] * 3
    assert clients[0].send(HEAD + b"\r\n").startswith(b"HTTP/1.1 200 OK\r\n")
    assert [event["most"] for event in events if event["log_level"].name == "warn"] == [3]
    clients[0].go()
    assert served.client().send(HEAD + b"\r\n").startswith(b"HTTP/1.1 200 OK\r\n")
    assert served.client().wire.disconnecting


def test_it_is_told_again_after_a_while(served):
    for _ in range(3):
        served.client()
    with capturedLogs() as events:
        for _ in range(4):
            served.client()
            served.wait(PAUSE / 2)
    assert len([event for event in events if event["log_level"].name == "warn"]) == 2


def test_in_tls_it_is_cut_for_words_would_take_a_handshake(served):
    for _ in range(3):
        served.client()
    late = served.client(ISSLTransport)
    assert late.wire.cut
    assert late.heard == b""


def test_a_crowd_counts_who_is_in():
    connection_limit = ConnectionLimit(2)
    with connection_limit.place(), connection_limit.place():
        with pytest.raises(Busy), connection_limit.place():
            pass
        assert connection_limit.now == 2
    assert connection_limit.now == 0
    with pytest.raises(KeyError), connection_limit.place():
        raise KeyError
    assert connection_limit.now == 0


@pytest.fixture
def outputs(monkeypatch):
    """The one that all routes share, when `front` is made after this."""
    made = []

    class Seen(Outputs):
        def __init__(self, *parts):
            super().__init__(*parts)
            made.append(self)

    monkeypatch.setattr(api, "Outputs", Seen)
    return made


@pytest.mark.parametrize("path", ["/runs/{run}/output?follow=1", "/runs/{run}?wait=1", "/runs/{run}?wait=0.1"])
def test_who_waits_takes_a_place_and_is_refused_without_one(outputs, front, path):
    run = front.run(front.job(), state="running")
    outputs[0]._followers.most = 0
    with capturedLogs() as events:
        answer = front.get(path.format(run=run))

    assert answer.problem[:2] == (
        503, "0 clients wait for runs already; ask again later, or without follow and wait")  # fmt: skip
    assert int(answer.headers["retry-after"]) > 0
    assert [event for event in events if event["log_level"].name != "info"] == []
    assert front.get(f"/runs/{run}").status == front.get(f"/runs/{run}/output").status == 200
    assert front.get(f"/runs/{run}?wait=0").status == 200


def test_no_run_is_made_for_a_follower_who_has_no_place(outputs, front):
    job = front.job()
    outputs[0]._followers.most = 0

    assert front.post(b"", f"{job}/run?follow=1").status == 503
    assert front.get(f"{job}/runs").json == {"values": []}
    assert front.post(b"", f"{job}/run").status == 202


def test_a_follower_that_hangs_up_leaves_its_place(outputs, front):
    run = front.run(front.job(), state="running")
    followers = outputs[0]._followers
    for path in (f"/runs/{run}/output?follow=1", f"/runs/{run}?wait=60"):
        exchange(front.site, f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        assert followers.now == 0


@pytest.mark.parametrize("step", [-3600, 3600])
def test_a_wait_is_as_long_as_asked_for_on_any_wall_clock(front, step):
    run = front.run(front.job(), state="running")
    channel, wire = front.site.buildProtocol(None), StringTransport()
    channel.makeConnection(wire)
    channel.dataReceived(f"GET /runs/{run}?wait=5 HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    front.reactor.pump([1] * 2)
    front.reactor.stepped = step
    front.reactor.pump([0.5] * 5)
    assert wire.value() == b""
    front.reactor.pump([0.5, 0])
    assert wire.value().startswith(b"HTTP/1.1 200")
