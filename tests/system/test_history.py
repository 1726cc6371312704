"""What a person asks about what happened: output, followed and in parts; lists, filtered and page by page; waiting."""

import re
import socket
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from urllib.parse import quote

import pytest

from tests.present import present
from tests.system.caller import Caller, instant
from tests.system.daemon import GENEROUS, daemon_in, until

TALK = "#!/bin/sh\nfor n in 1 2 3 4 5; do echo line $n; sleep 0.3; done\n"
STEPS = """#!/bin/sh
for n in 1 2 3 4 5; do
    echo line $n
    until [ -e step-$n ]; do sleep 0.05; done
done
"""
FLOOD = (
    "#!/bin/sh\nhead -c 30000000 /dev/zero | tr '\\0' x\nwhile [ ! -e enough ]; do sleep 0.05; done\necho; echo end\n"
)
HELD = "#!/bin/sh\nwhile [ ! -e let-go ]; do sleep 0.05; done\n"
LINES = "#!/bin/sh\nprintf '1\\n2\\n3\\n\\n5\\nsix'\n"


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    with daemon_in(tmp_path_factory.mktemp("history") / "daemon") as daemon:
        texts = {"talk": TALK, "steps": STEPS, "flood": FLOOD, "held": HELD, "lines": LINES, "silent": "#!/bin/sh\n"}
        for name, text in texts.items():
            daemon.script(name, text)
        daemon.start()
        yield Caller(daemon)


@pytest.fixture(scope="module")
def lines(ask):
    run = ask.run(ask.make("lines"))
    ask.ended(run)
    return f"{run}/output"


def stream(ask, method, path):
    """The answer as soon as its head is there, and its connection."""
    client = HTTPConnection("127.0.0.1", ask.daemon.port, timeout=GENEROUS)
    client.request(method, path)
    return client, client.getresponse()


# Following.


def test_a_run_that_is_followed_streams_its_output_as_it_comes(ask):
    job = ask.make("steps")
    client, answer = stream(ask, "POST", f"{job}/run?follow=1")
    with closing(client):
        run = present(re.fullmatch(r"http://.*(/runs/[0-9a-f-]+)", answer.headers["location"]))[1]
        assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
        for step in range(1, 6):
            assert answer.readline() == b"line %d\n" % step
            (ask.daemon.folder / f"step-{step}").touch()  # the next line is not printed before
        assert answer.read() == b""
    assert ask.ended(run)["state"] == "succeeded"


def test_two_follow_one_run_and_one_that_comes_late_gets_it_all(ask):
    run = ask.run(ask.make("talk"))
    until(lambda: ask.text(f"{run}/output"))
    followers = [stream(ask, "GET", f"{run}/output?follow=1") for _ in range(2)]
    late = ask.text(f"{run}/output?follow=1")
    assert late == "line 1\nline 2\nline 3\nline 4\nline 5\n"
    for client, answer in followers:
        with closing(client):
            assert answer.read().decode() == late
    assert ask.text(f"{run}/output?follow=1&tail=2") == "line 4\nline 5\n"


def test_a_slow_follower_blocks_nobody_and_gets_it_all(ask):
    run = ask.run(ask.make("flood"))
    slow = socket.create_connection(("127.0.0.1", ask.daemon.port), timeout=GENEROUS)
    with slow:
        slow.sendall(f"GET {run}/output?follow=1 HTTP/1.0\r\n\r\n".encode())
        until(lambda: int(ask.ask("HEAD", f"{run}/output").headers["content-length"]) == 30_000_000)
        client, quick = stream(ask, "GET", f"{run}/output?follow=1")
        with closing(client):
            assert ask.get("/health")["status"] == "ok"
            (ask.daemon.folder / "enough").touch()
            assert len(quick.read()) == 30_000_005
        assert ask.ended(run)["state"] == "succeeded"
        received = b"".join(iter(lambda: slow.recv(1 << 20), b""))
    assert received.endswith(b"x\nend\n")
    assert len(received.partition(b"\r\n\r\n")[2]) == 30_000_005


def test_following_what_is_there_takes_as_long_as_its_bytes(ask):
    (ask.daemon.folder / "enough").touch()
    run = ask.run(ask.make("flood"))
    ask.ended(run)
    took = []
    for _ in range(3):  # the quickest tells of the daemon, the others of what else this machine does
        begun = time.monotonic()
        assert len(ask.ask("GET", f"{run}/output?follow=1").content) == 30_000_005
        took.append(time.monotonic() - begun)
    assert min(took) < 8  # a tenth of a second for each piece would be 11


