"""What holds for every request, whatever it asks: limits, hosts, paths, methods; and never a page of HTML."""

import json

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs

from jobsched.http.large_bodies import MOST_BODY
from jobsched.http.route import Route
from jobsched.http.site import LINGER, MOST_LINGERING, site
from jobsched.model.errors import Unavailable
from jobsched.model.hosts import Hosts
from tests.unit.rest.conftest import EXAMPLE, Reactor, ask, exchange

MIB = 1 << 20
POST = b"POST /jobs HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "path", ["//", "/job", "/jobs/a/b", "/catalog/a/b", "/%00", "/%E2%82%AC", "/jobs/../x", "/a" * 5000]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "BREW"])
def test_an_unknown_path_is_404_for_every_method(front, path, method):
    assert ask(front.site, method, path).problem[0] == 404


def test_the_root_leads_browsers_to_the_page(front):
    told = front.get("/")
    assert (told.status, told.json["page"], told.headers["vary"]) == (200, "/ui/", "accept")
    for link in ("/jobs", "/runs", "/catalog", "/openapi.json"):
        assert link in told.json.values()
        assert front.get(link).status == 200
    led = front.get("/", accept="text/html,application/xhtml+xml,*/*;q=0.8")
    assert (led.status, led.headers["location"], led.body) == (303, "/ui/", b"")
    assert ask(front.site, "POST", "/").problem[0] == 405


@pytest.mark.parametrize("path", ["/jobs/none", "/jobs/none/runs", "/runs/none", "/runs/none/output", "/catalog/none",
                                  "/jobs/%00", "/jobs/%E2%82%AC", "/runs/'%22%3Cb%3E", "/jobs/a%20b"])  # fmt: skip
