"""The same 500 requests, given to a daemon on each database one after the other, are answered alike."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.servers import Server
from tests.system.caller import Caller
from tests.system.daemon import daemon_in, until
from tests.system.followed import followed

SEED, LONG = 16, 500
WORDS = ("backup", "Report", "réplica", "zebra", "sync_data")
SORTS = ("name", "-name", "created", "attention", "-state")
TEAMS = ("data", "ops", "web")
VARIES = {  # what a host and a moment make of it; that there is something is compared
    "pid", "node", "cpu_seconds", "max_rss", "duration", "median_duration", "p95", "median", "longest", "shortest",
}  # fmt: skip
SHOWN = re.compile(
    r"(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})|(?P<at>\d{4}-\d\d-\d\d[T ][\d:.]+(?:Z|[+-]\d\d:\d\d)?)"
    r"|(?P<away>, in \d+ d[ \w]*)|(?P<tag>\"\d+\.\w+\")"
)

Request = tuple[str, str, Any, dict[str, str]]


def job(chance: random.Random, number: int) -> dict[str, Any]:
    """A job that is due in months."""
    word = chance.choice(WORDS)
    given: dict[str, Any] = {"task": chance.choice(["few", "bad"]), "name": f"{word} {number % 7}"}
    given |= chance.choice(
        [{"interval": {"days": chance.randint(90, 300)}}, {"cron": "30 2 29 2 *"}, {"at": "2099-05-01T03:00:00Z"}]
    )
    if chance.random() < 0.6:
        given["labels"] = {"team": chance.choice(TEAMS)}
    if chance.random() < 0.3:
        given |= {"overlap": chance.choice(["queue", "allow"]), "retries": chance.randint(0, 1), "retry_delay": 3600}
    return given


def requests(chance: random.Random) -> Iterator[Request]:
    """What is asked; `{job}` and `{run}` stand for what was made last."""
    known = [f"w{number:02}" for number in range(24)]
    for number, name in enumerate(known):
        yield "PUT", f"/jobs/{name}", job(chance, number), {}
    number = 24
    while True:
        number += 1
        name, other = chance.sample(known, 2)
        team = chance.choice(TEAMS)
        few: list[Request] = chance.choice(
            [
                [("POST", "/jobs", job(chance, number), {"Prefer": "return=representation"}),
                 ("GET", "{job}", None, {})],
                [("POST", "/jobs", job(chance, number), {"Idempotency-Key": f"key {number % 9}"})],
                [("PUT", f"/jobs/{name}", job(chance, number), chance.choice([{}, {"If-Match": '"1.x"'}]))],
                [("PATCH", f"/jobs/{name}", {"description": f"the {number}th"}, {})],
                [("PATCH", f"/jobs/{name}", {"cron": "* * *"}, {})],
                [("DELETE", f"/jobs/{name}", None, {}), ("GET", f"/jobs/{name}", None, {})],
                [("POST", f"/jobs/{name}/pause", {"reason": "why not"}, {}), ("GET", f"/jobs/{name}", None, {})],
                [("POST", f"/jobs/{name}/resume", None, {})],
                [("POST", f"/jobs/{name}/run", None, {"Idempotency-Key": f"run {number % 5}"}),
                 ("GET", "{run}?wait=30", None, {}), ("GET", f"/jobs/{name}", None, {})],
                [("POST", "{run}/rerun", None, {}), ("GET", "{run}?wait=30", None, {}),
                 ("GET", "{run}/output", None, {})],
                [("POST", "{run}/cancel", None, {}), ("GET", f"/jobs/{name}/runs?limit=3", None, {})],
                [("PUT", "/hold", {"reason": "a fire", "select": {"labels": {"team": team}}}, {}),
                 ("POST", f"/jobs/{name}/run", None, {}), ("GET", "/hold", None, {}), ("DELETE", "/hold", None, {})],
                [("POST", "/jobs:batch", {"select": {"labels": {"team": team}}, "action": "pause"}, {})],
                [("POST", "/jobs:batch?plan=1", {"select": {"tasks": ["fe*"]}, "action": "delete"}, {})],
                [("POST", "/jobs:batch", {"select": {"ids": [name, other, "nobody"]}, "action": "resume"}, {})],
                [("PUT", f"/jobs?scope=team={team}&plan={number % 2}",
                  {"jobs": [{**job(chance, number), "id": each} for each in (name, other)]}, {})],
                [("GET", f"/jobs?limit=5&sort={chance.choice(SORTS)}", None, {}), ("NEXT", "", None, {})],
                [("GET", f"/jobs?label=team={team}&q={quote(chance.choice(WORDS)[:3])}", None, {})],
                [("GET", "/jobs?as=request&task=few", None, {})],
                [("GET", f"/runs?limit=4&state=succeeded,failed&label=team={team}", None, {}), ("NEXT", "", None, {})],
                [("GET", f"/runs?job={name}&from=-1h", None, {}), ("GET", f"/jobs/{name}/stats", None, {})],
                [("GET", "/audit?limit=3&action=job.change", None, {}), ("NEXT", "", None, {})],
                [("GET", f"/audit?target={name}&action=job.change", None, {})],
                [("GET", f"/jobs/{name}/why?at=2099-05-01T03:00:00Z", None, {})],
                [("GET", "/upcoming?limit=9&until=2099-12-31T00:00:00Z", None, {})],
                [("GET", f"/jobs/{name}/deliveries", None, {})],
            ]
        )  # fmt: skip
        yield from few


class Mask:
    """Numbers ids and tags by when they were seen first, and leaves instants out."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def __call__(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {
                self(key): "?" if key in VARIES and each is not None else self(each)
                for key, each in value.items()
                if key not in {"until_next", "seconds"}
            }
        if isinstance(value, list):
            return [self(each) for each in value]
        return SHOWN.sub(self._masked, value) if isinstance(value, str) else value

    def _masked(self, found: re.Match[str]) -> str:
        if found["away"] is not None:
            return ", in some days"
        if found["at"] is not None:
            return found["at"] if found["at"].startswith("2099") else "AN INSTANT"
        return self._seen.setdefault(found[0], f"{found.lastgroup} {len(self._seen)}")


