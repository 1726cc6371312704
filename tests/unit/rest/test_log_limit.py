"""Lines about requests: each of a known caller's, ten a minute of a stranger's, and none without an end."""

import logging
from types import SimpleNamespace

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure

from jobsched.http.log_limit import Lines, masked
from jobsched.http.problems import unheard
from jobsched.http.route import Route, whole
from jobsched.http.site import site
from jobsched.model.caller import Caller
from jobsched.model.errors import NotFound
from tests.unit.rest.conftest import Reactor, exchange

HEAD = b"Host: h\r\n\r\n"


async def answer(request):
    return whole(request, b"text/plain", b"")


@pytest.fixture
def said(caplog):
    """What the access log holds, line by line."""
    caplog.set_level(logging.INFO, "jobsched.access")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "jobsched.access"]


class SecuredSite:
    def __init__(self, name=None):
        self.reactor = Reactor()
        caller = Caller(name=name)
        self.site = site([Route("GET", "/there", answer, "")], self.reactor, admit=lambda _request, _need: caller)

    def ask(self, target=b"/there", method=b"GET"):
        exchange(self.site, method + b" " + target + b" HTTP/1.1\r\n" + HEAD)


@pytest.mark.parametrize("name", [b"key", b"k%65y", b"%6Bey"])
def test_no_line_holds_a_key(said, name):
    assert (
        masked(b"/a?held=0&" + name + b"=s3cret&key=s3cret&x=%26key") == b"/a?held=0&" + name + b"=***&key=***&x=%26key"
    )
    assert masked(b"/a?keys=1&key") == b"/a?keys=1&key"
    secured = SecuredSite()
    secured.ask(b"/there?" + name + b"=s3cret")
    assert said() == [f"192.168.1.1 GET /there?{name.decode()}=*** 200 0"]


SECRET = b"jobsched_key_" + b"aZ-_9" * 8 + b"xyz"


@pytest.mark.parametrize(
    ("uri", "line"),
    [
        (b"/jobs/a/calendar.ics?limit=3;key=%b", "/jobs/a/calendar.ics?limit=3;key=*** 404"),
        (b"/jobs/a/calendar.ics?limit=3&amp;key=%b;held=0", "/jobs/a/calendar.ics?limit=3&amp;key=***;held=0 404"),
        (b"/jobs/a/badge.svg%%3Fkey=%b", "/jobs/a/badge.svg%3Fkey=*** 404"),
        (b"/jobs/a/badge.svg%%3Fkey%%3D%b", "/jobs/a/badge.svg%3Fkey%3D*** 404"),
        (b"/jobs/%b/badge.svg", "/jobs/***/badge.svg 404"),
        (b"/there?next=/jobs/a/badge.svg%%3Fkey%%3D%b", "/there?next=/jobs/a/badge.svg%3Fkey%3D*** 200"),
    ],
)
def test_no_line_holds_a_key_that_stands_elsewhere(said, uri, line):
    secured = SecuredSite()
    for secret in (SECRET, SECRET.replace(b"_", b"%5F").replace(b"-", b"%2d"), SECRET.replace(b"j", b"%6a")):
        secured.ask(uri % secret)
    assert [each.rpartition(" ")[0] for each in said()] == [f"192.168.1.1 GET {line}"] * 3


def test_a_stranger_has_ten_lines_and_then_a_count(said):
    secured = SecuredSite()
    for _ in range(12):
        secured.ask()
    for _ in range(30):
        secured.ask(b"/nowhere")
    assert said() == ["192.168.1.1 GET /there 200 0"] * 10
    secured.reactor.advance(59.9)
    assert len(said()) == 10
    secured.reactor.advance(0.2)
    assert said()[10:] == ["192.168.1.1 32 more within 60 s: 200 x 2, 404 x 30"]
    secured.ask()
    assert said()[11:] == ["192.168.1.1 GET /there 200 0"]
    secured.reactor.advance(100)
    assert len(said()) == 12
    assert not secured.reactor.getDelayedCalls()


