"""Where an answer with output comes from: a file, another node, or the end that the store keeps."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs
import pytest
from twisted.internet.defer import Deferred

from jobsched.model.errors import Unavailable
from jobsched.model.run import Run
from jobsched.model.whereabouts import Whereabouts
from jobsched.rest.output import Outputs
from jobsched.rest.queries import Reading
from jobsched.rest.route import Route, query
from jobsched.rest.site import site
from jobsched.store.tails import Tail
from tests.unit.rest.conftest import Reactor, ask, exchange

T0 = datetime(2026, 1, 1, tzinfo=UTC)
RUN = Run(id="r/1", job_id="j", job_name="j", task="t", due=T0, created=T0, state="succeeded", node="a", node_id="a-1")
GOING_ON = attrs.evolve(RUN, state="running")
LACK = "node a, which has the whole, cannot be reached"
AWAY = Whereabouts(urls=("http://a:1/", "http://a:2"), lack=LACK)
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
        self.over = Deferred()

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

    async def whereabouts(self, run):
        return self.where

    async def tail(self, run_id):
        return self.kept

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
    outputs = Outputs(books, line)

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
    desk.books.where = Whereabouts(here=True)
    desk.books.path.write_bytes(DATA)
    desk.books.over.callback(RUN)
    assert desk.get("?follow=1").body == DATA
    assert desk.get("?follow=1&tail=1").body == b"last\n"
    assert desk.get("?follow=1", jobsched_relayed="1").body == DATA
    assert ask(desk.site, "HEAD", "/output", host="localhost").headers["content-length"] == str(len(DATA))
    assert desk.line.asked == []


def test_another_node_that_asks_is_told_that_it_is_not_here_and_no_third_is_asked(desk):
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
def test_the_end_in_the_store_is_given_after_a_line_that_says_so(desk, fates, lack):
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
    desk.books.where = Whereabouts(lack=LACK)
    answer = desk.get("" if lines is None else f"?tail={lines}")
    assert (answer.body, answer.headers["jobsched-output"]) == (body, said)


def test_a_run_that_ends_while_its_node_is_asked_is_answered_from_the_store(desk):
    desk.keep()
    desk.books.states = [GOING_ON, RUN]
    desk.line.fates = ["unreachable", "unreachable"]
    assert desk.get().body == DATA


@pytest.mark.parametrize("question", ["", "?follow=1"])
def test_one_that_goes_on_where_nobody_can_be_asked_is_503_and_says_what_to_do(desk, question):
    desk.keep()
    desk.books.states = [GOING_ON]
    desk.line.fates = ["unreachable", "unreachable"]
    answer = desk.get(question)
    words = f"{LACK}; ask that node, or again when the run has ended: its end is stored then"
    assert answer.problem[:2] == (503, words)
    assert int(answer.headers["retry-after"]) > 0


def test_one_of_which_the_store_has_nothing_is_503_until_its_node_is_back(desk):
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


def test_following_gives_up_when_the_run_is_gone_before_a_node_had_it(desk):
    desk.books.states = [attrs.evolve(RUN, state="waiting", node=None, node_id=None)] * 2
    desk.books.states.append(attrs.evolve(RUN, state="skipped", node=None, node_id=None))
    desk.books.where = Whereabouts(here=True)
    desk.books.over.callback(RUN)
    answer = desk.get("?follow=1")
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("method", [b"GET", b"POST"])  # the second outlives its client
def test_a_client_that_goes_while_a_run_waits_is_not_waited_for(desk, method):
    desk.books.states = [attrs.evolve(RUN, state="waiting", node=None, node_id=None)]
    held = []

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


def test_a_store_that_is_away_for_a_while_does_not_end_what_is_followed(desk):
    desk.books.states = [GOING_ON]
    desk.books.where = Whereabouts(here=True)
    desk.books.path.write_bytes(DATA)
    ends, looks = [Unavailable("away"), Unavailable("away"), RUN], []

    async def ended(run_id, seconds):
        looks.append(run_id)
        end = ends.pop(0)
        if isinstance(end, Exception):
            raise end
        return end

    desk.books.ended = ended
    assert desk.get("?follow=1").body == DATA
    assert len(looks) == 3
