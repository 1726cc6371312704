"""How many may come at once, and what becomes of those who come too late, read nothing, or go away."""

import contextlib
import select
import socket
from functools import partial

import psutil
import pytest

from tests.system.caller import Caller
from tests.system.daemon import GENEROUS, until

GET = b"GET /catalog HTTP/1.1\r\nHost: localhost\r\n\r\n"
MIB = 1 << 20


@pytest.fixture
def ask(daemon):
    return Caller(daemon)


def connection(daemon):
    return socket.create_connection(("127.0.0.1", daemon.port), timeout=GENEROUS)


def heard(client):
    """All that comes until the other end closes."""
    with contextlib.suppress(ConnectionError):  # it closed while we had more to say
        return b"".join(iter(lambda: client.recv(65536), b""))
    return b""


def is_answered(client):
    return client.recv(65536).startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 503 "))


def test_connections_beyond_the_limit_are_refused_until_room(daemon):
    daemon.options("MAX_CONNECTIONS = 20")
    daemon.start()
    words = "20 connections are open, and more are refused with 503"
    with contextlib.ExitStack() as inside:
        for _ in range(20):
            client = inside.enter_context(connection(daemon))
            client.sendall(GET)
            until(partial(is_answered, client))
        for _ in range(50):
            with connection(daemon) as late:
                answer = heard(late)
                assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
                assert b"\r\nRetry-After: 5\r\n" in answer
                assert b"\r\nConnection: close\r\n" in answer
        client.sendall(GET)
        assert client.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        daemon.says(words)
        assert daemon.log.count(words) == 1
    until(daemon.answers)
    assert Caller(daemon).get("/health")["status"] == "ok"


def test_followers_beyond_the_limit_are_refused_until_room(daemon, ask):
    daemon.options("MAX_FOLLOWERS = 3")
    daemon.script("long", "#!/bin/sh\necho begun\nexec sleep 600\n")
    daemon.start()
    job = ask.make("long")
    run = ask.run(job)
    until(lambda: ask.text(f"{run}/output") == "begun\n")
    waiting = [f"{run}/output?follow=1", f"{run}?wait=600", f"{run}/output?follow=1&tail=1"]
    late = [("GET", waiting[0]), ("GET", waiting[1]), ("POST", f"{job}/run?follow=1")]

    with contextlib.ExitStack() as inside:
        clients = []
        for path in waiting:
            clients.append(inside.enter_context(connection(daemon)))
            clients[-1].sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        for client in (clients[0], clients[2]):
            assert client.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
        client = clients[1]  # of which nothing is heard while it waits, but that the question below has its place
        while ask.ask("GET", f"{run}?wait=0.01").status != 503:
            if select.select([client], [], [], 0.1)[0]:
                assert client.recv(1000).startswith(b"HTTP/1.1 503 ")
                client = inside.enter_context(connection(daemon))
                client.sendall(f"GET {waiting[1]} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        for method, path in late:
            answer = ask.ask(method, path)
            assert answer.fault == (503, "")
            assert answer.json["detail"].startswith("3 clients wait for runs already; ")
            assert int(answer.headers["retry-after"]) > 0
        assert len(ask.runs(job)) == 1
        assert ask.ask("GET", run).status == ask.ask("GET", f"{run}/output").status == 200

    until(lambda: ask.ask("GET", f"{run}?wait=0.01").status == 200)  # those who waited for ten minutes have gone
    assert ask.ask("POST", f"{run}/cancel").status == 202
    assert ask.ended(run)["state"] == "cancelled"
    assert "Traceback" not in daemon.log


@pytest.mark.parametrize("more", ["", "?follow=1"])
def test_a_client_that_reads_nothing_takes_no_memory(daemon, ask, more):
    daemon.script("talk", "#!/bin/sh\nhead -c 60000000 /dev/zero | tr '\\0' x\n")
    daemon.start()
    run = ask.run(ask.make("talk"))
    assert ask.ended(run)["output"]["kept"] == 60_000_000
    process = psutil.Process(daemon.process.pid)
    before = process.memory_info().rss
    with contextlib.ExitStack() as inside:
        for _ in range(10):
            client = inside.enter_context(connection(daemon))
            client.sendall(f"GET {run}/output{more} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert client.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
        for _ in range(20):
            assert ask.get("/health")["status"] == "ok"
        assert process.memory_info().rss - before < 30 * MIB


def test_a_client_that_asks_and_reads_nothing_takes_no_memory(daemon, ask):
    daemon.start()
    process = psutil.Process(daemon.process.pid)
    ask.get("/openapi.json")
    before = process.memory_info().rss
    with connection(daemon) as client:
        client.settimeout(1)
        with contextlib.suppress(TimeoutError):
            for _ in range(1000):  # a few answers fill its buffers, and it is not heard any further
                client.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
        assert process.memory_info().rss - before < 30 * MIB
        assert ask.get("/health")["status"] == "ok"
