"""Asks a daemon one thing after the other, as curl does."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs

from tests.system.daemon import GENEROUS, Daemon, daemon_in, until

ENDED = ("succeeded", "failed", "timed_out", "cancelled", "lost", "skipped", "missed")


@attrs.frozen
class Answer:
    """What came back; names of headers in lower case."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def fault(self) -> tuple[int, str]:
        """The status, and the place that the problem points at."""
        assert self.headers["content-type"] == "application/problem+json"
        assert self.json["status"] == self.status
        return self.status, "".join(fault["pointer"] for fault in self.json["errors"])


class Caller:
    """Speaks to one daemon, each request on a connection of its own."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.always: dict[str, str] = {}  # headers of each request

    def ask(self, method: str, url: str, body: Any = None, **headers: str) -> Answer:
        """One request; `if_match="1"` is sent as the header If-Match."""
        parts = urlsplit(url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        given = self.always | {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            given = {"Content-Type": "application/json"} | given
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        client = HTTPConnection("127.0.0.1", self.daemon.port, timeout=GENEROUS)
        with contextlib.closing(client):
            client.request(method, path, data, given)
            answer = client.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())

    def get(self, url: str) -> Any:
        """The JSON of what must be there."""
        answer = self.ask("GET", url)
        assert answer.status == 200, answer
        return answer.json

    def text(self, url: str) -> str:
        """The text of what must be there."""
        answer = self.ask("GET", url)
        assert answer.status == 200, answer
        return answer.text

    def make(self, task: str, seconds: float | None = 3600, **more: Any) -> str:
        """A job's path; `seconds` None leaves the trigger to the rest."""
        trigger = {} if seconds is None else {"interval": {"seconds": seconds}}
        answer = self.ask("POST", "/jobs", {"task": task, "name": f"a {task}"} | trigger | more)
        assert answer.status == 202, answer
        return urlsplit(answer.headers["location"]).path

    def run(self, job: str) -> str:
        """Run a job now; the run's path."""
        answer = self.ask("POST", f"{job}/run")
        assert answer.status == 202, answer
        return urlsplit(answer.headers["location"]).path

    def patch(self, job: str, **changes: Any) -> Any:
        """The job as it is after a merge patch that must succeed."""
        answer = self.ask("PATCH", job, changes)
        assert answer.status == 200, answer
        return answer.json

    def runs(self, job: str, *states: str) -> list[Any]:
        """A job's runs in these states, oldest first."""
        found = self.get(f"{job}/runs?limit=1000")["values"]
        return [run for run in reversed(found) if not states or run["state"] in states]

    def run_in(self, job: str, *states: str, at_least: int = 1) -> Any:
        """The run, in one of these states, that made them `at_least` so many."""
        found = until(lambda: len(runs := self.runs(job, *states)) >= at_least and runs)
        return found[at_least - 1]

    def ended(self, run: str) -> Any:
        """A run, when it has its outcome."""
        found = self.get(f"{run}?wait={GENEROUS}")
        assert found["state"] in ENDED, found
        return found


def instant(text: str) -> datetime:
    """What an answer says of time."""
    return datetime.fromisoformat(text)


def dues(runs: list[Any], every: timedelta) -> list[datetime]:
    """Every due that the records tell of, a stretch spread out: what was late or skipped may be one with others."""
    found = []
    for run in runs:
        due = instant(run["due"])
        assert run["until"] is None or instant(run["until"]) == due + (run["count"] - 1) * every
        found += [due + n * every for n in range(run["count"])]
    return found


def still(condition: Callable[[], bool], seconds: float) -> None:
    """`condition` holds for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert condition()
        time.sleep(0.05)


@contextlib.contextmanager
def showing(folder: Path) -> Iterator[Caller]:
    """A daemon whose task `showid` shows the id of its job, and takes a secret."""
    with daemon_in(folder / "daemon") as daemon:
        daemon.script("showid", "#!/bin/sh\necho id is $JOBSCHED_JOB_ID\n")
        daemon.section("parameters = token, a\n")
        daemon.options("NOTIFY_URL = 'http://127.0.0.1:9/'\nNOTIFY_PRIVATE = True")
        daemon.start()
        yield Caller(daemon)


def without_jobs(caller: Caller) -> None:
    """Delete every job; none of their runs goes on, which whoever revives one would meet."""
    for job in caller.get("/jobs")["values"]:
        caller.ask("DELETE", f"/jobs/{job['id']}")
    until(lambda: not caller.get("/runs?state=waiting,running")["values"])
