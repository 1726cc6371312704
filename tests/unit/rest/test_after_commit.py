"""What an order answers is what its transaction made, whatever happens between that and the answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure

from jobsched.model.errors import Unavailable
from jobsched.model.ids import Ids
from jobsched.registry.registry import Registry
from jobsched.scheduler.scheduler import Scheduler
from tests import sql_commands as commands
from tests.unit.rest.conftest import EPOCH, ask, exchange

ORDERS = [
    ("PATCH", "", b'{"name": "other"}', ("name", "other")),
    ("POST", "/pause", b"", ("paused", True)),
    ("POST", "/resume", b"", ("paused", False)),
]


NOW = datetime.fromtimestamp(EPOCH, UTC)


@pytest.fixture
def job(front):
    return front.job()


@pytest.mark.parametrize(("method", "path", "body", "shown"), ORDERS)
def test_a_delete_at_that_moment_does_not_undo_the_answer(front, job, monkeypatch, method, path, body, shown):
    write = front.store.write

    def and_delete(*order):
        answer = write(*order)
        write(commands.remove, job.rpartition("/")[2], Ids(), NOW)
        return answer

    monkeypatch.setattr(front.store, "write", and_delete)
    answer = ask(front.site, method, job + path, body)
    assert (answer.status, answer.json[shown[0]]) == (200, shown[1])
    assert front.get(job).status == 404


@pytest.mark.parametrize(("method", "path", "body", "shown"), ORDERS)
def test_a_store_that_is_away_from_then_on_does_not_deny_it(front, job, monkeypatch, method, path, body, shown):
    front.run(job)
    monkeypatch.setattr(front.store, "read", lambda *_: fail(Unavailable("the store cannot be used now")))
    answer = ask(front.site, method, job + path, body)
    assert (answer.status, answer.json[shown[0]]) == (200, shown[1])
    assert answer.json["last_run"]["state"] == "succeeded", "as it was in that transaction"


@pytest.mark.parametrize("why", [Unavailable("the store cannot be used now"), RuntimeError("a fault of ours")])
def test_a_run_that_cannot_be_followed_is_made_all_the_same(front, job, monkeypatch, why):
    with monkeypatch.context() as away, capturedLogs() as log:
        away.setattr(front.store, "read", lambda *_: fail(why))
        answer = ask(front.site, "POST", f"{job}/run?follow=1")
    assert (answer.status, answer.body) == (202, b"")
    run = answer.headers["location"].rpartition("/")[2]
    assert [one["id"] for one in front.get(f"{job}/runs").json["values"]] == [run]
    assert any(f"run {run} was made, but its output cannot be followed" in formatEvent(event) for event in log)


@pytest.fixture
def broken(monkeypatch):
    """Whoever is to look at once cannot even be told."""

    def fault(*_):
        raise RuntimeError("a fault of ours")

    for hint in ("wake", "start_waiting"):
        monkeypatch.setattr(Scheduler, hint, fault)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/pause", 200), ("POST", "/run", 202), ("DELETE", "?cancel=1", 200)],
)
def test_a_fault_in_a_hint_at_the_change_does_not_deny_it(broken, front, method, path, status):
    with capturedLogs() as log:
        job = front.job()
        assert ask(front.site, method, job + path).status == status
    assert ["an order was stored" in formatEvent(event) for event in log] == [True, True]


# A client that hangs up


class Held:
    """The store as it is asked, whose answers come when a test says so."""

    def __init__(self, store, monkeypatch):
        self.waiting = []
        self._write = store.write
        monkeypatch.setattr(store, "write", self.write)

    def write(self, *order):
        answer: Deferred[Any] = Deferred()
        self.waiting.append((order, answer))
        return answer

    def go_on(self, why=None):
        (order, answer) = self.waiting.pop(0)
        if why is None:
            self._write(*order).chainDeferred(answer)
        else:
            answer.errback(why)


def hang_up(front, request):
    """Ask, and go before the answer comes."""
    channel, wire = front.site.buildProtocol(None), StringTransport()
    channel.makeConnection(wire)
    channel.dataReceived(request)
    assert wire.value() == b""
    channel.connectionLost(Failure(ConnectionResetError()))


@pytest.mark.parametrize(
    ("why", "status", "line"),
    [
        (None, 200, None),
        (Unavailable("the store cannot be used now"), 503, "is refused, and its client has hung up: the store cannot"),
        (RuntimeError("a fault of ours"), 500, "failed, and its client has hung up"),
    ],
    ids=str,
)
def test_a_write_whose_client_went_is_told_when_it_fails(front, job, monkeypatch, why, status, line):
    heard = []
    front.site.events.answer_unheard.subscribe(lambda *what: heard.append(what))
    held = Held(front.store, monkeypatch)
    hang_up(front, f"POST {job}/pause HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    with capturedLogs() as log:
        held.go_on(why)
    assert heard == [("POST", "/jobs/{job_id}/pause", status)]
    told = [formatEvent(event) for event in log]
    assert told == [] if line is None else [text.startswith(f"POST {job}/pause {line}") for text in told] == [True]
    assert front.get(job).json["paused"] is (why is None)


def test_a_client_that_goes_while_it_follows_has_been_answered(front, job):
    heard = []
    front.site.events.answer_unheard.subscribe(lambda *what: heard.append(what))
    said, _ = exchange(front.site, f"POST {job}/run?follow=1 HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    front.reactor.advance(1)
    assert said.startswith(b"HTTP/1.1 200 OK\r\n")
    assert heard == []


def test_it_stands_in_the_metrics(front, job, monkeypatch):
    held = Held(front.store, monkeypatch)
    hang_up(front, f"POST {job}/pause HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    held.go_on(Unavailable("away"))
    page = front.get("/metrics").body.decode()
    assert 'jobsched_http_unheard_total{method="POST",route="/jobs/{job_id}/pause",status="503"} 1.0' in page


def test_a_question_whose_client_has_gone_is_given_up_untold(front, job, monkeypatch):
    asked: Deferred[Any] = Deferred()
    monkeypatch.setattr(front.store, "read", lambda *_: asked)
    with capturedLogs() as log:
        hang_up(front, f"GET {job} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        asked.errback(Unavailable("away"))
    assert [event for event in log if event.get("log_failure")] == []


def test_a_preview_whose_client_has_gone_is_given_up_as_a_read(front, monkeypatch):
    given_up: list[Deferred[Any]] = []
    waiting: Deferred[Any] = Deferred(given_up.append)
    monkeypatch.setattr(Registry, "in_thread", lambda *_: waiting)
    body = b'{"cron": "@daily"}'
    head = f"POST /preview HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    hang_up(front, head.encode() + body)
    assert given_up == [waiting]
