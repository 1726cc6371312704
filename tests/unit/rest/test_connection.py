"""How long a connection may take, and how much it may send. Time is a clock's."""

import pytest
from twisted.protocols.policies import WrappingFactory

from jobsched.http.connection import GOING, IDLE, MOST_HEAD, MOST_HEADERS, READ, STALLED, WHOLE
from tests.unit.rest.served import HEAD, POST, ServedSite, Wire


@pytest.fixture
def served():
    return ServedSite()


# Time.


@pytest.mark.parametrize(
    "began",
    [b"G", HEAD, HEAD + b"X: a\r\n", POST + b"Content-Length: 10\r\n\r\n",
     POST + b"Content-Length: 10\r\n\r\n12345", POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"],
)  # fmt: skip
def test_a_request_that_never_comes_whole_is_cut_off(served, began):
    client = served.client()
    client.send(began)
    trickle = iter(range(1000))
    for _ in range(int(WHOLE) - 1):
        served.wait(1)
        if began.endswith(b"X: a\r\n"):
            client.send(b"X-%d: a\r\n" % next(trickle))
        assert not client.wire.disconnecting
    served.wait(2)

    assert client.heard.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert client.wire.disconnecting
    client.go()
    assert served.timers == []


def test_a_byte_each_second_of_a_body_does_not_put_off_the_end(served):
    client = served.client()
    client.send(POST + b"Content-Length: 1000\r\n\r\n")
    for _ in range(int(WHOLE)):
        served.wait(1)
        client.send(b"x")

    assert client.heard.startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def test_the_first_byte_must_come_soon(served):
    client = served.client()
    served.wait(WHOLE - 1)
    assert not client.wire.disconnecting
    served.wait(2)
    assert client.wire.disconnecting
    assert client.heard == b""


def test_between_requests_there_is_more_time(served):
    client = served.client()
    served.wait(WHOLE - 1)
    client.send(HEAD + b"\r\n")
    for pause in (1, WHOLE + 1, IDLE - 1):
        served.wait(pause)
        assert client.send(HEAD + b"\r\n").count(b"200 OK") > 1
    served.wait(IDLE + 1)
    assert client.wire.disconnecting


def test_each_request_has_its_own_time(served):
    client = served.client()
    for number in range(1, 6):
        client.send(HEAD)
        served.wait(WHOLE - 1)
        assert client.send(b"\r\n").count(b"200 OK") == number
    client.send(HEAD + b"\r\n" + HEAD)  # the second begins with the first
    served.wait(0)
    served.wait(WHOLE - 1)
    assert client.send(b"\r\n").count(b"200 OK") == 7
    assert not client.wire.disconnecting


def test_an_answer_may_take_longer(served):
    client = served.client()
    client.send(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n" + HEAD)
    served.wait(3 * IDLE)
    assert client.heard == b""
    served.slow.callback(b"at last")
    assert b"at last" in client.heard
    served.wait(WHOLE - 1)  # the next one begins now
    assert client.send(b"\r\n").count(b"200 OK") == 2


def test_a_client_that_does_not_take_its_last_answer_is_cut(served):
    client = served.client()
    client.send(b"nonsense\r\n\r\n")
    assert client.wire.disconnecting
    served.wait(GOING - 1)
    assert not client.wire.cut
    served.wait(2)
    assert client.wire.cut


def test_a_client_that_reads_nothing_is_cut(served):
    client = served.client()
    client.send(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
    for _ in range(3):
        client.wire.producer.pauseProducing()
        served.wait(STALLED - 1)
        client.wire.producer.resumeProducing()
        served.wait(STALLED)
    assert not client.wire.cut
    client.wire.producer.pauseProducing()
    served.wait(STALLED + 1)
    assert client.wire.cut
    client.go()
    assert served.timers == []


def test_a_connection_that_was_ended_does_not_linger(served):
    client = served.client()
    client.send(HEAD + b"Connection: close\r\n\r\n")
    assert client.wire.disconnecting
    served.wait(STALLED + 1)  # of TLS the other end may keep its half open
    assert client.wire.cut


def test_nothing_is_left_of_a_connection_that_went_by_itself(served):
    for text in (b"", b"G", HEAD, HEAD + b"\r\n", b"nonsense\r\n\r\n", b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n"):
        client = served.client()
        client.send(text)
        client.go()
    assert served.timers == []
    assert served.site.gate.inside == 0


# Many at once.


def test_little_of_one_connection_is_read_at_once(served):
    assert served.client().wire.bufferSize == READ
    wire = Wire()
    WrappingFactory(served.site.gate).buildProtocol(None).makeConnection(wire)  # as TLS lies around the gate
    assert vars(wire)["bufferSize"] == READ


def test_of_many_requests_at_once_one_is_answered_a_turn(served):
    clients = [served.client() for _ in range(2)]
    for client in clients:
        client.send((HEAD + b"\r\n") * 5 + HEAD)
    for number in range(1, 6):
        assert [client.heard.count(b"200 OK") for client in clients] == [number, number]
        assert all(client.wire.producerState == "paused" for client in clients) or number == 5
        served.turn()
    assert [client.send(b"\r\n").count(b"200 OK") for client in clients] == [6, 6]
    assert all(client.wire.producerState == "producing" for client in clients)


def test_so_are_those_with_a_body(served):
    client = served.client()
    whole = POST + b"Content-Length: 2\r\n\r\n{}"
    client.send(whole * 3)
    for number in (1, 2, 3, 3):
        assert client.heard.count(b"200 OK") == number
        served.turn()
    assert client.send(whole).count(b"200 OK") == 4


def test_so_are_those_that_came_while_an_answer_was_under_way(served):
    client = served.client()
    client.send(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
    client.send((HEAD + b"\r\n") * 2)
    served.slow.callback(b"at last")
    for number in (1, 2, 3, 3):
        assert client.heard.count(b"200 OK") == number
        served.turn()


def test_a_client_that_takes_no_answer_is_given_no_other_one(served):
    client = served.client()
    client.send((HEAD + b"\r\n") * 3)
    client.wire.producer.pauseProducing()
    served.wait(10)
    assert client.heard.count(b"200 OK") == 1
    client.wire.producer.resumeProducing()
    served.wait(2)
    assert client.heard.count(b"200 OK") == 3


def test_what_follows_the_last_request_is_not_answered(served):
    client = served.client()
    client.send(HEAD + b"Connection: close\r\n\r\n" + HEAD + b"\r\n")
    served.wait(2)
    assert client.heard.count(b"HTTP/1.1") == 1
    assert client.wire.disconnecting


def test_one_that_goes_in_between_leaves_nothing(served):
    client = served.client()
    client.send((HEAD + b"\r\n") * 3)
    client.go()
    assert served.timers == []


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
def test_the_head_of_a_request_has_a_size(served, request_, status):
    said = served.client().send(request_)
    assert said.startswith(b"HTTP/1.1 " + status + b"\r\n")
    assert said.count(b"HTTP/1.1") == 1


def test_what_is_refused_is_not_heard_any_further(served):
    client = served.client()
    client.send(b"nonsense\r\n\r\n")
    said = client.heard
    for more in (b"\r\n\r\n", HEAD + b"\r\n", b"\n", b"a" * 100_000):
        assert client.send(more) == said


def test_a_line_that_ends_with_lf_alone_is_seen_at_once(served):
    for text in (b"GET / HTTP/1.1\n", HEAD + b"X: a\n", HEAD + b"X: a\r\nY: b\n", b"\n"):
        assert served.client().send(text).startswith(b"HTTP/1.1 400 ")
        served.connections = served.site.gate.most = 99


def test_an_end_of_line_may_come_in_two_pieces(served):
    client = served.client()
    for piece in (HEAD[:-1], HEAD[-1:], b"\r", b"\n"):
        client.send(piece)
    assert client.heard.startswith(b"HTTP/1.1 200 OK\r\n")
