"""What changes, followed as it comes: on one node, by callers of different rights, and on another node after a cut."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle
from urllib.parse import urlsplit

import pytest

from tests.system.caller import Caller
from tests.system.daemon import GENEROUS, Daemon, daemon_in, until
from tests.system.followed import followed
from tests.system.pair import Pair
from tests.system.secured import token

SLOW_SCRIPT = "#!/bin/sh\nsleep 600\n"


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with daemon_in(tmp_path_factory.mktemp("events") / "daemon") as daemon:
        daemon.script("fine", "#!/bin/sh\n")
        daemon.script("slow", SLOW_SCRIPT)
        daemon.start()
        yield Caller(daemon)


def test_a_job_and_its_run_are_told_as_they_change(ask: Caller) -> None:
    with followed(ask.daemon) as stream:
        stream.begun()
        job = ask.make("fine")
        run = ask.run(job)
        ask.ended(run)
        ask.ask("DELETE", job)
        events = [stream.next() for _ in range(5)]
    assert [event.kind for event in events] == ["job", "run", "run", "run", "job"]
    job_id, run_id = job.rpartition("/")[2], run.rpartition("/")[2]
    assert [event.data["id"] for event in events] == [job_id, run_id, run_id, run_id, job_id]
    assert events[3].data == ask.get(run)
    assert events[4].data == {"id": job_id, "deleted": True}
    numbers = [int(event.number or 0) for event in events]
    assert numbers == list(range(numbers[0], numbers[0] + 5))


def test_a_hold_is_told_from_its_begin_to_its_end_by_itself(ask: Caller) -> None:
    with followed(ask.daemon, "?kind=hold") as stream:
        stream.begun()
        assert ask.ask("PUT", "/hold", {"reason": "first"}).status == 201
        assert stream.next().data == ask.get("/hold")
        assert ask.ask("DELETE", "/hold").status == 200
        assert stream.next().data == {"what": "delete", "deleted": True}
        end = (datetime.now(UTC) + timedelta(seconds=6)).replace(microsecond=0)
        body = {"until": end.isoformat(), "select": {"labels": ["team=none"]}}
        assert ask.ask("PUT", "/hold", body).status == 201
        shown = ask.get("/hold")
        assert stream.next().data == shown
        assert stream.next().data == {"what": "end", "deleted": True}
        assert end <= datetime.now(UTC)


def test_whether_the_daemon_is_ready_is_told(ask: Caller) -> None:
    catalog = ask.daemon.folder / "conf" / "catalog.cfg"
    tasks = catalog.read_text()
    until(lambda: ask.ask("GET", "/health/ready").status == 200)
    with followed(ask.daemon, "?kind=ready,job") as stream, followed(ask.daemon) as other:
        other.begun()
        first = stream.next()
        assert (first.kind, first.data["ready"], first.data["problems"]) == ("ready", True, [])
        before = stream.last
        catalog.write_text("")
        assert ask.ask("POST", "/catalog/reload").status == 200
        event = stream.next()
        assert (event.data["ready"], event.data["problems"]) == (False, ["the catalog has no tasks"])
        assert stream.last == before, "it has no number"
        with followed(ask.daemon, "?kind=ready") as late:
            assert late.next().data == event.data
        catalog.write_text(tasks)
        assert ask.ask("POST", "/catalog/reload").status == 200
        assert stream.next().data == first.data
        job = ask.make("fine")
        assert stream.next().data["id"] == other.next().data["id"] == job.rpartition("/")[2]
    assert ask.ask("GET", "/events?kind=readiness").fault == (400, "?kind")


def test_only_what_is_asked_for_comes(ask: Caller) -> None:
    other, job = ask.make("fine"), ask.make("fine")
    with followed(ask.daemon, f"?kind=run&state=succeeded&job={job.rpartition('/')[2]}") as stream:
        stream.begun()
        ask.ended(ask.run(other))
        run = ask.run(job)
        ask.ended(run)
        event = stream.next()
    assert (event.data["id"], event.data["state"]) == (run.rpartition("/")[2], "succeeded")


def test_who_comes_back_misses_nothing_and_gets_nothing_twice(ask: Caller) -> None:
    job = ask.make("fine")
    with followed(ask.daemon, "?kind=run") as stream:
        stream.begun()
        first = ask.run(job)
        ask.ended(first)
        seen = [stream.next() for _ in range(3)]
    second = ask.run(job)
    ask.ended(second)
    with followed(ask.daemon, "?kind=run", seen[-1].number) as stream:
        again = [stream.next() for _ in range(3)]
        third = ask.run(job)
        ask.ended(third)
        again += [stream.next() for _ in range(3)]
    assert {event.data["id"] for event in again[:3]} == {second.rpartition("/")[2]}
    assert {event.data["id"] for event in again[3:]} == {third.rpartition("/")[2]}
    numbers = [int(event.number or 0) for event in (*seen, *again)]
    assert numbers == list(range(numbers[0], numbers[0] + 9))


@pytest.mark.parametrize("last", ["999999999", "nonsense", "-1"])
def test_a_number_that_is_not_known_begins_anew(ask: Caller, last: str) -> None:
    with followed(ask.daemon, last=last) as stream:
        assert stream.next().kind == "reset"
        run = ask.run(ask.make("fine"))
        assert stream.next().kind == "job"
        assert stream.next().data["id"] == run.rpartition("/")[2]
        ask.ended(run)  # or its end would be the first that is told next


@pytest.mark.parametrize(("query", "pointer"), [("?kind=runs", "?kind"), ("?state=done", "?state"), ("?all=1", "?all")])
def test_a_filter_that_makes_no_sense_is_refused(ask: Caller, query: str, pointer: str) -> None:
    assert ask.ask("GET", f"/events{query}").fault == (400, pointer)


def test_a_client_that_takes_nothing_is_cut_off(daemon: Daemon) -> None:
    daemon.options("MAX_FOLLOWERS = 1")
    daemon.script("fine", "#!/bin/sh\n")
    daemon.section("parameters = text")
    daemon.start()
    ask = Caller(daemon)
    job = ask.make("fine")
    letters = cycle("ab")
    with socket.create_connection(("127.0.0.1", daemon.port)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(15) == b"HTTP/1.1 200 OK"
        assert ask.ask("GET", "/events").status == 503

        def cut_off() -> bool:
            ask.patch(job, parameters={"text": next(letters) * 60_000})
            return "does not take the events that it follows" in daemon.log

        until(cut_off, 120)
        with followed(daemon) as stream:
            stream.begun()
            ask.run(job)
            assert stream.next().kind == "run"


def test_a_token_sees_its_tasks_and_once_revoked_nothing(daemon: Daemon) -> None:
    daemon.script("fine", "#!/bin/sh\n")
    daemon.script("other", "#!/bin/sh\n")
    every = token(daemon, "every", "--scope", "admin")
    narrow = token(daemon, "narrow", "--scope", "read", "--task", "fine")
    daemon.start()
    ask = Caller(daemon)
    ask.always = {"Authorization": f"Bearer {every}"}
    with followed(daemon, secret=narrow) as stream:
        stream.begun()
        ask.make("other")
        seen = ask.make("fine")
        assert stream.next().data["id"] == seen.rpartition("/")[2]
        token(daemon, "--revoke", "narrow")
        daemon.signal(signal.SIGHUP)
        assert stream.answer.read().count(b"event:") == 0  # to its end
    until(lambda: "the stream of events to 127.0.0.1 ends: its token is no longer good" in daemon.log)


def test_a_stream_ends_with_the_daemon(daemon: Daemon) -> None:
    daemon.start()
    with followed(daemon) as stream:
        stream.begun()
        begun = time.monotonic()
        assert daemon.stop() == 0
        stream.answer.read()
    assert time.monotonic() - begun < GENEROUS


def test_on_another_node_it_goes_on_where_it_was(pair: Pair) -> None:
    job = pair.job("few")
    with followed(pair.front, "?kind=run") as stream:
        stream.begun()
        first = pair.ask.run(job)
        pair.ask.ended(first)
        here = [stream.next() for _ in range(3)]
    second = pair.ask.run(job)
    pair.ask.ended(second)
    with followed(pair.worker, "?kind=run", here[-1].number) as stream:
        there = [stream.next() for _ in range(3)]
        third = pair.ask.run(job)
        pair.ask.ended(third)
        there += [stream.next() for _ in range(3)]
    assert [event.data["id"] for event in (*here, *there)] == [
        urlsplit(run).path.rpartition("/")[2] for run in (first, second, third) for _ in range(3)
    ]
    numbers = [int(event.number or 0) for event in (*here, *there)]
    assert numbers == sorted(set(numbers))


def test_a_node_that_goes_is_told(pair: Pair) -> None:
    with followed(pair.front, "?kind=node") as stream:
        stream.begun()
        assert pair.worker.stop() == 0
        told = [stream.next()]
        pair.worker.start()
        while told[-1].data["state"] != "alive":  # what is written of a node twice at its end may be told twice
            told.append(stream.next())
    assert {event.data["name"] for event in told} == {"worker"}
    assert {event.data["state"] for event in told[:-1]} == {"stopped"}