def test_a_follower_that_hangs_up_leaves_the_run_alone(ask):
    run = ask.run(ask.make("talk"))
    client, answer = stream(ask, "GET", f"{run}/output?follow=1")
    assert answer.readline() == b"line 1\n"
    answer.close()
    client.close()
    assert ask.ended(run)["state"] == "succeeded"


def test_following_a_run_that_prints_nothing_ends_with_it(ask):
    run = ask.run(ask.make("silent"))
    assert ask.text(f"{run}/output?follow=1") == ""
    assert ask.get(run)["state"] == "succeeded"
    assert ask.ask("GET", "/runs/nothing/output?follow=1").fault == (404, "")
    assert ask.ask("POST", "/jobs/nothing/run?follow=1").fault == (404, "")


def test_waiting_answers_at_the_end_of_the_run_or_of_the_time(ask):
    run = ask.run(ask.make("held"))
    begun = time.monotonic()
    assert ask.get(f"{run}?wait=0.3")["state"] in {"waiting", "running"}
    assert time.monotonic() - begun >= 0.3
    (ask.daemon.folder / "let-go").touch()
    ended = ask.get(f"{run}?wait=600")  # much longer than it is asked for
    assert ended["state"] == "succeeded"
    assert ask.get(f"{run}?wait=600") == ended
    for wrong in ("-1", "3601", "nan", "soon", "null", ""):
        assert ask.ask("GET", f"{run}?wait={wrong}").fault == (400, "?wait")


# Parts of an output.

WHOLE = "1\n2\n3\n\n5\nsix"


@pytest.mark.parametrize(
    ("asked", "expected", "content_range"),
    [
        ("bytes=0-3", "1\n2\n", "bytes 0-3/12"),
        ("bytes=4-", "3\n\n5\nsix", "bytes 4-11/12"),
        ("bytes=-3", "six", "bytes 9-11/12"),
        ("bytes=-100", WHOLE, "bytes 0-11/12"),
        ("bytes=10-100", "ix", "bytes 10-11/12"),
        ("bytes=11-11", "x", "bytes 11-11/12"),
    ],
)
def test_a_range_is_that_part(ask, lines, asked, expected, content_range):
    answer = ask.ask("GET", lines, Range=asked)
    assert (answer.status, answer.text, answer.headers["content-range"]) == (206, expected, content_range)
    assert answer.headers["content-length"] == str(len(expected))
    head = ask.ask("HEAD", lines, Range=asked)  # ranges are for GET alone
    assert (head.status, head.headers["content-length"], head.content) == (200, str(len(WHOLE)), b"")
    assert head.headers["etag"] == answer.headers["etag"]
    assert ask.ask("GET", lines, Range=asked, If_Range=answer.headers["etag"]).status == 206
    assert ask.ask("GET", lines, Range=asked, If_Range='"another"').text == WHOLE
    assert ask.ask("GET", lines, If_None_Match=answer.headers["etag"]).status == 304


@pytest.mark.parametrize("asked", ["bytes=12-", "bytes=100-200", "bytes=-0"])
def test_a_range_behind_the_end_is_refused(ask, lines, asked):
    answer = ask.ask("GET", lines, Range=asked)
    assert answer.fault == (416, "")
    assert answer.headers["content-range"] == "bytes */12"


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=a-b", "lines=1-2", "bytes=0-1,3-4", "bytes=-", "", "bytes"])
def test_what_is_no_range_is_ignored(ask, lines, asked):
    answer = ask.ask("GET", lines, Range=asked)
    assert (answer.status, answer.text, answer.headers["accept-ranges"]) == (200, WHOLE, "bytes")


@pytest.mark.parametrize(
    ("count", "expected"), [(0, ""), (1, "six"), (2, "5\nsix"), (3, "\n5\nsix"), (6, WHOLE), (1000, WHOLE)]
)
def test_a_tail_is_so_many_lines(ask, lines, count, expected):
    assert ask.text(f"{lines}?tail={count}") == expected


@pytest.mark.parametrize(
    "query", ["tail=-1", "tail=x", "tail=1.5", "tail=null", "follow=perhaps", "tail=1&tail=2", "no=1"]
)
def test_a_query_that_makes_no_sense_is_refused_with_its_place(ask, lines, query):
    assert ask.ask("GET", f"{lines}?{query}").fault == (400, "?" + query.partition("=")[0])


# Lists.


