"""Each finding of `jobsched doctor`, made to occur."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.person import Person
from tests.system.caller import Caller
from tests.system.daemon import Daemon, until


def found(person: Person, status: int = 1) -> list[tuple[str, str, str]]:
    said = person.pipe("doctor", "-o", "jsonl")
    assert said.status == status, said
    rows = [json.loads(line) for line in said.out.splitlines()]
    return [(row["result"], row["check"], row["text"]) for row in rows if row["result"] != "ok"]


@pytest.fixture(autouse=True)
def cleared(caller: Caller) -> None:
    """Each test begins without jobs."""
    for job in caller.get("/jobs")["values"]:
        caller.ask("DELETE", f"/jobs/{job['id']}")


def test_nothing_is_wrong_with_what_is_well(person: Person, caller: Caller) -> None:
    caller.ended(caller.run(caller.make("runfoo", id="well")))
    assert found(person, status=0) == []
    assert "nobody is asked for a token: read, run, write, admin" in person.does("doctor")


def test_a_hold_and_a_job_without_a_due_are_noted(person: Person, caller: Caller) -> None:
    caller.make("runfoo", 0.2, id="over", name="over", max_runs=1)
    until(lambda: caller.get("/jobs/over")["next_due"] is None)
    person.does("hold", "--reason", "db upgrade")
    rows = found(person, status=0)
    person.does("release")
    assert ("note", "ended", "over has no due left") in rows
    assert any(row[:2] == ("note", "hold") and "db upgrade" in row[2] for row in rows)


def test_a_task_that_is_gone_or_cannot_start(person: Person, caller: Caller, daemon: Daemon) -> None:
    catalog, script = daemon.folder / "conf" / "catalog.cfg", daemon.folder / "tasks" / "killed.sh"
    before = catalog.read_text()
    caller.make("told", id="orphan", name="orphan")
    catalog.write_text(before.replace("[told]", "[untold]"))
    script.chmod(0o644)
    assert caller.ask("POST", "/catalog/reload").status == 200
    rows = found(person)
    catalog.write_text(before)
    script.chmod(0o755)
    assert caller.ask("POST", "/catalog/reload").status == 200
    assert ("trouble", "task", "orphan: no task told in the catalog: each due fails") in rows
    assert any(row[:2] == ("trouble", "task") and row[2].startswith("killed: ") for row in rows)


def test_an_overdue_job(person: Person, caller: Caller) -> None:
    caller.make("fails", 1, id="stale", name="stale", must_succeed_every=1)
    until(lambda: caller.get("/jobs/stale")["overdue"] is not None)
    assert any(row[:2] == ("trouble", "overdue") and row[2].startswith("stale: ") for row in found(person))


def test_a_median_that_comes_near_the_timeout(person: Person, caller: Caller, daemon: Daemon) -> None:
    daemon.script("second", "#!/bin/sh\nsleep 1\n")
    assert caller.ask("POST", "/catalog/reload").status == 200
    caller.ended(caller.run(caller.make("second", id="tight", name="tight", timeout=1.2)))
    assert any(row[:2] == ("trouble", "timeout") and row[2].startswith("tight usually takes") for row in found(person))


def test_a_forgotten_pause_and_a_clock_that_is_off(person: Person, caller: Caller, tmp_path: Path) -> None:
    """The command's own clock is ahead, by eight days."""
    caller.make("runfoo", id="forgotten", name="forgotten")
    person.does("pause", "forgotten")
    clock = tmp_path / "clock"
    clock.mkdir()
    (clock / "sitecustomize.py").write_text(
        "import jobsched.cli.times as times\nfrom datetime import datetime, timedelta, UTC\n"
        "times.now = lambda: datetime.now(UTC) + timedelta(days=8)\n"
    )
    person.environment["PYTHONPATH"] = f"{clock}:{person.environment['PYTHONPATH']}"
    rows = found(person)
    assert ("trouble", "paused", "forgotten is paused for 8 d, without an end") in rows
    assert any(row[:2] == ("trouble", "clock") and "-8 d" in row[2] for row in rows)
