"""How long a connection may take, how much it may send, and how many there may be. Time is a clock's."""

import attrs
import pytest
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from zope.interface import alsoProvides

from jobsched import service
from jobsched.model.complaint import PAUSE
from jobsched.model.errors import Busy
from jobsched.rest.limits import GOING, IDLE, MOST_HEAD, MOST_HEADERS, STALLED, WHOLE, Crowd
from jobsched.rest.output import Outputs
from jobsched.rest.route import Route, whole
from jobsched.rest.site import site
from tests.unit.rest.conftest import Reactor, exchange

HEAD = b"GET /quick HTTP/1.1\r\nHost: h\r\n"
POST = b"POST /quick HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"


class Wire(StringTransport):
    """One that tells whether it was cut."""

    cut = False

    def abortConnection(self):
        self.cut = True
        super().abortConnection()


@attrs.frozen
class Client:
    """One connection."""

    channel: object
    wire: Wire

    def send(self, text):
        self.channel.dataReceived(text)
        return self.heard

    @property
    def heard(self):
        return self.wire.value()

    def go(self):
        self.channel.connectionLost(Failure(ConnectionResetError()))


@attrs.define
class House:
    """A site with a route that answers at once, and one that answers when `slow` fires."""

    connections: int = 3
    reactor: Reactor = attrs.field(factory=Reactor)
    slow: Deferred = attrs.field(factory=Deferred)
    site: object = None

    def __attrs_post_init__(self):
        async def quick(request):
            return whole(request, b"text/plain", b"done")

        async def slow(_request):
            return await self.slow

        routes = [
            Route(verb="GET", path="/quick", answer=quick, summary=""),
            Route(verb="POST", path="/quick", answer=quick, summary=""),
            Route(verb="GET", path="/slow", answer=slow, summary=""),
        ]
        self.site = site(routes, self.reactor, connections=self.connections)

    def client(self, *interfaces):
        wire = Wire()
        alsoProvides(wire, *interfaces)
        channel = self.site.buildProtocol(None)
        channel.makeConnection(wire)
        return Client(channel, wire)

    def wait(self, seconds):
        self.reactor.pump([1] * int(seconds))

    @property
    def timers(self):
        return self.reactor.getDelayedCalls()


@pytest.fixture
def house():
    return House()


# Time.


