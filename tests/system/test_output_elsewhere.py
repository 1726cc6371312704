"""Any node serves what any run printed: two daemons on one PostgreSQL, asked through the one that did not run it."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, IncompleteRead
from pathlib import Path

import psutil
import pytest

from jobsched.runner.records import KEPT
from tests.servers import Server
from tests.system.caller import Caller, still
from tests.system.daemon import GENEROUS, until
from tests.system.pair import NUMBERS, STEPPED, Pair, pair_in
from tests.system.screens import Browser

MIB = 1 << 20


@pytest.fixture(scope="module")
def server(running: Callable[[str], Server]) -> Server:
    return running("postgresql")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Iterator[Pair]:
    """Both run, for tests that leave them as they are."""
    with pair_in(tmp_path_factory.mktemp("pair"), server) as one:
        one.start()
        yield one


@pytest.fixture(scope="module")
def lines(pair: Pair) -> str:
    """A run that printed more than the store keeps."""
    return pair.ended("lines")


@pytest.fixture
def fragile(tmp_path: Path, server: Server) -> Iterator[Pair]:
    """Two of whom one may die."""
    with pair_in(tmp_path, server) as one:
        one.start()
        yield one


@pytest.fixture
def mortal(tmp_path: Path, server: Server) -> Iterator[Pair]:
    """Two of whom one that dies is soon taken for dead."""
    with pair_in(tmp_path, server, lease=10) as one:
        one.start()
        yield one


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {}),
        ("", {"range": "bytes=0-99"}),
        ("", {"range": "bytes=-100"}),
        ("", {"range": "bytes=100000-"}),
        ("", {"range": "bytes=99999999-"}),
        ("", {"range": "lines=1-2"}),
        ("", {"range": "bytes=" + "9" * 5000 + "-"}),
        ("", {"range": "bytes=0-9", "if_range": '"another"'}),
        ("", {"if_none_match": "*"}),
        ("", {"if_match": '"another"'}),
        ("?tail=3", {"range": "bytes=0-9"}),
        ("?follow=1", {"range": "bytes=0-9"}),
        ("?tail=3", {}),
        ("?tail=0", {}),
        ("?tail=1000000", {}),
        ("?follow=1", {}),
        ("?follow=1&tail=2", {}),
        ("?tail=many", {}),
    ],
)
def test_it_answers_as_the_node_that_has_it(pair, lines, method, query, headers):
    here = pair.output(lines, query, method, **headers)
    there = Caller(pair.worker).ask(method, f"{lines}/output{query}", **headers)

    assert (here.status, here.content) == (there.status, there.content)
    for answer in (here, there):
        del answer.headers["date"]
    assert here.headers == there.headers
    assert "jobsched-output" not in here.headers


def test_its_tag_is_the_same_here_and_there(pair, lines):
    tag = pair.output(lines).headers["etag"]
    part = pair.output(lines, range="bytes=0-9", if_range=tag)
    assert (part.status, part.content) == (206, NUMBERS[:10])
    known = pair.output(lines, if_none_match=tag)
    assert (known.status, known.content, known.headers["etag"]) == (304, b"", tag)
    assert pair.output(lines, if_match=tag).content == NUMBERS


def test_the_whole_is_what_the_run_printed(pair, lines):
    assert len(NUMBERS) > 4 * KEPT
    assert pair.output(lines).content == NUMBERS
    assert not list(pair.front.folder.glob("var/output/*/*.log"))


@pytest.mark.parametrize(("query", "first"), [("?follow=1", b"begun\n"), ("?follow=1&tail=0", b"")])
def test_it_is_followed_live_and_to_the_end(pair, query, first):
    run, step = pair.begun()
    with pair.stream(f"{run}/output{query}") as answer:
        assert answer.status == 200
        seen = answer.readline() if first else b""
        assert seen == first
        for number in (1, 2, 3):
            step(number)
            seen += answer.readline()
            assert seen == first + b"".join(STEPPED.splitlines(True)[1 : number + 1])
        assert answer.read() == b""
    assert pair.ask.ended(run)["state"] == "succeeded"


def test_what_there_is_so_far_can_be_read(pair):
    run, step = pair.begun()
    assert pair.output(run).content == b"begun\n"
    for number in (1, 2, 3):
        step(number)
    pair.ask.ended(run)
    assert pair.output(run).content == STEPPED


def test_a_run_asked_for_here_that_runs_there_is_followed(pair):
    job = pair.job("few")
    answer = pair.ask.ask("POST", f"{job}/run?follow=1")

    assert (answer.status, answer.content) == (200, b"one\ntwo\nthree\n")
    run = answer.headers["location"].rpartition("/runs/")[2]
    assert pair.ask.get(f"/runs/{run}")["node"] == "worker"


def test_one_that_waits_for_its_turn_is_followed_from_its_start(pair):
    parameters, step = pair.gate()
    job = pair.job("steps", parameters=parameters, overlap="queue")
    first = pair.ask.run(job)
    until(lambda: pair.ask.get(first)["state"] == "running")
    client = HTTPConnection("127.0.0.1", pair.front.port, timeout=GENEROUS)
    with contextlib.closing(client):
        client.request("POST", f"{job}/run?follow=1")
        until(lambda: pair.ask.runs(job, "waiting"))
        for number in (1, 2, 3):
            step(number)
        answer = client.getresponse()
        assert (answer.status, answer.read()) == (200, STEPPED)


def test_a_relayed_question_is_not_asked_again(pair):
    """One that goes in circles would never end: a node that has nothing says so to another node."""
    run, step = pair.begun()
    answer = pair.output(run, jobsched_relayed="1")
    assert answer.fault == (404, "")
    assert pair.output(run).status == 200
    for number in (1, 2, 3):
        step(number)


def test_a_slow_client_makes_neither_node_grow(pair):
    run = pair.ended("much")
    path = pair.file(run)
    pair.output(run, range="bytes=0-0")  # what is needed once is there now
    with pair.stream(f"{run}/output") as answer:
        read = answer.read(1)
        nodes = [psutil.Process(node.process.pid) for node in (pair.front, pair.worker)]
        before = [node.memory_info().rss for node in nodes]

        def small() -> bool:
            return all(node.memory_info().rss - least < 8 * MIB for node, least in zip(nodes, before, strict=True))

        still(small, 3)
        found = hashlib.sha256(read)
        while piece := answer.read(MIB):
            found.update(piece)
            assert small()
    assert found.digest() == hashlib.sha256(path.read_bytes()).digest()
    assert path.stat().st_size == 48 * MIB


def test_a_killed_node_leaves_the_end_of_what_its_runs_printed(fragile):
    big, small = fragile.ended("lines"), fragile.ended("few")
    running, _ = fragile.begun()
    fragile.worker.kill()

    answer = fragile.output(big)
    line, _, rest = answer.content.partition(b"\n")
    assert answer.status == 200
    assert rest == NUMBERS[-KEPT:]
    said = f"[the last {KEPT} of {len(NUMBERS)} bytes: node worker, which has the whole, cannot be reached]"
    assert line.decode() == said
    assert answer.headers["jobsched-output"] == "tail"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-length"] == str(len(answer.content))
    assert fragile.output(big, range="bytes=0-9").content == answer.content
    assert fragile.output(big, "?follow=1").content == answer.content
    head = fragile.output(big, method="HEAD")
    assert (head.content, head.headers["content-length"]) == (b"", str(len(answer.content)))

    for query, expected in (("", b"one\ntwo\nthree\n"), ("?tail=2", b"two\nthree\n"), ("?follow=1&tail=0", b"")):
        answer = fragile.output(small, query)
        assert (answer.content, answer.headers["jobsched-output"]) == (expected, "whole")
    answer = fragile.output(big, "?tail=2")
    assert (answer.content, answer.headers["jobsched-output"]) == (b"line 29998\nline 29999\n", "whole")

    for query in ("", "?follow=1", "?tail=3"):
        answer = fragile.output(running, query)
        assert answer.fault == (503, "")
        assert answer.json["detail"].startswith("node worker, which has the whole, cannot be reached; ask that node")
        assert int(answer.headers["retry-after"]) > 0


def test_a_node_that_comes_back_brings_its_output_along(mortal):
    big = mortal.ended("lines")
    running, _ = mortal.begun()
    mortal.worker.kill()
    until(lambda: mortal.ask.get(running)["state"] == "lost")
    answer = mortal.output(running)
    assert answer.fault == (503, "")
    assert "the store has nothing of it" in answer.json["detail"]

    mortal.worker.start()
    until(lambda: mortal.output(running).content == b"begun\n")
    answer = mortal.output(big)
    assert (answer.content, answer.headers.get("jobsched-output")) == (NUMBERS, None)


def test_a_node_that_comes_back_without_its_files_says_so(fragile):
    big, small = fragile.ended("lines"), fragile.ended("few")
    fragile.worker.stop()
    shutil.rmtree(fragile.worker.folder / "var" / "output")
    fragile.worker.start()
    said = f"[the last {KEPT} of {len(NUMBERS)} bytes: node worker no longer has the whole]\n".encode()
    until(lambda: fragile.output(big).content == said + NUMBERS[-KEPT:])
    assert Caller(fragile.worker).text(f"{big}/output").encode() == said + NUMBERS[-KEPT:]
    assert fragile.output(small).content == b"one\ntwo\nthree\n"


def test_an_answer_that_breaks_off_there_breaks_off_here(fragile):
    run, step = fragile.begun()
    with fragile.stream(f"{run}/output?follow=1") as answer:
        assert answer.readline() == b"begun\n"
        step(1)
        assert answer.readline() == b"step 1\n"
        fragile.worker.kill()
        with pytest.raises(IncompleteRead):
            answer.read()


def test_a_node_without_an_address_cannot_be_asked(tmp_path, server):
    with pair_in(tmp_path, server, address=False) as pair:
        pair.start()
        big, small = pair.ended("lines"), pair.ended("few")
        answer = pair.output(big)
        said = f"[the last {KEPT} of {len(NUMBERS)} bytes: node worker, which has the whole, has no NODE_URL]\n"
        assert answer.content == said.encode() + NUMBERS[-KEPT:]
        assert pair.output(small).content == b"one\ntwo\nthree\n"
        assert pair.ask.text(f"{pair.ended('few')}/output?tail=1") == "three\n"

        parameters, step = pair.gate()
        job = pair.job("steps", parameters=parameters)
        answer = pair.ask.ask("POST", f"{job}/run?follow=1")
        assert (answer.status, answer.content) == (202, b"")  # it is made all the same
        run = "/runs/" + answer.headers["location"].rpartition("/runs/")[2]
        answer = pair.output(run)
        assert answer.fault == (503, "")
        assert answer.json["detail"].startswith("node worker, which has the whole, has no NODE_URL; ask that node")
        until(lambda: Caller(pair.worker).text(f"{run}/output") == "begun\n")
        for number in (1, 2, 3):
            step(number)
        pair.ask.ended(run)
        assert pair.output(run).content == STEPPED


def test_the_page_of_a_node_shows_what_another_printed(pair: Pair, lines: str) -> None:
    browser = Browser(pair.front)
    screen = browser.open(f"/ui{lines}")
    assert "It lies on the node worker" in screen.main.text
    shown = screen.main.one("div", id="log").every("li")
    assert shown[-1].text.endswith("line 29999")
    assert browser.ask("GET", screen.link("All of it")).content == NUMBERS
    few = browser.open(f"/ui{pair.ended('few')}")
    assert [each.every("span")[0].text for each in few.main.one("div", id="log").every("li")] == ["one", "two", "three"]
    nodes = browser.open("/ui/nodes").main.text
    assert "front" in nodes
    assert "worker" in nodes
    assert "2 of 2 nodes" in screen.root.one("header").text
