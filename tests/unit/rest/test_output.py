"""Where an answer with output comes from: a file, another node, or the end that the store keeps."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from types import SimpleNamespace

import attrs
import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred, execute, fail
from twisted.logger import capturedLogs, formatEvent

from jobsched.http.route import Route, query
from jobsched.http.schemas.queries import Reading
from jobsched.http.site import site
from jobsched.model.errors import Busy, NotFound, Unavailable
from jobsched.model.output_location import OutputLocation
from jobsched.model.run import Run, Tail
from jobsched.rest.output import Outputs
from tests.unit.rest.conftest import Reactor, ask, exchange, fetch

T0 = datetime(2026, 1, 1, tzinfo=UTC)
RUN = Run(id="r/1", job_id="j", job_name="j", task="t", due=T0, created=T0, state="succeeded", node="a", node_id="a-1")
GOING_ON = attrs.evolve(RUN, state="running")
LACK = "node a, which has the whole, cannot be reached"
AWAY = OutputLocation(urls=("http://a:1/", "http://a:2"), lack=LACK)
DATA = b"middle\nlast but one\nlast\n"


class Books:
    """Stands in for the registry: what is known of one run."""

    shared = True

    def __init__(self, path):
        self.path = path
        self.states = [RUN]  # what one look after the other finds
        self.where = AWAY
        self.kept = None
        self.waited = []
        self.over: Deferred[Run] = Deferred()

    def seen_by(self, _caller):
        return self

    async def run(self, run_id):
        assert run_id == RUN.id
        found = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(found, Exception):
            raise found
        return found

    async def ended(self, run_id, seconds):
        return await self.over

    async def output_location(self, run):
        return self.where

    async def tail(self, run_id):
        return self.kept

    def in_thread(self, work):
        return execute(work, lambda: None)

    async def moment(self, seconds):
        self.waited.append(seconds)

    def output_path(self, run_id):
        return self.path


class Line:
    """Stands in for the relay: other nodes answer as a test says, one after the other."""

    def __init__(self):
        self.fates = []
        self.asked = []

    async def forward(self, request, url, over):
        self.asked.append((url, over is not None))
        fate = self.fates.pop(0)
        if fate == "answered":
            request.setHeader(b"content-type", b"text/plain")
            request.write(b"from there")
        return fate


@attrs.frozen
class Desk:
    books: Books
    line: Line
    site: object

    def get(self, question="", **headers):
        return ask(self.site, "GET", f"/output{question}", host="localhost", **headers)

    def keep(self, start=0, data=DATA):
        self.books.kept = Tail(run_id=RUN.id, start=start, data=data)


@pytest.fixture
def desk(tmp_path):
    books, line = Books(tmp_path / "file"), Line()
    outputs = Outputs(books, line)  # type: ignore[arg-type]  # a fake

    async def answer(request):
        asked = query(request, Reading)
        send = outputs.follow if asked.follow else outputs.send
        return await send(request, RUN.id, asked.tail if isinstance(asked.tail, int) else None)

    routes = [Route(verb, "/output", answer, "") for verb in ("GET", "POST")]
    return Desk(books, line, site(routes, Reactor()))


@pytest.mark.parametrize(
    ("question", "url", "live"),
    [
        ("", "http://a:1/runs/r%2F1/output", False),
        ("?tail=7", "http://a:1/runs/r%2F1/output?tail=7", False),
        ("?follow=1", "http://a:1/runs/r%2F1/output?follow=1", True),
        ("?tail=0&follow=1", "http://a:1/runs/r%2F1/output?follow=1&tail=0", True),
    ],
)
def test_the_node_that_has_it_is_asked_the_same(desk, question, url, live):
    desk.line.fates = ["answered"]
    assert desk.get(question).body == b"from there"
    assert desk.line.asked == [(url, live)]


@pytest.mark.parametrize("fate", ["absent", "refused", "unreachable"])
def test_the_next_is_asked_when_one_has_no_answer(desk, fate):
    desk.line.fates = [fate, "answered"]
    assert desk.get().body == b"from there"
    assert [url for url, _ in desk.line.asked] == ["http://a:1/runs/r%2F1/output", "http://a:2/runs/r%2F1/output"]


def test_what_is_here_is_taken_from_here(desk):
    desk.books.where = OutputLocation(here=True)
    desk.books.path.write_bytes(DATA)
    desk.books.over.callback(RUN)
    assert desk.get("?follow=1").body == DATA
    assert desk.get("?follow=1&tail=1").body == b"last\n"
    assert desk.get("?follow=1", jobsched_relayed="1").body == DATA
    assert ask(desk.site, "HEAD", "/output", host="localhost").headers["content-length"] == str(len(DATA))
    assert desk.line.asked == []


def test_another_node_that_asks_is_told_and_no_third_is_asked(desk):
    desk.keep()
    for question in ("", "?follow=1"):
        answer = desk.get(question, jobsched_relayed="1")
        assert answer.problem[:2] == (404, "the output of run r/1 is not on this node")
    assert desk.line.asked == []


@pytest.mark.parametrize(
    ("fates", "lack"),
    [
        (["unreachable", "unreachable"], LACK),
        (["refused", "refused"], "node a, which has the whole, does not give it now"),
        (["unreachable", "absent"], "node a no longer has the whole"),
        (["absent", "absent"], "node a no longer has the whole"),
    ],
)
def test_the_end_in_the_store_follows_a_line_that_says_so(desk, fates, lack):
    desk.keep(start=1000)
    desk.line.fates = fates
    answer = desk.get()
    assert answer.status == 200
    assert answer.body == f"[the last 25 of 1025 bytes: {lack}]\n".encode() + DATA
    assert answer.headers["jobsched-output"] == "tail"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["accept-ranges"] == "none"


@pytest.mark.parametrize(
    ("start", "lines", "said", "body"),
    [
        (0, None, "whole", DATA),
        (0, 2, "whole", b"last but one\nlast\n"),
        (0, 99, "whole", DATA),
        (0, 0, "whole", b""),
        (9, 2, "whole", b"last but one\nlast\n"),  # all that was asked for is there
        (9, 0, "whole", b""),
        (9, 3, "tail", b"[the last 25 of 34 bytes: " + LACK.encode() + b"]\n" + DATA),
        (9, 99, "tail", b"[the last 25 of 34 bytes: " + LACK.encode() + b"]\n" + DATA),
    ],
)
def test_lines_are_taken_from_the_end_in_the_store(desk, start, lines, said, body):
    desk.keep(start)
    desk.books.where = OutputLocation(lack=LACK)
    answer = desk.get("" if lines is None else f"?tail={lines}")
    assert (answer.body, answer.headers["jobsched-output"]) == (body, said)


def test_a_run_that_ends_meanwhile_is_answered_from_the_store(desk):
    desk.keep()
    desk.books.states = [GOING_ON, RUN]
    desk.line.fates = ["unreachable", "unreachable"]
    assert desk.get().body == DATA


@pytest.mark.parametrize("question", ["", "?follow=1"])
def test_one_that_goes_on_with_nobody_to_ask_is_503_with_advice(desk, question):
    desk.keep()
    desk.books.states = [GOING_ON]
    desk.line.fates = ["unreachable", "unreachable"]
    answer = desk.get(question)
    words = f"{LACK}; ask that node, or again when the run has ended: its end is stored then"
    assert answer.problem[:2] == (503, words)
    assert int(answer.headers["retry-after"]) > 0


def test_one_with_nothing_in_the_store_is_503_until_its_node(desk):
    desk.books.states = [attrs.evolve(RUN, state="lost")]
    desk.line.fates = ["unreachable", "unreachable"]
    words = f"{LACK}, and the store has nothing of it; it can be read when that node is back"
    assert desk.get().problem[:2] == (503, words)
    desk.line.fates = ["unreachable", "absent"]
    answer = desk.get()
    assert (answer.status, answer.body) == (200, b"")  # it was asked: nothing was printed, or it is gone


def test_following_begins_when_a_node_has_the_run(desk):
    waits = attrs.evolve(RUN, state="waiting", node=None, node_id=None)
    desk.books.states = [waits] * 9 + [GOING_ON]
    desk.line.fates = ["answered"]
    assert desk.get("?follow=1").body == b"from there"
    assert desk.books.waited == [0.05, 0.1, 0.2, 0.4, 0.8, 1, 1, 1, 1]


def test_following_ends_when_the_run_goes_before_a_node_has_it(desk):
    desk.books.states = [attrs.evolve(RUN, state="waiting", node=None, node_id=None)] * 2
    desk.books.states.append(attrs.evolve(RUN, state="skipped", node=None, node_id=None))
    desk.books.where = OutputLocation(here=True)
    desk.books.over.callback(RUN)
    answer = desk.get("?follow=1")
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("method", [b"GET", b"POST"])  # the second outlives its client
def test_a_client_that_goes_while_a_run_waits_is_not_waited_for(desk, method):
    desk.books.states = [attrs.evolve(RUN, state="waiting", node=None, node_id=None)]
    held: list[Deferred[None]] = []

    def moment(_seconds):
        held.append(Deferred())
        return held[-1]

    desk.books.moment = moment
    said, _ = exchange(desk.site, method + b" /output?follow=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert said == b""
    if method == b"POST":
        held[0].callback(None)
    assert [each.called for each in held] == [True]
    assert desk.line.asked == []


def test_a_store_that_is_away_does_not_end_what_is_followed(desk):
    desk.books.states = [GOING_ON]
    desk.books.where = OutputLocation(here=True)
    desk.books.path.write_bytes(DATA)
    ends, looks = [Unavailable("away"), Busy("many ask"), RUN], []

    async def ended(run_id, seconds):
        looks.append(run_id)
        end = ends.pop(0)
        if isinstance(end, Exception):
            raise end
        return end

    desk.books.ended = ended
    assert desk.get("?follow=1").body == DATA
    assert len(looks) == 3


def test_a_run_forgotten_while_it_is_followed_prints_no_more(desk):
    desk.books.states = [GOING_ON]
    desk.books.where = OutputLocation(here=True)
    desk.books.path.write_bytes(DATA)
    desk.books.over = fail(NotFound("there is no run r/1"))
    assert desk.get("?follow=1").body == DATA


def following(desk, version="1.1"):
    """What a client hears that follows, and its wire."""
    said, wire = exchange(desk.site, f"GET /output?follow=1 HTTP/{version}\r\nHost: localhost\r\n\r\n".encode())
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/{version} 200 OK\r\n".encode())
    return body, wire


@pytest.mark.parametrize("kind", [RuntimeError, Unavailable])
def test_a_fault_in_mid_answer_cuts_it_off_without_our_words(desk, kind):
    desk.books.states = [GOING_ON]
    desk.books.where = OutputLocation(here=True)
    desk.books.path.write_bytes(DATA)

    async def moment(_seconds):
        raise kind("a fault")

    desk.books.moment = moment
    with capturedLogs() as log:
        body, wire = following(desk)
    assert body == b"%x\r\n%s\r\n" % (len(DATA), DATA), "no last chunk: the client sees that it is not the whole"
    assert wire.disconnecting
    assert [formatEvent(event).startswith("/output?follow=1 was cut off") for event in log] == [True]


def test_an_end_that_nobody_can_tell_cuts_off_the_following(desk):
    desk.books.states = [GOING_ON]
    desk.books.where = OutputLocation(here=True)
    desk.books.path.write_bytes(DATA)
    desk.books.over = fail(RuntimeError("a fault"))
    with capturedLogs():
        body, wire = following(desk)
    assert body.endswith(DATA + b"\r\n")
    assert wire.disconnecting


def test_a_client_that_knows_no_chunks_sees_a_reset(desk):
    desk.books.states = [GOING_ON]
    desk.books.where = OutputLocation(here=True)
    desk.books.path.write_bytes(DATA)
    desk.books.over = fail(RuntimeError("a fault"))
    with capturedLogs():
        body, wire = following(desk, "1.0")
    assert body == DATA
    assert wire.disconnected


def of_size(path, size):
    """What the system says of a file, but for its size."""
    real = path.stat()
    kept = {name: getattr(real, name) for name in ("st_mode", "st_uid", "st_nlink")}
    return SimpleNamespace(**kept, st_size=size, st_mtime_ns=1)


@ensureDeferred
async def test_a_file_shorter_than_was_said_cuts_the_answer_off(desk, monkeypatch):
    desk.books.where = OutputLocation(here=True)
    desk.books.path.write_bytes(DATA)
    told = of_size(desk.books.path, 2 * len(DATA))
    with capturedLogs() as log, monkeypatch.context() as cut:
        cut.setattr(os, "fstat", lambda _: told)
        answer, wire = await fetch(desk.site, "GET", "/output")
    assert (answer.body, answer.headers["content-length"]) == (DATA, str(2 * len(DATA)))
    assert wire.disconnecting
    assert "was cut off" in formatEvent(log[0])


@ensureDeferred
async def test_an_unreadable_file_is_a_problem_and_no_half_answer(desk, monkeypatch):
    desk.books.where = OutputLocation(here=True)
    desk.books.path.write_bytes(b"")
    told = of_size(desk.books.path, 10)
    with capturedLogs(), monkeypatch.context() as cut:
        cut.setattr(os, "fstat", lambda _: told)
        answer, _ = await fetch(desk.site, "GET", "/output", range="bytes=1-2")
    assert answer.problem[0] == 500
    assert not {"etag", "content-range", "accept-ranges"} & answer.headers.keys()
    assert answer.headers["cache-control"] == "no-store"


# Ranges

LENGTH = len(DATA)


@pytest.fixture
def here(desk):
    """A file of DATA; asks for it."""
    desk.books.where = OutputLocation(here=True)
    desk.books.path.write_bytes(DATA)
    desk.books.over.callback(RUN)

    async def get(question="", method="GET", **headers):
        answer, _ = await fetch(desk.site, method, f"/output{question}", **headers)
        return answer

    return get


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-4", 0, 4),
        ("bytes=5-", 5, LENGTH - 1),
        ("bytes=-5", LENGTH - 5, LENGTH - 1),
        ("bytes=-5000", 0, LENGTH - 1),  # more than there is: all of it
        ("bytes=0-5000", 0, LENGTH - 1),
        ("bytes=0-" + "9" * 4200, 0, LENGTH - 1),
        ("Bytes=0-4", 0, 4),
        (f"bytes={LENGTH - 1}-{LENGTH - 1}", LENGTH - 1, LENGTH - 1),
    ],
)
@ensureDeferred
async def test_a_range_is_answered_with_its_bytes(here, asked, first, last):
    answer = await here(range=asked)
    assert (answer.status, answer.body) == (206, DATA[first : last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{LENGTH}"
    assert answer.headers["content-length"] == str(last + 1 - first)
    assert answer.headers["etag"] == (await here()).headers["etag"]


@pytest.mark.parametrize("asked", [f"bytes={LENGTH}-", "bytes=5000-6000", "bytes=-0", "bytes=" + "9" * 4200 + "-"])
@ensureDeferred
async def test_a_range_behind_the_end_cannot_be_satisfied(here, asked):
    answer = await here(range=asked)
    assert answer.problem[:2] == (416, f"the output has {LENGTH} bytes")
    assert answer.headers["content-range"] == f"bytes */{LENGTH}"
    assert "etag" not in answer.headers


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=" + "9" * 5000 + "-",
        "bytes=-" + "9" * 5000,
        "bytes=0-1,3-4",
        "bytes=4-0",
        "bytes=",
        "bytes=a-b",
        "bytes=0-1,",
        "bytes=+1-2",
        "bytes=\u00b2-",
        "lines=0-1",
        "0-1",
    ],
)
@ensureDeferred
async def test_what_is_no_single_range_of_bytes_gets_the_whole(here, asked):
    answer = await here(range=asked)
    assert (answer.status, answer.body) == (200, DATA)
    assert "content-range" not in answer.headers


@ensureDeferred
async def test_ranges_are_for_get_and_for_the_whole_output_alone(here, desk):
    whole = await here()
    head = await here(method="HEAD", range="bytes=0-4")
    assert (head.status, head.headers["content-length"]) == (200, str(LENGTH))
    assert head.headers["etag"] == whole.headers["etag"]
    for question in ("?tail=1", "?follow=1"):
        answer = await here(question, range="bytes=0-1")
        assert (answer.status, answer.headers["accept-ranges"]) == (200, "none")
        assert "etag" not in answer.headers
    two = await here(range="bytes=0-1\r\nRange: bytes=2-3")
    assert (two.status, two.body) == (200, DATA)


@ensureDeferred
async def test_if_range_gives_the_rest_only_of_what_is_still_the_same(here, desk):
    tag = (await here()).headers["etag"]
    assert (await here(range="bytes=5-", if_range=tag)).status == 206
    for other in (f"W/{tag}", tag.strip('"'), '"other"', "Sat, 29 Oct 2033 19:43:31 GMT", '""', "*", f"{tag}, {tag}"):
        answer = await here(range="bytes=5-", if_range=other)
        assert (answer.status, answer.body) == (200, DATA), other
    with desk.books.path.open("ab") as file:
        file.write(b"more\n")
    grown = await here(range="bytes=5-", if_range=tag)
    assert (grown.status, grown.body) == (200, DATA + b"more\n")
    assert grown.headers["etag"] != tag
    assert (await here(range="bytes=5000-", if_range=tag)).status == 200, "what was asked for is another: not even 416"


@ensureDeferred
async def test_an_output_that_is_known_already_is_not_sent_again(here):
    tag = (await here()).headers["etag"]
    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        answer = await here(if_none_match=known)
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["etag"] == tag
        assert answer.headers["cache-control"] == "no-store"
        assert not {"content-type", "content-length", "transfer-encoding"} & answer.headers.keys()
        assert (await here(if_none_match=known, range="bytes=0-1")).status == 304  # comes before Range
    assert (await here(if_none_match='"x"', range="bytes=0-1")).status == 206
    assert (await here(if_match=tag, if_none_match=tag)).status == 304
    assert (await here(if_match='"x"', if_none_match=tag)).problem[0] == 412  # comes first
    assert (await here(if_match=f"W/{tag}")).problem[0] == 412  # is compared strongly
    assert (await here("?follow=1", if_match='"x"')).problem[0] == 412  # has no tag
    assert (await here("?follow=1", if_none_match="*")).status == 304
    assert (await here("?tail=1", if_match='"x"')).problem[0] == 412


def test_what_the_store_keeps_has_no_tag(desk):
    desk.keep()
    desk.line.fates = ["unreachable"] * 10
    assert "etag" not in desk.get().headers
    assert desk.get(range="bytes=0-1", if_range='"x"').status == 200
    assert desk.get(if_match='"x"').problem[0] == 412
    assert desk.get(if_none_match='"x"').body == DATA
    assert desk.get(if_none_match="*").status == 304
