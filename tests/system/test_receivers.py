"""Whom notifications may go to: what a real daemon refuses, and what of an answer it takes."""

from __future__ import annotations

import gzip
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import pair as certificate
from tests.system.caller import Caller
from tests.system.daemon import Daemon, until
from tests.system.receiver import FAILS, Receiver, allow, deliveries, delivery, failed, receiver_at


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiver_at() as one:
        yield one


def test_a_private_address_is_refused_unless_it_is_allowed(daemon: Daemon, receiver: Receiver) -> None:
    daemon.options(f"NOTIFY_URL = {receiver.url()!r}")
    daemon.script("fails", FAILS)
    daemon.start()
    ask = Caller(daemon)
    found = delivery(ask, failed(ask), "failed")
    assert found["error"] == "127.0.0.1 is private, and NOTIFY_PRIVATE is not set"
    assert receiver.came == []


@pytest.mark.parametrize("host", ["169.254.169.254", "[::ffff:169.254.169.254]", "0.0.0.0", "2852039166"])
def test_a_metadata_address_is_refused_whatever_is_allowed(daemon: Daemon, host: str) -> None:
    daemon.options("NOTIFY_HOSTS = ['*:*']\nNOTIFY_PRIVATE = True")
    daemon.script("fails", FAILS)
    daemon.start()
    ask = Caller(daemon)
    found = delivery(ask, failed(ask, notify={"url": f"http://{host}/latest"}), "failed")
    assert found["attempts"] == 1
    assert found["error"].endswith(("is link-local, or gives out the metadata of a cloud", "is nobody's"))


URLS = ["http://other.example/", "http://user:pw@hooks.example/", "ftp://hooks.example/", "hooks.example", "http://",
        "http://hooks.example\\@127.0.0.1/", "http://hooks.example/#a", "http://hooks.example:99999/",
        "http://hooks.example /", "https://hooks.example:8443/", "http://hooks.example%2f.other/"]  # fmt: skip


def test_a_receiver_elsewhere_is_refused_at_making_or_change(daemon: Daemon) -> None:
    daemon.options("NOTIFY_HOSTS = ['hooks.example']")
    daemon.start()
    ask = Caller(daemon)
    job = ask.make("example", notify={"url": "https://hooks.example/a?b=c"})
    for url in URLS:
        body = {"task": "example", "name": "a", "interval": {"hours": 1}, "notify": {"url": url}}
        assert ask.ask("POST", "/jobs", body).fault == (400, "/notify/url"), url
        assert ask.ask("PATCH", job, {"notify": {"url": url}}).fault == (400, "/notify/url"), url
    nobody = {"task": "example", "name": "a", "interval": {"hours": 1}, "notify": {"on": ["failed"]}}
    assert ask.ask("POST", "/jobs", nobody).fault == (400, "/notify/url")
    assert ask.get(job)["notify"]["url"] == "https://hooks.example/a?b=c"
    assert len(ask.get("/jobs")["values"]) == 1


def test_a_host_that_is_no_longer_allowed_is_told_nothing(daemon: Daemon, receiver: Receiver) -> None:
    allow(daemon, receiver)
    daemon.start()
    ask = Caller(daemon)
    job = ask.make("fails", notify={"url": receiver.url()})
    daemon.stop()
    daemon.options("NOTIFY_HOSTS = []")
    daemon.start()
    ask.ended(ask.run(job))
    found = delivery(ask, job, "failed")
    assert found["error"] == f"{receiver.place} is not among the hosts that are allowed (NOTIFY_HOSTS)"
    assert receiver.came == []
    assert ask.patch(job, name="another")["notify"]["url"] == receiver.url(), "what was allowed then may stay"


def context(folder: Path, name: str) -> ssl.SSLContext:
    folder.mkdir()
    certificate(name).put(folder)
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return found


@pytest.mark.parametrize(
    ("name", "trusted", "error"),
    [
        ("localhost", True, None),
        ("localhost", False, "TLS: certificate verify failed"),
        ("other.example", True, "TLS: its certificate is for another host"),
    ],
)
def test_tls_is_verified_against_the_name(daemon: Daemon, tmp_path: Path, name: str, trusted: bool, error: str) -> None:
    with receiver_at(context=context(tmp_path / "tls", name)) as receiver:
        daemon.options(f"NOTIFY_URL = 'https://localhost:{receiver.port}/'\nNOTIFY_PRIVATE = True")
        daemon.script("fails", FAILS)
        if trusted:
            daemon.environment["SSL_CERT_FILE"] = str(tmp_path / "tls" / "cert.pem")
        daemon.start()
        ask = Caller(daemon)
        run = failed(ask)
        if error is None:
            delivery(ask, run, "delivered")
        else:
            assert (
                until(lambda: [each for each in deliveries(ask, run, "waiting") if each["error"]])[0]["error"] == error
            )
            assert receiver.came == []


LONG = {f"X-{number}": "a" * 10_000 for number in range(100)}


def test_headers_without_an_end_fill_no_memory(daemon: Daemon, receiver: Receiver) -> None:
    receiver.answers = [(200, LONG, b""), 204]
    allow(daemon, receiver)
    daemon.start()
    ask = Caller(daemon)
    run = failed(ask, notify={"url": receiver.url()})
    assert delivery(ask, run, "delivered")["attempts"] == 2
    until(lambda: "the connection was closed before there was an answer" in daemon.log)
    assert "Traceback" not in daemon.log


ANSWERS = {
    "its body never ends": (200, {}, None),
    "its body does not come": (200, {"Content-Length": "10"}, None),
    "its body is cut off": (200, {"Content-Length": "10"}, b"a"),
    "its body is long": (200, {}, b"a" * 10_000_000),
    "it is packed": (200, {"Content-Encoding": "gzip"}, gzip.compress(b"a" * 10_000_000)),
    "it is packed badly": (200, {"Content-Encoding": "gzip"}, b"a" * 100),
    "it sets a cookie": (200, {"Set-Cookie": "a=b; Path=/"}, b""),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=list(ANSWERS))
def test_of_an_answer_the_status_counts_whatever_follows_it(daemon: Daemon, receiver: Receiver, answer: Any) -> None:
    receiver.answers = [answer]
    allow(daemon, receiver)
    daemon.start()
    ask = Caller(daemon)
    for number in (1, 2):
        found = delivery(ask, failed(ask, notify={"url": receiver.url()}), "delivered")
        assert (found["status"], found["attempts"]) == (200, 1)
        assert "cookie" not in receiver.told(number).headers
    assert "Traceback" not in daemon.log