def pages(ask, path):
    """What is in each page, following Link to its end."""
    while path:
        answer = ask.ask("GET", path)
        assert answer.status == 200, answer
        yield answer.json["values"]
        link = answer.headers.get("link")
        path = link and present(re.fullmatch(r"<(http://127\.0\.0\.1:\d+/.*)>; rel=\"next\"", link))[1]


def test_jobs_come_in_the_order_they_were_made_page_by_page(ask):
    names = [f"page & {n}" for n in range(7)]
    made = [ask.make("example", name=name).rpartition("/")[2] for name in names]
    whole = [job["id"] for job in ask.get("/jobs")["values"]]
    assert whole[-7:] == made
    found = list(pages(ask, "/jobs?limit=3"))
    assert [job["id"] for page in found for job in page] == whole
    assert {len(page) for page in found[:-1]} == {3}
    assert [job["id"] for job in ask.get(f"/jobs?after={made[4]}")["values"]] == made[5:]


def test_jobs_are_found_by_name_task_and_state(ask):
    name = "null & 100% ünlike/others"
    jobs = [ask.make(task, name=name) for task in ("example", "silent", "silent")]
    ids = [job.rpartition("/")[2] for job in jobs]
    ask.ask("POST", f"{jobs[1]}/pause")

    def found(**asked):
        query = "&".join(f"{key}={quote(value, safe='')}" for key, value in asked.items())
        listed = [job["id"] for page in pages(ask, f"/jobs?limit=1&{query}") for job in page]
        return [ids.index(job) for job in listed]

    assert found(name=name) == [0, 1, 2]
    assert found(name=name, task="silent") == [1, 2]
    assert found(name=name, state="paused") == [1]
    assert found(name=name, task="silent", state="scheduled") == [2]
    assert found(name=name, state="ended") == []
    assert ask.get("/jobs?name=null")["values"] == []
    for wrong in ("state=gone", "limit=0", "limit=1001", "limit=x", "state=null"):
        assert ask.ask("GET", f"/jobs?{wrong}").fault == (400, "?" + wrong.partition("=")[0])


def test_runs_come_newest_first_by_pages_of_one_job_and_of_all(ask):
    jobs = [ask.make("example", overlap="allow") for _ in range(2)]
    made = [ask.run(jobs[n % 2]) for n in range(8)]
    for run in made:
        ask.ended(run)
    made = [run.rpartition("/")[2] for run in made]
    everywhere = [run["id"] for page in pages(ask, "/runs?limit=5") for run in page]
    assert everywhere[:8] == made[::-1]
    assert everywhere == [run["id"] for run in ask.get("/runs?limit=1000")["values"]]
    for first, job in enumerate(jobs):
        found = list(pages(ask, f"{job}/runs?limit=2"))
        assert [len(page) for page in found] == [2, 2]
        assert [run["id"] for page in found for run in page] == made[first::2][::-1]
    assert [run["id"] for run in ask.get(f"/runs?after={made[2]}")["values"]][:2] == [made[1], made[0]]


def test_runs_are_found_by_state_and_by_due(ask):
    start = datetime.now(UTC).replace(microsecond=250_000) + timedelta(seconds=2)
    job = ask.make("example", 0.25, start=start.isoformat(), max_runs=4, overlap="allow", catch_up="all")
    until(lambda: len(ask.runs(job, "succeeded")) == 4)
    dues = [instant(run["due"]) for run in ask.runs(job)]

    def found(**asked):
        query = "&".join(f"{name}={quote(value)}" for name, value in asked.items())
        return [dues.index(instant(run["due"])) for run in ask.get(f"{job}/runs?{query}")["values"]]

    assert found(**{"from": dues[1].isoformat()}) == [3, 2, 1]
    assert found(to=dues[1].isoformat()) == [0]
    assert found(**{"from": dues[1].isoformat(), "to": dues[3].isoformat()}) == [2, 1]
    assert found(state="succeeded", to=dues[2].isoformat()) == [1, 0]
    assert found(state="failed") == []
    in_nepal = dues[1].astimezone().isoformat().replace("Z", "+00:00")
    assert len(ask.get(f"{job}/runs?from={in_nepal}")["values"]) == 3  # a bare plus sign, as a person types it
    for wrong in ("state=gone", "from=yesterday", "to=2024-01-01T00:00:00", "from=0.5", "limit=-1"):
        assert ask.ask("GET", f"{job}/runs?{wrong}").fault == (400, "?" + wrong.partition("=")[0])
    assert ask.ask("GET", "/jobs/nothing/runs").fault == (404, "")
