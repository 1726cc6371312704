"""Who is told what becomes of runs: a real daemon, a real receiver, and all that can come between them.

`test_receivers.py` has whom it may be.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from standardwebhooks import Webhook

from jobsched import __version__
from jobsched.http.schemas.notifications import NotificationOut
from jobsched.notifications.sender import PATIENCE
from tests.ports import free_port
from tests.servers import Server
from tests.system.caller import Caller
from tests.system.daemon import Daemon, daemon_in, until
from tests.system.receiver import FAILS, SECRET, Receiver, allow, deliveries, delivery, failed, receiver_at


@pytest.fixture
def ask(daemon: Daemon, receiver: Receiver) -> Caller:
    """A daemon that runs, and tells the receiver of all jobs."""
    allow(daemon, receiver)
    daemon.options(f"NOTIFY_URL = {receiver.url('/all?key=4711')!r}")
    daemon.start()
    return Caller(daemon)


def test_a_failed_run_is_told_once_and_the_signature_is_right(ask: Caller, receiver: Receiver) -> None:
    run = failed(ask, retries=1, retry_delay=3600)
    told = receiver.told()

    shown = ask.get(run)
    assert told.path == "/all?key=4711"
    assert told.headers["content-type"] == "application/json"
    assert told.headers["user-agent"] == f"jobsched/{__version__}"
    assert "cookie" not in told.headers
    assert told.json["event"] == told.headers["jobsched-event"] == "failed"
    assert told.json["id"] == told.headers["jobsched-delivery"] == told.headers["webhook-id"]
    assert told.json["retry"] is True
    assert told.json["job"]["id"] == shown["job_id"]
    assert told.json["at"] == shown["ended"]
    assert {name: told.json["run"][name] for name in ("id", "state", "reason", "exit_code", "node")} == {
        name: shown[name] for name in ("id", "state", "reason", "exit_code", "node")
    }
    assert "parameters" not in told.content.decode()
    stamp, mark = told.headers["jobsched-signature"].split(",")
    seconds = stamp.removeprefix("t=")
    right = hmac.new(SECRET.encode(), f"{seconds}.".encode() + told.content, hashlib.sha256).hexdigest()
    assert mark == f"v1={right}"
    assert seconds == told.headers["webhook-timestamp"]
    assert Webhook(SECRET.encode()).verify(told.content, told.headers) == told.json

    found = delivery(ask, run, "delivered")
    assert (found["url"], found["status"], found["attempts"], found["error"]) == (None, 204, 1, None)
    assert found["next_attempt"] is None
    assert deliveries(ask, f"/jobs/{shown['job_id']}") == [found]
    assert "_HTTP11ClientFactory" not in ask.daemon.log  # one line for an attempt is enough
    failed(ask)
    receiver.told(2)
    assert [each.json["run"]["id"] for each in receiver.came].count(shown["id"]) == 1


def test_who_asks_is_told_that_it_starts_and_succeeds(ask: Caller, receiver: Receiver) -> None:
    own = receiver.url("/own")
    good = ask.run(ask.make("works", notify={"url": own, "on": ["started", "succeeded"]}))
    assert ask.ended(good)["state"] == "succeeded"
    receiver.told(2)
    assert [told.path for told in receiver.came] == ["/own", "/own"]
    assert sorted(receiver.events()) == ["started", "succeeded"]
    for told in receiver.came:
        msgspec.json.decode(told.content, type=NotificationOut)


def test_one_is_told_when_it_has_failed_twice(ask: Caller, receiver: Receiver) -> None:
    job = ask.make("fails", notify={"url": receiver.url("/own"), "after": 2})
    ask.ended(ask.run(job))
    second = ask.run(job)
    ask.ended(second)
    receiver.told()
    assert delivery(ask, second, "delivered")["event"] == "failed"
    assert [f"/runs/{told.json['run']['id']}" for told in receiver.came] == [second]


def test_chats_are_told_in_their_own_shape(ask: Caller, receiver: Receiver) -> None:
    name = "<!channel> & *you*"
    for form in ("slack", "teams"):
        failed(ask, name=name, notify={"url": receiver.url(f"/{form}"), "format": form})
    receiver.told(2)
    told = {each.path.strip("/"): each.json for each in receiver.came}
    assert list(told["slack"]) == ["text"]
    lines = told["slack"]["text"].splitlines()
    assert lines[0] == "*&lt;!channel&gt; &amp; *you* has failed*"
    assert lines[1] == "exit code 3"
    assert any(line.startswith("task fails, job ") for line in lines)
    [card] = told["teams"]["attachments"]
    assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
    said = [run["text"] for block in card["content"]["body"] for run in block["inlines"]]
    assert said[:2] == [f"{name} has failed", "exit code 3"]
    assert {block["type"] for block in card["content"]["body"]} == {"RichTextBlock"}
    for each in receiver.came:
        assert Webhook(SECRET.encode()).verify(each.content, each.headers) == each.json


def test_what_goes_well_is_not_told(ask: Caller, receiver: Receiver) -> None:
    good = ask.run(ask.make("works"))
    assert ask.ended(good)["state"] == "succeeded"
    failed(ask)
    receiver.told()
    assert deliveries(ask, good) == []
    assert receiver.events() == ["failed"]


def test_a_job_says_who_is_told_what(daemon: Daemon, receiver: Receiver) -> None:
    with receiver_at() as other:
        allow(daemon, other)
        daemon.options(f"NOTIFY_URL = {receiver.url()!r}")
        daemon.start()
        ask = Caller(daemon)
        own = other.url("/mine?token=hush")
        quiet = failed(ask, notify={"on": []})
        timed_out_only = failed(ask, notify={"url": own, "on": ["timed_out"]})
        mine = failed(ask, notify={"url": own, "on": ["failed"]})
        assert other.told().path == "/mine?token=hush"
        assert deliveries(ask, quiet) == deliveries(ask, timed_out_only) == []
        assert delivery(ask, mine, "delivered")["url"] == other.url("/mine")
        failed(ask)
        receiver.told()
        assert (len(other.came), len(receiver.came)) == (1, 1)
        assert "hush" not in daemon.log
        assert SECRET not in daemon.log


def test_missed_dues_are_told_as_one_stretch(daemon: Daemon, receiver: Receiver) -> None:
    allow(daemon, receiver)
    daemon.start()
    ask = Caller(daemon)
    start = datetime.now(UTC) + timedelta(seconds=6)  # the daemon is to be dead by then
    end = start + timedelta(seconds=1)
    asked = {"start": start.isoformat(), "end": end.isoformat(), "misfire_grace": 0.1}
    job = ask.make("works", 0.5, **asked, notify={"url": receiver.url(), "on": ["missed"]})
    daemon.kill()
    until(lambda: datetime.now(UTC) > end + timedelta(seconds=0.2))
    daemon.start()
    missed = ask.run_in(job, "missed")
    told = receiver.told()
    assert told.json["event"] == "missed"
    assert (told.json["run"]["id"], told.json["run"]["count"], missed["count"]) == (missed["id"], 3, 3)


def test_who_was_told_of_a_failure_is_told_of_the_next_success(ask: Caller, receiver: Receiver, tmp_path: Path) -> None:
    recovered = tmp_path / "sound"
    ask.daemon.script("mends", f"#!/bin/sh\ntest -e {recovered}\n")
    assert ask.ask("POST", "/catalog/reload").status == 200
    job = ask.make("mends")
    assert ask.ended(ask.run(job))["state"] == "failed"
    receiver.told()
    recovered.touch()
    good = ask.run(job)
    assert ask.ended(good)["state"] == "succeeded"
    assert receiver.told(2).json["run"]["id"] == good.rpartition("/")[2]
    assert receiver.events() == ["failed", "recovered"]
    delivery(ask, good, "delivered")
    assert ask.ended(ask.run(job))["state"] == "succeeded"
    recovered.unlink()
    assert ask.ended(ask.run(job))["state"] == "failed"
    receiver.told(3)
    assert receiver.events() == ["failed", "recovered", "failed"]


def test_500_is_tried_again_under_the_same_id(ask: Caller, receiver: Receiver) -> None:
    receiver.answers = [500, 200]
    run = failed(ask)
    first, second = receiver.told(1), receiver.told(2)
    assert first.headers["jobsched-delivery"] == second.headers["jobsched-delivery"]
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert int(first.headers["webhook-timestamp"]) < int(second.headers["webhook-timestamp"])
    for told in (first, second):
        Webhook(SECRET.encode()).verify(told.content, told.headers)
    assert first.content == second.content
    found = delivery(ask, run, "delivered")
    assert (found["attempts"], found["status"]) == (2, 200)


def test_410_ends_it_at_once(ask: Caller, receiver: Receiver) -> None:
    receiver.answers = [410]
    found = delivery(ask, failed(ask), "failed")
    assert (found["attempts"], found["status"]) == (1, 410)
    assert found["error"] == "status 410: the receiver wants no more of it"
    ask.daemon.says(f"{receiver.place} was not told of failed of a fails, and will not be")
    assert "4711" not in ask.daemon.log


def test_a_redirect_is_not_followed(ask: Caller, receiver: Receiver) -> None:
    with receiver_at() as trap:
        receiver.answers = [(status, {"Location": trap.url()}, b"") for status in (301, 302, 303, 307, 308)]
        run = failed(ask)
        waiting = until(lambda: [each for each in deliveries(ask, run, "waiting") if each["error"]])[0]
        assert re.fullmatch("status 30[12378]: redirects are not followed", waiting["error"])  # whichever was last
        receiver.told(2)
        assert trap.came == []


def test_a_receiver_that_is_down_is_told_by_the_next_daemon(daemon: Daemon) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    daemon.options(f"NOTIFY_URL = {url!r}\nNOTIFY_PRIVATE = True")
    daemon.script("fails", FAILS)
    daemon.start()
    ask = Caller(daemon)
    run = failed(ask)
    waiting = until(lambda: [each for each in deliveries(ask, run) if each["attempts"] >= 2])[0]
    assert (waiting["state"], waiting["error"], waiting["status"]) == ("waiting", "nobody listens there", None)
    daemon.stop()
    daemon.start()
    with receiver_at(port) as receiver:
        assert receiver.told().json["run"]["id"] == run.rpartition("/")[2]
        assert delivery(ask, run, "delivered")["attempts"] >= 3


def test_at_a_stop_a_silent_receiver_is_left_to_the_next_daemon(daemon: Daemon, receiver: Receiver) -> None:
    receiver.answers = [None, 200]
    daemon.options(f"NOTIFY_URL = {receiver.url()!r}\nNOTIFY_PRIVATE = True")
    daemon.script("fails", FAILS)
    daemon.start()
    ask = Caller(daemon)
    run = failed(ask)
    receiver.told()
    assert daemon.stop() == 0
    daemon.start()
    receiver.told(2)
    assert delivery(ask, run, "delivered")["status"] == 200
    assert "Traceback" not in daemon.log


def test_a_receiver_without_answer_delays_no_run_and_no_other(daemon: Daemon, receiver: Receiver) -> None:
    with receiver_at() as silent:
        silent.answers = [None]
        allow(daemon, receiver, silent)
        daemon.start()
        ask = Caller(daemon)
        begun = time.monotonic()
        deaf = [ask.run(ask.make("fails", notify={"url": silent.url(f"/{n}")})) for n in range(12)]
        silent.told(2)
        heard = failed(ask, notify={"url": receiver.url()})
        assert ask.ended(ask.run(ask.make("works")))["state"] == "succeeded"
        delivery(ask, heard, "delivered")
        for run in deaf:
            assert ask.ended(run)["state"] == "failed"
        came = len(silent.came)
        rounds = 1 + (time.monotonic() - begun) // PATIENCE
        assert came <= 2 * rounds, "no more than two at once"
        assert all(deliveries(ask, run, "waiting") for run in deaf)


@pytest.mark.parametrize("kind", ["postgresql"])
def test_two_nodes_tell_once(tmp_path: Path, running: Callable[[str], Server], receiver: Receiver, kind: str) -> None:
    server = running(kind)
    url = server.create_database("told")
    with daemon_in(tmp_path / "a") as one, daemon_in(tmp_path / "b") as other:
        for name, node in (("alpha", one), ("beta", other)):
            node.options(f"NODE_NAME = {name!r}\nNODE_TAGS = {{'name': {name!r}}}\nSCHED_CONFIG = {{'store': {url!r}}}")
            node.options(f"NOTIFY_URL = {receiver.url()!r}\nNOTIFY_PRIVATE = True")
            node.script("fails", FAILS)
            node.start()
        ask = Caller(one)
        until(lambda: len(ask.get("/nodes")["values"]) == 2)
        jobs = [ask.make("fails", 0.5, require={"name": name}, max_runs=3) for name in ("alpha", "beta") * 5]
        for job in jobs:
            ask.run_in(job, "failed", at_least=3)
        failures = {run["id"] for run in ask.get("/runs?state=failed&limit=1000")["values"]}
        assert len(failures) == 3 * len(jobs)
        until(lambda: failures <= {told.json["run"]["id"] for told in receiver.came})
        assert {told.json["node"] for told in receiver.came} == {"alpha", "beta"}
        until(lambda: all(deliveries(ask, f"/runs/{run}", "delivered") for run in failures))
        ids = [told.headers["jobsched-delivery"] for told in receiver.came]
        assert len(ids) == len(set(ids)), "each was delivered by one node"
        told_runs = [told.json["run"]["id"] for told in receiver.came]
        assert len(told_runs) == len(set(told_runs))
    server.drop_database("told")
