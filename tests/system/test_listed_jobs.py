"""The list of jobs as a page shows it: sorted, found by words, with what each job has done lately."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.system.caller import Caller
from tests.system.daemon import daemon_in, until
from tests.system.receiver import FAILS


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with daemon_in(tmp_path_factory.mktemp("listed") / "daemon") as daemon:
        daemon.script("bad", FAILS)
        daemon.script("gate", "#!/bin/sh\nwhile [ ! -e open ]; do sleep 0.05; done\n")
        daemon.start()
        yield Caller(daemon)


@pytest.fixture(scope="module")
def made(ask: Caller) -> dict[str, str]:
    """Paths by name."""
    jobs = {
        "zebra": ask.make("bad", 7200, name="zebra", description="Copies the herd."),
        "ant": ask.make("example", 3600, name="ant", labels={"team": "insects"}),
        "busy": ask.make("gate", 9000, name="busy"),
        "paused": ask.make("example", 60, name="paused"),
    }
    ask.ended(ask.run(jobs["zebra"]))
    ask.ended(ask.run(jobs["ant"]))
    ask.ended(ask.run(jobs["ant"]))
    run = ask.run(jobs["busy"])
    until(lambda: ask.get(run)["state"] == "running")
    assert ask.ask("POST", f"{jobs['paused']}/pause").status == 200
    return jobs


def names(ask: Caller, query: str) -> list[str]:
    """Page by page, two jobs each."""
    found: list[str] = []
    path = f"/jobs?limit=2&{query}"
    while path:
        answer = ask.ask("GET", path)
        assert answer.status == 200, answer
        found += [job["name"] for job in answer.json["values"]]
        target = urlsplit(answer.headers.get("link", "").partition(">")[0].strip("<"))
        path = f"{target.path}?{target.query}" if target.query else ""
    return found


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["zebra", "ant", "busy", "paused"]),
        ("sort=-created", ["paused", "busy", "ant", "zebra"]),
        ("sort=name", ["ant", "busy", "paused", "zebra"]),
        ("sort=next_due", ["paused", "ant", "zebra", "busy"]),
        ("sort=state", ["ant", "zebra", "busy", "paused"]),
        ("sort=-last_ended", ["ant", "zebra", "paused", "busy"]),
        ("sort=when", ["paused", "ant", "zebra", "busy"]),
        ("sort=-task", ["busy", "paused", "ant", "zebra"]),
        ("sort=-took&q=example", ["ant", "paused"]),
        ("sort=attention", ["zebra", "paused", "ant", "busy"]),
        ("q=herd", ["zebra"]),
        ("q=EXAMPLE+ant", ["ant"]),
        ("q=team%3Dinsects", ["ant"]),
        ("q=nothing", []),
        ("sort=-name&state=scheduled&q=a", ["zebra", "busy", "ant"]),
    ],
)
def test_jobs_are_listed(ask: Caller, made: dict[str, str], query: str, expected: list[str]) -> None:
    assert names(ask, query) == expected


def test_each_says_what_it_does_and_has_done(ask: Caller, made: dict[str, str]) -> None:
    jobs: dict[str, Any] = {job["name"]: job for job in ask.get("/jobs")["values"]}
    assert {name: job["active"] for name, job in jobs.items()} == {"zebra": 0, "ant": 0, "busy": 1, "paused": 0}
    assert [run["state"] for run in jobs["ant"]["recent"]] == ["succeeded", "succeeded"]
    assert [run["id"] for run in jobs["ant"]["recent"]] == [run["id"] for run in ask.runs(made["ant"])[::-1]]
    assert jobs["ant"]["median_duration"] is not None
    assert (jobs["zebra"]["median_duration"], jobs["zebra"]["recent"][0]["state"]) == (None, "failed")
    assert jobs["paused"]["version"] == 2
    assert ask.get(made["ant"]) == jobs["ant"]


def test_only_the_fields_that_are_asked_for_are_sent(ask: Caller, made: dict[str, str]) -> None:
    found = ask.get("/jobs?fields=name,state&sort=name")["values"]
    assert [sorted(job) for job in found] == [["id", "name", "state"]] * 4
    assert found[0]["name"] == "ant"
    some = ask.get("/jobs?fields=active&fields=recent&q=busy")["values"]
    assert [(sorted(job), job["active"]) for job in some] == [(["active", "id", "recent"], 1)]


@pytest.mark.parametrize(
    "query",
    ["sort=id", "sort=--name", "fields=nmae", "after=x&sort=name", "q=1+2+3+4+5+6+7+8+9", "sort=name&as=request",
     "fields=name&as=request"],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(ask: Caller, query: str) -> None:
    assert ask.ask("GET", f"/jobs?{query}").fault == (400, "?" + query.partition("=")[0])
