"""A body that is larger than any other may be: for one call, from callers that may make it, one at a time."""

import json

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.testing import StringTransport

from jobsched.http.large_bodies import MOST_BODY, STILL, TAKING
from jobsched.http.route import Route, raw, whole
from jobsched.http.site import site
from jobsched.model.caller import ANYBODY
from jobsched.model.errors import Unauthorized
from tests.unit.rest.conftest import Reactor

LARGEST = 3 * MOST_BODY
PUT = b"PUT /large?x=1 HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"


def admit(request, need):
    if request.requestHeaders.getRawHeaders(b"authorization") == [b"wrong"]:
        raise Unauthorized("no")
    assert need == "write"
    return ANYBODY


@pytest.fixture
def served():
    async def size(request):
        return whole(request, b"text/plain", b"%d bytes" % len(raw(request)))

    both = (("/large", LARGEST), ("/small", 0))
    routes = [Route("PUT", path, size, "", takes=dict, large=large) for path, large in both]
    return site(routes, Reactor(), admit=admit)


def sent(served, *pieces):
    transport = StringTransport()
    channel = served.gate.buildProtocol(None)
    channel.makeConnection(transport)
    for piece in pieces:
        channel.dataReceived(piece)
    return channel, transport


def length(size):
    return b"Content-Length: %d\r\n\r\n" % size


def chunk(size):
    return b"%x\r\n%s\r\n" % (size, bytes(size))


def status(transport):
    return int(transport.value().split(b" ")[1])


@pytest.mark.parametrize(
    "pieces",
    [
        (PUT + length(LARGEST), bytes(LARGEST)),
        (
            PUT + b"Transfer-Encoding: chunked\r\n\r\n",
            *[chunk(MOST_BODY)] * 3,
            b"0\r\n\r\n",
        ),
    ],
    ids=["a length", "chunks"],
)
def test_the_call_takes_it_again_and_again(served, pieces):
    for _ in range(2):
        _, transport = sent(served, *pieces)
        assert transport.value().endswith(b"%d bytes" % LARGEST)


@pytest.mark.parametrize(
    "pieces",
    [
        (PUT + length(LARGEST + 1),),
        (PUT + b"Transfer-Encoding: chunked\r\n\r\n", chunk(LARGEST), chunk(1)),
        (PUT.replace(b"/large", b"/small") + length(MOST_BODY + 1),),
        (PUT.replace(b"PUT", b"POST") + length(MOST_BODY + 1),),
    ],
    ids=["a length", "chunks", "another call", "another method"],
)
def test_more_is_413(served, pieces):
    channel, transport = sent(served, *pieces)
    assert status(transport) == 413
    channel.connectionLost(ConnectionError())
    assert status(sent(served, PUT + length(LARGEST), bytes(LARGEST))[1]) == 200


def test_a_caller_that_is_not_let_in_does_not_send_it(served):
    _, transport = sent(served, PUT + b"Authorization: wrong\r\n" + length(LARGEST))
    assert status(transport) == 401
    body = json.loads(transport.value().partition(b"\r\n\r\n")[2])
    assert (body["status"], body["detail"]) == (401, "no")


@pytest.fixture
def passed(monkeypatch):
    """Let seconds pass."""
    now = [1000.0]
    monkeypatch.setattr("jobsched.http.site.elapsed", lambda: now[0])

    def let_pass(seconds):
        now[0] += seconds

    return let_pass


def test_who_sends_nothing_gives_way(served, passed):
    still, cut = sent(served, PUT + length(LARGEST), b"x")
    passed(STILL - 1)
    assert status(sent(served, PUT + length(LARGEST))[1]) == 503
    still.dataReceived(bytes(MOST_BODY))
    passed(STILL - 1)
    assert status(sent(served, PUT + length(LARGEST))[1]) == 503
    assert not cut.disconnected
    passed(1)
    assert status(sent(served, PUT + length(LARGEST), bytes(LARGEST))[1]) == 200
    assert cut.disconnected
    still.connectionLost(ConnectionError())


def test_who_sends_a_byte_now_and_then_gives_way(served, passed):
    slow, cut = sent(served, PUT + length(LARGEST), b"x")
    for _ in range(2):
        passed(STILL - 1)
        assert not cut.disconnected
        slow.dataReceived(b"x")
    assert status(sent(served, PUT + length(LARGEST), bytes(LARGEST))[1]) == 200
    assert cut.disconnected
    slow.connectionLost(ConnectionError())


def test_who_has_not_sent_a_byte_has_time_for_it(served, passed):
    first, _ = sent(served, PUT + length(LARGEST))
    assert status(sent(served, PUT + length(LARGEST))[1]) == 503
    passed(STILL)
    second, _ = sent(served, PUT + length(LARGEST))
    assert status(sent(served, PUT + length(LARGEST))[1]) == 503
    first.connectionLost(ConnectionError())
    assert status(sent(served, PUT + length(LARGEST))[1]) == 503, "the place is not of the first one any more"
    second.connectionLost(ConnectionError())
    assert status(sent(served, PUT + length(LARGEST), bytes(LARGEST))[1]) == 200


def test_who_does_not_take_the_answer_gives_way(passed):
    begin, answered = Deferred[None](), Deferred[bytes]()

    async def slow(request):
        await begin
        request.write(b"a part")
        return await answered

    served = site([Route("PUT", "/large", slow, "", takes=dict, large=LARGEST)], Reactor(), admit=admit)
    first, cut = sent(served, PUT + length(LARGEST), bytes(LARGEST))
    passed(1000)
    assert status(sent(served, PUT + length(LARGEST))[1]) == 503, "it is worked on"
    begin.callback(None)
    passed(TAKING - 1)
    assert status(sent(served, PUT + length(LARGEST))[1]) == 503
    passed(1)
    second, _ = sent(served, PUT + length(LARGEST))
    assert cut.disconnected
    for each in (first, second):
        each.connectionLost(ConnectionError())
    answered.callback(b"")


def test_one_is_sent_at_a_time(served):
    first, waiting = sent(served, PUT + length(LARGEST), b"x")
    _, second = sent(served, PUT + length(LARGEST))
    assert status(second) == 503
    assert b"\r\nRetry-After: 5\r\n" in second.value()
    assert status(sent(served, PUT + length(2), b"{}")[1]) == 200, "one that is small is not kept waiting"
    first.dataReceived(bytes(LARGEST - 1))
    assert status(waiting) == 200
    gone, _ = sent(served, PUT + length(LARGEST), b"x")
    gone.connectionLost(ConnectionError())
    assert status(sent(served, PUT + length(LARGEST), bytes(LARGEST))[1]) == 200
