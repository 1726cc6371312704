"""Each finding of `jobsched doctor`, made to occur."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.cli.conftest import SCRIPTS
from tests.cli.person import Person
from tests.servers import Server
from tests.system.caller import Answer, Caller
from tests.system.daemon import Daemon, daemon_in, until
from tests.system.secured import token

LATER = (
    "import jobsched.cli.times as times\nfrom datetime import datetime, timedelta, UTC\n"
    "times.now = lambda: datetime.now(UTC) + timedelta(days={})\n"
)


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


def test_an_answer_that_took_long_is_no_wrong_clock(person: Person, tmp_path: Path) -> None:
    """As if the command had been frozen for ten seconds, once it had begun to ask."""
    frozen = "looks = iter([10])\ntimes.now = lambda: datetime.now(UTC) - timedelta(seconds=next(looks, 0))\n"
    as_if(person, tmp_path / "frozen", LATER.partition("times.now")[0] + frozen)
    assert not [row for row in found(person, status=0) if row[1] == "clock"]


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


def as_if(person: Person, folder: Path, text: str) -> None:
    """The command has other ideas of what is little, or what time it is."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(text)
    person.environment["PYTHONPATH"] = f"{folder}:{person.environment['PYTHONPATH']}"


def test_a_disk_that_is_nearly_full(person: Person, caller: Caller, tmp_path: Path) -> None:
    assert "GiB free for its state" in person.does("doctor")
    as_if(person, tmp_path / "low", "import jobsched.cli.commands.doctor as doctor\ndoctor.LOW = 1 << 70\n")
    assert any(row[:2] == ("trouble", "disk") and "GiB free for its state" in row[2] for row in found(person))


def test_runs_that_should_have_been_pruned(person: Person, caller: Caller, tmp_path: Path) -> None:
    caller.ended(caller.run(caller.make("runfoo", id="old")))
    assert "; KEEP_DAYS is 30, KEEP_RUNS 1000" in person.does("doctor")
    as_if(person, tmp_path / "clock", LATER.format(33))
    assert any(row[:2] == ("trouble", "runs") and row[2].startswith("the oldest run was due") for row in found(person))


def test_a_token_that_may_not_see_the_nodes_and_no_runs(tmp_path: Path) -> None:
    with daemon_in(tmp_path / "daemon") as daemon:
        reads = token(daemon, "reader", "--scope", "read")
        daemon.start()
        person = Person(tmp_path / "person", daemon)
        person.environment["JOBSCHED_TOKEN"] = reads
        rows = found(person, status=0)
        assert ("note", "nodes", "this token may not see the nodes: that needs the scope admin") in rows
        assert ("note", "runs", "there are no runs yet") in rows
        assert "the token reader: read" in person.does("doctor")
        person.environment["JOBSCHED_TOKEN"] = token(daemon, "none", "--scope", "run")
        assert caller_of(daemon, reads).status == 200
        assert person.pipe("doctor").status == 5


def test_a_daemon_that_is_not_ready_and_has_no_slot(tmp_path: Path) -> None:
    with daemon_in(tmp_path / "daemon") as daemon:
        daemon.script("waits", SCRIPTS["waits"])
        daemon.options("SCHED_CONFIG['max_running'] = 1")
        daemon.start()
        person, caller = Person(tmp_path / "person", daemon), Caller(daemon)
        run = caller.run(caller.make("waits"))
        until(lambda: caller.get(run)["state"] == "running")
        until(lambda: caller.get("/nodes")["values"][0]["slots"] == 0)
        rows = found(person)
        assert any(row[:2] == ("trouble", "slots") and row[2].endswith(" has no slot left") for row in rows)
        caller.ask("POST", f"{run}/cancel")
        caller.ended(run)
        (daemon.folder / "conf" / "catalog.cfg").write_text("")
        assert caller.ask("POST", "/catalog/reload").status == 200
        until(lambda: any(row[:2] == ("trouble", "ready") for row in found(person)))


OTHERS = {
    "older": {"version": "'0.1.0'", "seen": "seen + 3600000000"},
    "gone": {"name": "'beta'", "state": "'dead'"},
}  # in SQL


def copy_node(database: psycopg.Connection[Any], node_id: str, changed: dict[str, str]) -> None:
    """A row like that of a node, but for some columns."""
    rows = database.execute("SELECT column_name FROM information_schema.columns WHERE table_name = 'nodes'")
    columns = [str(row[0]) for row in rows]
    values = ", ".join(changed.get(column, f'"{column}"') for column in columns)
    named = ", ".join(f'"{column}"' for column in columns)
    database.execute(f"INSERT INTO nodes ({named}) SELECT {values} FROM nodes WHERE id = '{node_id}'".encode())


def test_nodes_that_died_differ_or_share_a_name(tmp_path: Path, running: Callable[[str], Server]) -> None:
    """Rows of other nodes, as those would have written them."""
    server = running("postgresql")
    url = server.create_database("doctor")
    with daemon_in(tmp_path / "daemon") as daemon:
        daemon.options(f"SCHED_CONFIG['store'] = {url!r}\nNODE_NAME = 'alpha'")
        daemon.start()
        caller = Caller(daemon)
        [mine] = until(lambda: caller.get("/nodes")["values"])
        with psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True) as database:
            for name, changed in OTHERS.items():
                copy_node(database, str(mine["id"]), {"id": f"'{name}'"} | changed)
        found_rows = found(Person(tmp_path / "person", daemon))
        assert any(row[:2] == ("trouble", "versions") and "0.1.0" in row[2] for row in found_rows), found_rows
        assert any(
            row[:2] == ("trouble", "node") and "another living node has this name too" in row[2] for row in found_rows
        )
        assert any(row[:2] == ("note", "node") and row[2].startswith("beta died, seen last ") for row in found_rows)
    server.drop_database("doctor")


def caller_of(daemon: Daemon, secret: str) -> Answer:
    """What the start of a list is to a token."""
    return Caller(daemon).ask("GET", "/jobs", Authorization=f"Bearer {secret}")


def test_an_overdue_job(person: Person, caller: Caller) -> None:
    caller.make("fails", 1, id="stale", name="stale", must_succeed_every=1)
    until(lambda: caller.get("/jobs/stale")["overdue"] is not None)
    assert any(row[:2] == ("trouble", "overdue") and row[2].startswith("stale: ") for row in found(person))


def test_a_median_that_comes_near_the_timeout(person: Person, caller: Caller, daemon: Daemon) -> None:
    daemon.script("second", "#!/bin/sh\nsleep 1\n")
    assert caller.ask("POST", "/catalog/reload").status == 200
    caller.ended(caller.run(caller.make("second", id="tight", name="tight")))
    caller.patch("/jobs/tight", timeout=1.2)
    assert any(row[:2] == ("trouble", "timeout") and row[2].startswith("tight usually takes") for row in found(person))


def test_a_forgotten_pause_and_a_clock_that_is_off(person: Person, caller: Caller, tmp_path: Path) -> None:
    """The command's own clock is ahead, by eight days."""
    caller.make("runfoo", id="forgotten", name="forgotten")
    person.does("pause", "forgotten")
    as_if(person, tmp_path / "clock", LATER.format(8))
    rows = found(person)
    assert ("trouble", "paused", "forgotten is paused for 8 d, without an end") in rows
    assert any(row[:2] == ("trouble", "clock") and "-8 d" in row[2] for row in rows)