def test_what_is_not_there_is_404(front, path):
    assert front.get(path).problem[0] == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/jobs", {"GET", "HEAD", "POST", "PUT"}),
        ("DELETE", "/jobs", {"GET", "HEAD", "POST", "PUT"}),
        ("POST", "/catalog", {"GET", "HEAD"}),
        ("POST", "/runs/x", {"GET", "HEAD"}),
        ("BREW", "/catalog", {"GET", "HEAD"}),
        ("get", "/catalog", {"GET", "HEAD"}),  # methods are told apart by case
        ("Delete", "/jobs/x", {"GET", "HEAD", "PATCH", "PUT", "DELETE"}),
    ],
)
def test_a_wrong_method_is_405_and_says_which_are_allowed(front, method, path, allowed):
    answer = ask(front.site, method, path)

    assert answer.problem[0] == 405
    assert set(answer.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize("path", ["/%ff", "/jobs/%ff", "/%c0%af", "/jobs/%ed%a0%80", "/runs/%80/output"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_path_that_is_not_utf_8_is_400(front, path, method):
    assert ask(front.site, method, path).problem[:2] == (400, "the path is not UTF-8")


@pytest.mark.parametrize(
    "line",
    [
        b"GET /\xff HTTP/1.1",
        b"G\xffT / HTTP/1.1",
        b"GET / HTTP/9",
        b"GET",
        b"\x16\x03\x01\x02\x00\x01",
        b"GET  / HTTP/1.1",
    ],
)
def test_what_is_not_http_is_refused_without_a_page(unchanged, line):
    said, _ = exchange(unchanged.site, line + b"\r\nHost: h\r\n\r\n")

    assert said.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"\r\nContent-Type: application/problem+json\r\n" in said
    assert b"<" not in said


def test_head_is_get_without_the_body(front):
    front.job()
    whole, head = front.get("/jobs"), ask(front.site, "HEAD", "/jobs")

    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == whole.headers["content-length"] == str(len(whole.body))
    assert head.headers["content-type"] == "application/json"
    assert ask(front.site, "HEAD", "/nowhere").status == 404


@pytest.mark.parametrize(
    "host", ["jobs.example", "jobs.example:8080", "[::1]:58631", "127.0.0.1", "a_b", "A.b.", "x" * 63 + ":80"]
)
def test_a_location_is_on_the_host_that_was_asked(front, host):
    front.site.hosts = Hosts.of([host])
    location = front.post(EXAMPLE, host=host).headers["location"]

    assert location.startswith(f"http://{host}/jobs/")
    assert front.get(location.removeprefix(f"http://{host}"), host=host).json["id"] == location[-36:]


def test_without_a_host_the_address_it_listens_on_is_used(front):
    body = json.dumps(EXAMPLE).encode()
    head = b"POST /jobs HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    said, transport = exchange(front.site, head + body)
    here = transport.getHost()

    assert f"\r\nLocation: http://{here.host}:{here.port}/jobs/".encode() in said


@pytest.mark.parametrize(
    "hosts",
    [b"Host: a b", b"Host: a>; rel=x", b'Host: a"b', b"Host: a/b", b"Host: a@b", b"Host: a\\b", b"Host: \xff",
     b"Host: <a>", b"Host: " + b"x" * 64, b"Host: a..b", b"Host: .",
     b"Host: a\tb", b"Host: a?b", b"Host: a#b", b"Host: a\r\nHost: b"],
)  # fmt: skip
def test_a_host_that_is_none_is_refused_and_nothing_is_made(unchanged, hosts):
    body = json.dumps(EXAMPLE).encode()
    head = b"POST /jobs HTTP/1.1\r\n%s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (
        hosts,
        len(body),
    )
    said, _ = exchange(unchanged.site, head + body)

    assert said.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b'"detail":"the Host header is no host"' in said
    assert b"Set-Cookie" not in said
    assert unchanged.get("/jobs").json == {"values": []}


@pytest.mark.parametrize("host", [b"a\rb", b"a\r\tb", b"a\x00b", b"a\nX-Evil: 1", b"a\r\n X-Evil: 1"])
def test_no_host_can_bring_a_header_of_its_own(unchanged, host):
    said, _ = exchange(unchanged.site, b"GET /jobs?limit=0 HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")

    assert said.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"X-Evil" not in said


def chunk(size):
    return b"%x\r\n%s\r\n" % (size, bytes(size))


@pytest.mark.parametrize(
    "request_",
    [
        POST + b"Content-Length: %d\r\n\r\n" % (MIB + 1),
        POST + b"Content-Length: %d\r\n\r\n" % 10**18,
        POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(MIB + 1),
        POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(MIB) + chunk(1),
        POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk(1000) * 1100,
        POST.replace(b"POST", b"GET") + b"Content-Length: %d\r\n\r\n" % (MIB + 1),
    ],
    ids=["a length", "a huge length", "one chunk", "two chunks", "many chunks", "of a GET"],
)
def test_a_body_over_1_mib_is_413_before_it_has_all_come(front, request_):
    said, _ = exchange(front.site, request_)
    head, _, body = said.partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 413 Content Too Large\r\n")
    assert {b"Content-Type: application/problem+json", b"Connection: close"} < set(head.split(b"\r\n"))
    assert json.loads(body)["status"] == 413
    assert said.count(b"HTTP/1.1") == 1
    assert front.get("/jobs").json == {"values": []}


def test_a_refused_body_is_read_to_its_end_then_it_closes(front):
    said, transport = exchange(front.site, POST + b"Content-Length: %d\r\n\r\n%s" % (2 * MIB, bytes(2 * MIB - 1)))
    assert not transport.disconnecting
    said, transport = exchange(front.site, POST + b"Content-Length: %d\r\n\r\n%s" % (2 * MIB, bytes(2 * MIB)))
    assert transport.disconnecting
    assert said.count(b"HTTP/1.1") == 1


def test_a_refused_body_is_not_thrown_away_for_ever(front):
    channel = front.site.buildProtocol(None)
    transport = StringTransport()
    channel.makeConnection(transport)
    channel.dataReceived(POST + b"Content-Length: %d\r\n\r\n" % 10**18)
    for _ in range(MOST_LINGERING // MIB):
        channel.dataReceived(bytes(MIB))
        assert not transport.disconnecting
    channel.dataReceived(b"x")
    assert transport.disconnecting


def test_a_refused_body_that_stops_coming_is_not_waited_for(front):
    channel = front.site.buildProtocol(None)
    transport = StringTransport()
    channel.makeConnection(transport)
    channel.dataReceived(POST + b"Content-Length: %d\r\n\r\n" % (2 * MIB))
    front.reactor.pump([1] * (LINGER - 1))
    assert not transport.disconnecting
    front.reactor.pump([1] * 2)
    assert transport.disconnecting


def test_a_body_of_just_1_mib_is_read(front):
    body = json.dumps(EXAMPLE).encode()
    assert front.post(body + b" " * (MOST_BODY - len(body))).status == 202
    said, _ = exchange(
        front.site, POST + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    )
    assert said.startswith(b"HTTP/1.1 202 Accepted\r\n")
    assert len(front.get("/jobs").json["values"]) == 2


def test_a_fault_of_ours_is_500_and_only_the_log_says_it_all(caplog):
    async def broken(_request):
        raise RuntimeError("the secret")

    faulty = site([Route(verb="GET", path="/broken", answer=broken, summary="")], Reactor())
    with capturedLogs() as events:
        answer = ask(faulty, "GET", "/broken")

    assert answer.problem == (500, "Jobsched failed to answer; its log says why", [])
    assert b"secret" not in answer.body
    assert [event["log_failure"].getErrorMessage() for event in events if "log_failure" in event] == ["the secret"]


def test_a_fault_before_any_route_is_500_too(front, monkeypatch):
    def broken(*_):
        raise RuntimeError("the secret")

    monkeypatch.setattr(front.site.resource, "render", broken)
    assert front.get("/jobs").problem[0] == 500


def test_a_store_out_of_reach_is_503_and_says_when_to_retry():
    async def out_of_reach(_request):
        raise Unavailable("the store cannot be used now: disk is full")

    answer = ask(site([Route(verb="POST", path="/jobs", answer=out_of_reach, summary="")], Reactor()), "POST", "/jobs")

    assert answer.problem[:2] == (503, "the store cannot be used now: disk is full")
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize(("verb", "ends_as"), [("POST", "done"), ("DELETE", "done"), ("GET", "cancelled")])
def test_a_write_goes_on_without_its_client_and_a_read_does_not(verb, ends_as):
    under_way: Deferred[None] = Deferred()
    ended = []

    async def slow(_request):
        try:
            await under_way
        except CancelledError:
            ended.append("cancelled")
            raise
        ended.append("done")
        return b""

    with capturedLogs() as events:
        exchange(
            site([Route(verb=verb, path="/slow", answer=slow, summary="")], Reactor()),
            f"{verb} /slow HTTP/1.1\r\nHost: h\r\n\r\n".encode(),
        )
        if not under_way.called:
            under_way.callback(None)

    assert ended == [ends_as]
    assert [event for event in events if "log_failure" in event] == []
