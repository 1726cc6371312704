"""Asks one daemon for one thing after the other, and keeps what was said."""

from __future__ import annotations

from itertools import groupby
from random import Random
from typing import Any
from urllib.parse import urlsplit

import attrs

from tests.present import present
from tests.system.caller import Answer, Caller
from tests.system.daemon import Daemon, until
from tests.system.followed import Event, followed
from tests.system.same.plain import Plain

SEED = 16


@attrs.frozen
class Said:
    """A request and its answer, plainly."""

    request: str
    answer: Any


class Player:
    """One daemon, in front of which the sequence is played. Choices are those of `random`, the same for each."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.random = Random(SEED)
        self.said: list[Said] = []
        self.jobs: list[str] = []  # paths
        self.runs: list[str] = []
        self._caller = Caller(daemon)
        self._plain = Plain(daemon.port)

    def ask(self, method: str, url: str, body: Any = None, **headers: str) -> Answer:
        """One request, as it is kept."""
        answer = self._caller.ask(method, url, body.encode() if isinstance(body, str) else body, **headers)
        asked = " ".join(map(str, (method, url, *([] if body is None else [body]), *headers.items())))
        self.said.append(Said(self._plain.text(asked), self._plain.answer(answer)))
        return answer

    def get(self, url: str, **headers: str) -> Any:
        """The JSON of what is asked for, be it there or not."""
        return self.ask("GET", url, **headers).json

    def pages(self, url: str) -> None:
        """A list from its first page to its last."""
        following: str | None = url
        while following is not None:
            link = self.ask("GET", following).headers.get("link")
            following = None if link is None else link.partition("<")[2].partition(">")[0]

    def make(self, **job: Any) -> str:
        """A job; its path."""
        answer = self.ask("POST", "/jobs", job)
        self.jobs.append(path(answer))
        return self.jobs[-1]

    def start(self, job: str, body: Any = None, query: str = "") -> str:
        """A run of a job; its path."""
        self.runs.append(path(self.ask("POST", f"{job}/run{query}", body)))
        return self.runs[-1]

    def run(self, job: str, body: Any = None) -> str:
        """The same, when it has ended."""
        run = self.start(job, body)
        self.ask("GET", f"{run}?wait=30")
        return run

    def until(self, run: str, state: str) -> None:
        """Until a run is in that state; nothing of it is kept."""
        until(lambda: self._caller.get(run)["state"] == state)

    def idle(self, job: str) -> None:
        """Until nothing of a job waits or runs; nothing of it is kept."""
        until(lambda: self._caller.get(job)["active"] == 0)

    def open(self, gate: str) -> None:
        """Let the runs that wait at it go on."""
        (self.daemon.folder / gate).touch()

    def told(self, last: str, to: str, query: str = "") -> None:
        """The events behind the number `last` up to the number `to`, with what they say of what is there now; but those
        of nodes, which come with heartbeats, of which a node alone with SQLite has none."""
        events: list[Event] = []
        with followed(self.daemon, query, last=last) as stream:
            while not events or events[-1].number != to:
                event = stream.next()
                if event.kind != "node":
                    events.append(event)
        for count, event in enumerate(run_by_run(events), 1):
            data = self._plain.value(event.data)
            self.said.append(Said(f"event {count} of /events{query}", {"kind": event.kind, "data": data}))

    def number(self, **job: Any) -> str:
        """Make a job; the number of that change."""
        with followed(self.daemon, "?kind=job") as stream:
            stream.begun()
            self.ask("POST", "/jobs", job)
            return present(stream.next().number)


def path(answer: Answer) -> str:
    """Of what was made."""
    assert "location" in answer.headers, answer
    return urlsplit(answer.headers["location"]).path


def run_by_run(events: list[Event]) -> list[Event]:
    """All of a run together, where events of runs follow one another: that the next run has begun is stored before or
    after the outcome of the one that left it the slot."""
    places = {event.data.get("id"): -number for number, event in enumerate(reversed(events))}  # the first of each
    found: list[Event] = []
    for kind, block in groupby(events, key=lambda event: event.kind):
        some = list(block)
        found += sorted(some, key=lambda event: places[event.data["id"]]) if kind == "run" else some
    return found
