"""A daemon that asks for tokens, and callers who have some."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from http.client import HTTPConnection
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import attrs

import jobsched.token
from tests.system.caller import Answer
from tests.system.daemon import GENEROUS, ROOT, Daemon

_address = count(1)


@attrs.frozen
class SecuredDaemon:
    """A daemon with a token of each kind."""

    daemon: Daemon
    tokens: dict[str, str]

    def ask(self, method: str, path: str, token: str = "", body: Any = None, **headers: str) -> Answer:
        """Each request comes from an address of its own: wrong tokens are slowed down by address."""
        number = next(_address)
        here = f"127.9.{number // 250}.{number % 250 + 1}"
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            given["Authorization"] = f"Bearer {self.tokens.get(token, token)}"
        if body is not None:
            given["Content-Type"] = "application/json"
        client = HTTPConnection("127.0.0.1", self.daemon.port, timeout=GENEROUS, source_address=(here, 0))
        with contextlib.closing(client):
            client.request(method, path, None if body is None else json.dumps(body), given)
            answer = client.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())

    def make(self, task: str, token: str = "admin", **more: Any) -> str:
        body = {"task": task, "name": f"a {task}", "interval": {"hours": 1}} | more
        answer = self.ask("POST", "/jobs", token, body)
        assert answer.status == 202, answer
        return urlsplit(answer.headers["location"]).path

    def run(self, job: str) -> str:
        answer = self.ask("POST", f"{job}/run", "admin")
        assert answer.status == 202, answer
        run = urlsplit(answer.headers["location"]).path
        assert self.ask("GET", f"{run}?wait=30", "admin").json["state"] == "succeeded"
        return run


def token(daemon: Daemon, *arguments: str) -> str:
    """One more, or one less: what the command does, without the time that a Python takes to come up."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = jobsched.token.main([*arguments, "--conf-dir", str(daemon.folder / "conf")])
    assert status == 0, said.getvalue()
    return said.getvalue().splitlines()[0]


def typed_token(daemon: Daemon, *arguments: str) -> str:
    """The same, as a person makes one."""
    command = [sys.executable, "-m", "jobsched.token", *arguments]
    env = {"PYTHONPATH": str(ROOT)}
    made = subprocess.run(command, cwd=daemon.folder, env=env, capture_output=True, text=True, timeout=60, check=True)
    return made.stdout.strip()
