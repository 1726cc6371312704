"""What went wrong last night, in one call: runs are found by job, task, label, node, cause, states and times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.system.caller import Caller
from tests.system.daemon import daemon_in, until
from tests.system.receiver import FAILS


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with daemon_in(tmp_path_factory.mktemp("found") / "daemon") as daemon:
        daemon.script("bad", FAILS)
        daemon.options("NODE_NAME = 'alpha'")
        daemon.start()
        yield Caller(daemon)


@pytest.fixture(scope="module")
def made(ask: Caller) -> dict[str, str]:
    """Ids of runs by what they are."""
    bad = ask.make("bad", labels={"team": "data"}, retries=1, retry_delay=0)
    good = ask.make("example", labels={"team": "web"})
    failed = ask.ended(ask.run(bad))
    again = until(lambda: [run for run in ask.runs(bad, "failed") if run["attempt"] == 2])[0]
    works = ask.ended(ask.run(good))
    first = ask.run_in(ask.make("example", 1, name="by schedule"), "succeeded")
    return {"job": bad.rpartition("/")[2], "failed": failed["id"], "again": again["id"], "works": works["id"],
            "scheduled": first["id"]}  # fmt: skip


def found(ask: Caller, query: str) -> list[str]:
    return [run["id"] for run in ask.get(f"/runs?limit=1000&{query}")["values"]]


@pytest.mark.parametrize(
    ("query", "these"),
    [
        ("job={job}", ["again", "failed"]),
        ("task=bad", ["again", "failed"]),
        ("label=team", ["works", "again", "failed"]),
        ("failing=1", ["again", "failed"]),
        ("failing=1&from=-1h", ["again", "failed"]),
        ("failing=1&to=-1h", []),
        ("state=failed,lost", ["again", "failed"]),
        ("state=failed&state=lost&label=team=data", ["again", "failed"]),
        ("cause=retry", ["again"]),
        ("cause=manual&node=alpha", ["works", "failed"]),
        ("node=nobody", []),
        ("task=bad&cause=manual&state=succeeded", []),
    ],
)
def test_runs_are_found(ask: Caller, made: dict[str, str], query: str, these: list[str]) -> None:
    assert found(ask, query.format(**made)) == [made[name] for name in these]


def test_the_schedules_own_runs_are_found(ask: Caller, made: dict[str, str]) -> None:
    scheduled = found(ask, "cause=schedule&task=example&state=succeeded")
    assert made["scheduled"] in scheduled
    assert made["works"] not in scheduled


def test_times_are_read_in_a_zone(ask: Caller, made: dict[str, str]) -> None:
    for times in ("from=-1h&to=now", "from=2020-01-01&zone=Pacific/Apia", "from=-2d&to=2999-12-31T00:00:00Z",
                  "from=2020-01-01T03:00&to=2999-01-01&zone=UTC"):  # fmt: skip
        assert set(found(ask, times)) >= {made["failed"], made["works"], made["scheduled"]}, times
    for times in ("from=-2d&to=-1d", "to=2020-01-01", "from=2999-01-01"):
        assert found(ask, times) == [], times
    night = ask.get(f"/runs?from=18:00&to=17:59&zone={quote('Europe/Berlin', '')}&failing=1")["values"]
    assert {run["state"] for run in night} <= {"failed"}


def test_pages_of_what_is_found_follow_each_other(ask: Caller, made: dict[str, str]) -> None:
    first = ask.ask("GET", "/runs?label=team&failing=1&from=-1h&limit=1")
    assert [run["id"] for run in first.json["values"]] == [made["again"]]
    link = first.headers["link"].partition(">")[0].partition("/runs")[2]
    assert [run["id"] for run in ask.get(f"/runs{link}")["values"]] == [made["failed"]]


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("state=nothing", (400, "?state")),
        ("state=", (400, "?state")),
        ("state=failed&failing=1", (400, "?failing")),
        ("cause=nothing", (400, "?cause")),
        ("from=yesterday", (400, "?from")),
        ("to=25:00", (400, "?to")),
        ("to=2026-01-01T03:00", (400, "?to")),
        ("from=03:00&zone=Europe/Berln", (400, "?zone")),
        ("job=01a20840-5f25-7789-a586-53fa4a101b39", (404, "")),
    ],
)
def test_what_makes_no_sense_is_refused(ask: Caller, query: str, wrong: tuple[int, Any]) -> None:
    assert ask.ask("GET", f"/runs?{query}").fault == wrong


def test_a_job_says_how_it_has_fared(ask: Caller, made: dict[str, str]) -> None:
    found = ask.get(f"/jobs/{made['job']}/stats")
    assert (found["runs"], found["success_rate"], found["failures"]) == (1, 0.0, 1)
    assert found["failing_since"] == ask.get(f"/runs/{made['failed']}")["due"]
    assert [each["id"] for each in found["last"]] == [made["again"], made["failed"]]
    assert found["median"] is None
    works = ask.get(f"/runs/{made['works']}")
    fine = ask.get(f"/jobs/{works['job_id']}/stats")
    assert (fine["success_rate"], fine["failing_since"], fine["median"]) == (1.0, None, works["duration"])
    assert fine["last_success"] == works["ended"]
    new = ask.get(f"{ask.make('example')}/stats")
    assert (new["runs"], new["success_rate"], new["last"]) == (0, None, [])
    assert ask.ask("GET", "/jobs/01a20840-5f25-7789-a586-53fa4a101b39/stats").status == 404


def test_a_process_says_what_it_used(ask: Caller, made: dict[str, str]) -> None:
    ask.daemon.script("spins", "#!/bin/sh\ni=0; while [ $i -lt 100000 ]; do i=$((i+1)); done\n")
    assert ask.ask("POST", "/catalog/reload").status == 200
    run = ask.ended(ask.run(ask.make("spins")))
    assert run["state"] == "succeeded"
    assert run["cpu_seconds"] > 0.01
    assert run["max_rss"] is None  # a shell is smaller than the daemon
    assert ask.get(f"/runs?job={run['job_id']}")["values"][0]["cpu_seconds"] == run["cpu_seconds"]
    thread = ask.get(f"/runs/{made['works']}")
    assert (thread["cpu_seconds"], thread["max_rss"]) == (None, None)
