"""Notifications by mail: a real daemon and a real SMTP server."""

from __future__ import annotations

import contextlib
import email
import email.policy
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.certificates import pair
from tests.ports import free_port
from tests.system.caller import Caller
from tests.system.daemon import ROOT, Daemon, until
from tests.system.receiver import FAILS, deliveries, delivery, failed

OPS = "mailto:ops@example.org"


class MailServer:
    """One that is gone after the test."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, code: int = 250, certificate: Path | str = "") -> None:
        command = [sys.executable, Path(__file__).with_name("mailserver.py"), self.port, self.folder, code, certificate]
        self._process = subprocess.Popen([str(part) for part in command if part != ""], cwd=ROOT)
        until(self._answers)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def mails(self, number: int = 1) -> list[EmailMessage]:
        files = until(lambda: len(found := sorted(self.folder.glob("*.eml"))) >= number and found)
        return [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in files]

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5) as client:
            return client.recv(3) == b"220"
        return False


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MailServer]:
    folder = tmp_path / "mails"
    folder.mkdir()
    one = MailServer(folder)
    yield one
    one.stop()


@pytest.fixture
def telling(daemon: Daemon, server: MailServer) -> Callable[..., Caller]:
    def start(**more: object) -> Caller:
        given = {"server": f"127.0.0.1:{server.port}", "from": "jobsched@example.org", "starttls": False} | more
        daemon.options(f"NOTIFY_MAIL = {given!r}\nNOTIFY_HOSTS = ['example.org']")
        daemon.script("fails", FAILS)
        daemon.start()
        return Caller(daemon)

    return start


def test_a_failure_is_told_by_mail(telling: Callable[..., Caller], server: MailServer) -> None:
    server.start()
    ask = telling()
    run = failed(ask, name="nächtlich", notify={"url": OPS})
    [mail] = server.mails()
    assert (mail["From"], mail["To"], mail["X-To"]) == ("jobsched@example.org", "ops@example.org", "ops@example.org")
    assert mail["Subject"] == "nächtlich has failed"
    lines = mail.get_content().splitlines()
    assert lines[:3] == ["nächtlich has failed", "", "exit code 3"]
    assert mail["Auto-Submitted"] == "auto-generated"
    told = delivery(ask, run, "delivered")
    assert mail["Message-ID"] == f"<{told['id']}@example.org>"
    assert (told["url"], told["status"], told["attempts"], told["error"]) == (OPS, 250, 1, None)


def test_mail_waits_for_a_server_that_is_away(telling: Callable[..., Caller], server: MailServer) -> None:
    ask = telling()
    run = failed(ask, notify={"url": OPS})
    until(lambda: deliveries(ask, run)[0]["error"] == "nobody listens there")
    server.start()
    told = delivery(ask, run, "delivered")
    assert told["attempts"] > 1
    assert len(server.mails()) == 1


@pytest.mark.parametrize(("code", "state"), [(550, "failed"), (451, "waiting")])
def test_a_refusal_is_final_or_not(telling: Callable[..., Caller], server: MailServer, code: int, state: str) -> None:
    server.start(code)
    ask = telling()
    run = failed(ask, notify={"url": OPS})
    [told] = until(lambda: [each for each in deliveries(ask, run, state) if each["error"]])
    assert told["error"] == f"the mail server answered {code}"
    assert (server.folder / "asked").read_text().startswith("ops@example.org\n")


def test_over_tls_a_password_is_given(
    daemon: Daemon, telling: Callable[..., Caller], server: MailServer, tmp_path: Path
) -> None:
    made = pair("localhost")
    (tmp_path / "both.pem").write_bytes(made.key + made.certificate)
    (tmp_path / "cert.pem").write_bytes(made.certificate)
    daemon.environment["SSL_CERT_FILE"] = str(tmp_path / "cert.pem")
    server.start(250, tmp_path / "both.pem")
    access = {"server": f"localhost:{server.port}", "user": "jobsched", "password": "hunter22", "starttls": True}
    ask = telling(**access)
    run = failed(ask, notify={"url": OPS})
    assert delivery(ask, run, "delivered")["status"] == 250
    assert len(server.mails()) == 1
    assert "hunter22" not in daemon.log


def test_without_tls_nothing_is_said_where_it_is_wanted(telling: Callable[..., Caller], server: MailServer) -> None:
    server.start()
    ask = telling(starttls=True)
    run = failed(ask, notify={"url": OPS})
    [told] = until(lambda: [each for each in deliveries(ask, run) if each["error"]])
    assert told["error"] == "the mail server has no STARTTLS (NOTIFY_MAIL: starttls)"
    assert not (server.folder / "asked").exists()


def test_whom_mail_may_go_to_is_the_operators(telling: Callable[..., Caller], daemon: Daemon) -> None:
    ask = telling()
    for url, why in (
        ("mailto:ops@example.com", "example.com:25 is not among the hosts that are allowed (NOTIFY_HOSTS)"),
        ("mailto:a@example.org,b@example.org", "must be an http or https URL"),
        ("mailto:a@example.org?bcc=b@example.org", "must be an http or https URL"),
        ("mailto:a%0d@example.org", "must be an http or https URL"),
    ):
        body = {"task": "fails", "name": "x", "interval": {"hours": 1}, "notify": {"url": url}}
        answer = ask.ask("POST", "/jobs", body)
        assert answer.status == 400
        assert answer.json["detail"].startswith(why)