def test_a_caller_with_a_token_has_a_line_for_each(said):
    secured = SecuredSite("alice")
    for _ in range(30):
        secured.ask()
    assert said() == ["192.168.1.1 GET /there 200 0"] * 30
    for _ in range(11):
        secured.ask(b"/nowhere")  # nobody asked who that is
    assert len(said()) == 40


def test_a_line_quotes_so_much_and_no_more(said):
    secured = SecuredSite()
    secured.ask(b"/" + b"x" * 15_000)
    secured.ask(b"/there", b"X" * 5000)
    assert said() == [
        f"192.168.1.1 GET /{'x' * 199}... 404 {said()[0].rpartition(' ')[2]}",
        f"192.168.1.1 {'X' * 20}... /there 405 {said()[1].rpartition(' ')[2]}",
    ]


@pytest.mark.parametrize(
    ("request_", "line"),
    [
        (b"GET / HTTP/1.1\nHost: h\n\n", "- - 400 "),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n", "- - 414 "),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + HEAD, "- - 431 "),
        (b"POST /there HTTP/1.1\r\nContent-Length: 9999999\r\n" + HEAD, "- - 413 "),
    ],
)
def test_what_is_cut_off_has_its_line_too_and_is_counted(said, request_, line):
    secured = SecuredSite()
    for _ in range(13):
        exchange(secured.site, request_)
    assert len(said()) == 10
    assert all(each.startswith(f"192.168.1.1 {line}") for each in said())
    secured.site.stopFactory()
    assert said()[10:] == [f"192.168.1.1 3 more within 60 s: {line.split()[2]} x 3"]
    assert not [call for call in secured.reactor.calls if call.func == secured.site.lines._ring]


def test_a_fault_of_ours_is_told_with_no_more_of_the_path():
    async def broken(request):
        raise ZeroDivisionError

    secured = site([Route("GET", "/<x>", broken, "")], Reactor())
    with capturedLogs() as events:
        exchange(secured, b"GET /" + b"y" * 5000 + b" HTTP/1.1\r\n" + HEAD)
    [said] = [formatEvent(event) for event in events if event["log_level"].name == "critical"]
    assert said == f"/{'y' * 199}... failed"


def test_a_client_that_says_nothing_has_no_line(said):
    secured = SecuredSite()
    channel = secured.site.buildProtocol(None)
    with capturedLogs() as events:
        channel.makeConnection(StringTransport())
        channel.timeoutConnection()
        channel.forceAbortClient = lambda: None
    assert [formatEvent(event) for event in events] == []
    assert said() == []


def test_when_it_ends_all_is_told_and_no_timer_is_left(said):
    reactor = Reactor()
    lines = Lines(reactor)
    for _ in range(11):
        lines.request("a", b"GET", b"/", 200, 0)
    lines.stop()
    assert said()[10:] == ["a 1 more within 60 s: 200 x 1"]
    assert not reactor.getDelayedCalls()
    lines.stop()
    assert len(said()) == 11


@pytest.mark.parametrize(("known", "lines"), [(False, 10), (True, 15)])
def test_a_stranger_who_hangs_up_when_refused_has_no_more_lines(said, known, lines):
    secured = SecuredSite()
    request = SimpleNamespace(
        startedWriting=False, taken=("POST", "/jobs"), site=secured.site, method=b"POST", uri=b"/" + b"x" * 999,
        known=known, getClientAddress=lambda: IPv4Address("TCP", "192.0.2.1", 1),
    )  # fmt: skip
    with capturedLogs() as events:
        for _ in range(15):
            unheard(request, Failure(NotFound(f"there is no task {'y' * 999!r}")))
    told = [formatEvent(event) for event in events]
    assert len(told) == lines
    words = f"POST /{'x' * 199}... is refused, and its client has hung up: there is no task 'y"
    assert all(line.startswith(words) and len(line) < 500 for line in told)
    secured.site.lines.stop()
    assert said() == ([] if known else ["192.0.2.1 5 more within 60 s: 404 x 5"])