def answers(folder: Path, url: str | None) -> list[tuple[str, Any]]:
    """Each request, and what came of it."""
    with daemon_in(folder) as daemon:
        if url is not None:
            daemon.options(f"SCHED_CONFIG = {{'store': {url!r}}}")
        daemon.script("few", "#!/bin/sh\necho one\n")
        daemon.script("bad", "#!/bin/sh\necho two; exit 3\n")
        told: list[tuple[str, Any]] = []
        ask, mask = Caller(daemon.start()), Mask()
        until(lambda: ask.ask("GET", "/health/ready").status == 200)  # and goes by the clock of the database
        last = {"job": "/jobs/nobody", "run": "/runs/nobody", "next": "/jobs"}
        with followed(daemon) as stream:
            begin = stream.begun().last
        for method, path, body, headers in requests(random.Random(SEED)):  # the same each time
            if len(told) == LONG:
                break
            target = last["next"] if method == "NEXT" else path.format(**last)
            answer = ask.ask("GET" if method == "NEXT" else method, target, body, **headers)
            last["next"] = "/jobs"
            if link := answer.headers.get("link"):
                parts = urlsplit(link.partition(">")[0].strip("<"))
                last["next"] = f"{parts.path}?{parts.query}"
            if location := answer.headers.get("location"):
                made = urlsplit(location).path
                last[made.split("/")[1].removesuffix("s")] = made
                if made.startswith("/runs/"):
                    ask.ended(made)  # or what is asked next depends on how soon it ends
            json_kind = answer.headers.get("content-type", "").endswith("json") and answer.content
            said = mask(answer.json if json_kind else answer.text)
            told.append((f"{method} {path} {json.dumps(body)}", (answer.status, bool(link), said)))
        assert ask.ask("PUT", "/jobs/last", {"task": "few", "at": "2099-01-01T00:00:00Z"}).status == 201
        with followed(daemon, "?kind=job,hold", last=begin) as stream:
            while told[-1][1] != ("job", "last"):
                event = stream.next()
                last_one = event.data.get("id") == "last"
                told.append(("an event", (event.kind, "last" if last_one else mask(event.data))))
        assert daemon.stop() == 0
    return told


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Any]]:
    return answers(tmp_path_factory.mktemp("same") / "sqlite", None)


def test_so_much_is_asked_that_each_call_is_among_it(sqlite: list[tuple[str, Any]]) -> None:
    assert len(sqlite) > LONG + 50
    assert {answer[0] for request, answer in sqlite if request != "an event"} >= {200, 201, 202, 400, 404, 409, 412}


@pytest.mark.parametrize("kind", ["postgresql", "mysql", pytest.param("mongodb", marks=pytest.mark.mongodb)])
def test_every_database_gives_the_answers_of_sqlite(
    kind: str, sqlite: list[tuple[str, Any]], tmp_path: Path, running: Callable[[str], Server]
) -> None:
    name = f"same{datetime.now(UTC):%H%M%S%f}"
    url = running(kind).create_database(name)
    found = answers(tmp_path / kind, url)
    running(kind).drop_database(name)
    for ours, theirs in zip(found, sqlite, strict=True):
        assert ours == theirs