@pytest.mark.parametrize(
    "began",
    [b"G", HEAD, HEAD + b"X: a\r\n", POST + b"Content-Length: 10\r\n\r\n",
     POST + b"Content-Length: 10\r\n\r\n12345", POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"],
)  # fmt: skip
def test_a_request_that_does_not_come_whole_is_cut_however_it_trickles(house, began):
    client = house.client()
    client.send(began)
    trickle = iter(range(1000))
    for _ in range(int(WHOLE) - 1):
        house.wait(1)
        if began.endswith(b"X: a\r\n"):
            client.send(b"X-%d: a\r\n" % next(trickle))
        assert not client.wire.disconnecting
    house.wait(2)

    assert client.heard.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert client.wire.disconnecting
    client.go()
    assert house.timers == []


def test_a_byte_each_second_of_a_body_does_not_put_off_the_end(house):
    client = house.client()
    client.send(POST + b"Content-Length: 1000\r\n\r\n")
    for _ in range(int(WHOLE)):
        house.wait(1)
        client.send(b"x")

    assert client.heard.startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def test_the_first_byte_must_come_soon(house):
    client = house.client()
    house.wait(WHOLE - 1)
    assert not client.wire.disconnecting
    house.wait(2)
    assert client.wire.disconnecting
    assert client.heard == b""


def test_between_requests_there_is_more_time(house):
    client = house.client()
    house.wait(WHOLE - 1)
    client.send(HEAD + b"\r\n")
    for pause in (1, WHOLE + 1, IDLE - 1):
        house.wait(pause)
        assert client.send(HEAD + b"\r\n").count(b"200 OK") > 1
    house.wait(IDLE + 1)
    assert client.wire.disconnecting


def test_each_request_has_its_own_time(house):
    client = house.client()
    for number in range(1, 6):
        client.send(HEAD)
        house.wait(WHOLE - 1)
        assert client.send(b"\r\n").count(b"200 OK") == number
    client.send(HEAD + b"\r\n" + HEAD)  # the second begins with the first
    house.wait(WHOLE - 1)
    assert client.send(b"\r\n").count(b"200 OK") == 7
    assert not client.wire.disconnecting


def test_an_answer_may_take_longer(house):
    client = house.client()
    client.send(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n" + HEAD)
    house.wait(3 * IDLE)
    assert client.heard == b""
    house.slow.callback(b"at last")
    assert b"at last" in client.heard
    house.wait(WHOLE - 1)  # the next one begins now
    assert client.send(b"\r\n").count(b"200 OK") == 2


def test_a_client_that_does_not_take_its_last_answer_is_cut(house):
    client = house.client()
    client.send(b"nonsense\r\n\r\n")
    assert client.wire.disconnecting
    house.wait(GOING - 1)
    assert not client.wire.cut
    house.wait(2)
    assert client.wire.cut


def test_a_client_that_reads_nothing_is_cut(house):
    client = house.client()
    client.send(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
    for _ in range(3):
        client.wire.producer.pauseProducing()
        house.wait(STALLED - 1)
        client.wire.producer.resumeProducing()
        house.wait(STALLED)
    assert not client.wire.cut
    client.wire.producer.pauseProducing()
    house.wait(STALLED + 1)
    assert client.wire.cut
    client.go()
    assert house.timers == []


def test_a_connection_that_was_ended_does_not_linger(house):
    client = house.client()
    client.send(HEAD + b"Connection: close\r\n\r\n")
    assert client.wire.disconnecting
    house.wait(STALLED + 1)  # of TLS the other end may keep its half open
    assert client.wire.cut


def test_nothing_is_left_of_a_connection_that_went_by_itself(house):
    for text in (b"", b"G", HEAD, HEAD + b"\r\n", b"nonsense\r\n\r\n", b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n"):
        client = house.client()
        client.send(text)
        client.go()
    assert house.timers == []
    assert house.site.door.enter()


# Size.


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /" + b"a" * MOST_HEAD, b"414 URI Too Long"),
        (b"GET /" + b"a" * MOST_HEAD + b" HTTP/1.1\r\nHost: h\r\n\r\n", b"414 URI Too Long"),
        (HEAD + b"X: " + b"a" * MOST_HEAD, b"431 Request Header Fields Too Large"),
        (HEAD + b"X: " + b"a" * MOST_HEAD + b"\r\n\r\n", b"431 Request Header Fields Too Large"),
        (HEAD + (b"X: " + b"a" * 1000 + b"\r\n") * 17, b"431 Request Header Fields Too Large"),
        (HEAD + b"X: a\r\n" * MOST_HEADERS + b"\r\n", b"431 Request Header Fields Too Large"),
        (HEAD + b"X: a\r\n" * (MOST_HEADERS - 1) + b"\r\n", b"200 OK"),
        (HEAD + b"X: " + b"a" * (MOST_HEAD - 100) + b"\r\n\r\n", b"200 OK"),
    ],
    ids=range(8),
)
def test_the_head_of_a_request_has_a_size(house, request_, status):
    said = house.client().send(request_)
    assert said.startswith(b"HTTP/1.1 " + status + b"\r\n")
    assert said.count(b"HTTP/1.1") == 1


def test_what_is_refused_is_not_heard_any_further(house):
    client = house.client()
    client.send(b"nonsense\r\n\r\n")
    said = client.heard
    for more in (b"\r\n\r\n", HEAD + b"\r\n", b"\n", b"a" * 100_000):
        assert client.send(more) == said


def test_a_line_that_ends_with_lf_alone_is_seen_at_once(house):
    for text in (b"GET / HTTP/1.1\n", HEAD + b"X: a\n", HEAD + b"X: a\r\nY: b\n", b"\n"):
        assert house.client().send(text).startswith(b"HTTP/1.1 400 ")
        house.connections = house.site.door._crowd.most = 99


def test_an_end_of_line_may_come_in_two_pieces(house):
    client = house.client()
    for piece in (HEAD[:-1], HEAD[-1:], b"\r", b"\n"):
        client.send(piece)
    assert client.heard.startswith(b"HTTP/1.1 200 OK\r\n")


# Number.


def test_more_connections_than_there_may_be_are_refused_at_once_and_told_when_to_come_again(house):
    clients = [house.client() for _ in range(3)]
    with capturedLogs() as events:
        late = [house.client() for _ in range(5)]
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
    assert house.client().send(HEAD + b"\r\n").startswith(b"HTTP/1.1 200 OK\r\n")
    assert house.client().wire.disconnecting


def test_it_is_told_again_after_a_while(house):
    for _ in range(3):
        house.client()
    with capturedLogs() as events:
        for _ in range(4):
            house.client()
            house.wait(PAUSE / 2)
    assert len([event for event in events if event["log_level"].name == "warn"]) == 2


def test_in_tls_it_is_cut_for_to_say_anything_would_take_a_handshake(house):
    for _ in range(3):
        house.client()
    late = house.client(ISSLTransport)
    assert late.wire.cut
    assert late.heard == b""


def test_a_crowd_counts_who_is_in():
    crowd = Crowd(2)
    with crowd.place(), crowd.place():
        with pytest.raises(Busy), crowd.place():
            pass
        assert crowd.now == 2
    assert crowd.now == 0
    with pytest.raises(KeyError), crowd.place():
        raise KeyError
    assert crowd.now == 0


@pytest.fixture
def outputs(monkeypatch):
    """The one that all routes share, when `front` is made after this."""
    made = []

    class Seen(Outputs):
        def __init__(self, *parts):
            super().__init__(*parts)
            made.append(self)

    monkeypatch.setattr(service, "Outputs", Seen)
    return made


@pytest.mark.parametrize("path", ["/runs/{run}/output?follow=1", "/runs/{run}?wait=1", "/runs/{run}?wait=0.1"])
def test_who_waits_takes_a_place_and_is_refused_when_there_is_none(outputs, front, path):
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
