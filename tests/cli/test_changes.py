"""Making and changing jobs, and stopping them on purpose."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.person import Person
from tests.system.caller import Caller


@pytest.fixture(autouse=True)
def cleared(caller: Caller) -> None:
    """Each test begins without jobs."""
    for job in caller.get("/jobs")["values"]:
        caller.ask("DELETE", f"/jobs/{job['id']}")


def editor(person: Person, script: str) -> dict[str, str]:
    """An editor that does what a person would."""
    path = person.folder / "editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"EDITOR": str(path)}


def test_add_makes_a_job_and_shows_its_next_dues(person: Person, caller: Caller) -> None:
    said = person.does(
        "add", "nightly", "--task", "told", "--cron", "30 2 * * *", "--zone", "Europe/Berlin", "-p", "word=5",
        "--label", "team=data", "--description", "Look at the wiki", "--set", "retries=2", "--set", "timeout=1h30m",
    )  # fmt: skip
    assert said.splitlines()[0] == "nightly"
    assert len(said.splitlines()) == 4
    job = caller.get("/jobs/nightly")
    assert (job["cron"], job["timezone"], job["retries"], job["timeout"]) == ("30 2 * * *", "Europe/Berlin", 2, 5400)
    assert (job["parameters"], job["labels"], job["description"]) == ({"word": 5}, {"team": "data"}, "Look at the wiki")


def test_add_does_not_replace_unless_it_is_told_to(person: Person, caller: Caller) -> None:
    person.does("add", "hello", "--task", "runfoo", "--every", "5m")
    said = person.pipe("add", "hello", "--task", "runfoo", "--every", "10m")
    assert said.status == 1
    assert said.err.startswith("error: there is a job hello already; ")
    person.does("add", "hello", "--task", "runfoo", "--every", "10m", "--replace")
    assert caller.get("/jobs/hello")["interval_seconds"] == 600


def test_add_with_a_name_that_is_no_id(person: Person, caller: Caller) -> None:
    made = json.loads(
        person.does("add", "The Daily Report", "--task", "runfoo", "--at", "2040-01-01T03:00", "-o", "jsonl")
    )
    assert made["name"] == "The Daily Report"
    assert caller.get(f"/jobs/{made['id']}")["at"] == "2040-01-01T03:00:00Z"


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--task", "runfoo"], 2, "give one of --every, --cron and --at"),
        (["--task", "runfoo", "--every", "5m", "--at", "05:00"], 2, "give one of --every, --cron and --at"),
        (["--task", "runfoo", "--every", "often"], 2, '"often" is no time span, as 90s, 5m, 1h30m, 2d or 1w are'),
        (["--task", "runfo", "--every", "5m"], 3, "did you mean"),
        (["--task", "runfoo", "--every", "5m", "--set", "retires=1"], 2, 'no field "retires"; did you mean retries?'),
        (["--every", "5m"], 2, "missing option '-t' / '--task'; see jobsched add --help"),
    ],
)
def test_add_says_what_is_wrong_in_a_line(person: Person, words: list[str], status: int, message: str) -> None:
    said = person.pipe("add", "x", *words)
    assert said.status == status
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert message in said.err


def test_set_shows_what_was_and_is(person: Person, caller: Caller) -> None:
    person.does("add", "hello", "--task", "told", "--every", "5m")
    said = person.does(
        "set",
        "hello",
        "retries=2",
        "timeout=1h",
        "labels.team=data",
        "parameters.word=x",
        "misfire_grace=none",
        "every=10m",
    )
    assert "hello: retries: 0 -> 2\n" in said
    assert "hello: misfire_grace: 1 min -> none\n" in said
    job = caller.get("/jobs/hello")
    assert (job["retries"], job["timeout"], job["labels"], job["misfire_grace"]) == (2, 3600, {"team": "data"}, None)
    assert (job["parameters"], job["interval_seconds"]) == ({"word": "x"}, 600)
    assert person.does("set", "hello", "retries=2") == "hello is so already\n"


def test_edit_shows_the_difference_and_sends_it(person: Person, caller: Caller) -> None:
    person.does("add", "hello", "--task", "runfoo", "--every", "5m")
    said = person.pipe("edit", "hello", env=editor(person, 'sed -i s/300/600/ "$1"')).done
    assert '-    "seconds": 300' in said
    assert '+    "seconds": 600' in said
    assert said.endswith("hello is changed\n")
    assert caller.get("/jobs/hello")["interval_seconds"] == 600
    assert person.pipe("edit", "hello", env=editor(person, "true")).done == "hello is as it was\n"
    assert person.pipe("edit", "hello", env=editor(person, ': >"$1"')).done == "hello is as it was\n"


def test_edit_loses_nothing_that_was_written(person: Person, caller: Caller) -> None:
    person.does("add", "hello", "--task", "runfoo", "--every", "5m")
    wrong = person.pipe("edit", "hello", env=editor(person, 'sed -i s/300/-1/ "$1"'))
    assert wrong.status == 1
    kept = Path(wrong.err.rstrip().rpartition("what you wrote is in ")[2])
    assert '"seconds": -1' in kept.read_text()
    other = person.folder / "other"
    url = f"http://127.0.0.1:{caller.daemon.port}/jobs/hello"
    patch = f"""curl -s -X PATCH {url} -H "Content-Type: application/json" -d '{{"retries": 2}}' >{other}"""
    faster = f'sed -i s/300/600/ "$1"; {patch}'
    said = person.pipe("edit", "hello", env=editor(person, faster))
    assert said.status == 1
    assert said.err.startswith("error: hello was changed by somebody at ")
    assert "retries from 0 to 2" in said.err
    assert caller.get("/jobs/hello")["interval_seconds"] == 300


def test_pause_and_resume_many(person: Person, caller: Caller) -> None:
    for name in ("batch-1", "batch-2", "other"):
        person.does("add", name, "--task", "runfoo", "--every", "5m")
    tonight = f"{datetime.now(UTC) + timedelta(hours=12):%H}:00"  # a time of day that has not come before it is heard
    plan = person.does("pause", "batch-*", "--until", tonight, "--reason", "upgrade", "--dry-run")
    assert plan.startswith("2 would be paused\n")
    assert not caller.get("/jobs/batch-1")["paused"]
    said = person.does("pause", "batch-*", "--until", "2h", "--reason", "upgrade")
    assert said.startswith("2 paused\n")
    assert "batch-1\tdone" in said
    job = caller.get("/jobs/batch-2")
    assert (job["pause_reason"], job["paused_until"] is None) == ("upgrade", False)
    assert not caller.get("/jobs/other")["paused"]
    assert person.does("resume", "*").startswith("2 of 3 resumed\n")
    nothing = person.pipe("pause", "nothing-*")
    assert (nothing.status, nothing.err) == (3, 'error: no job fits "nothing-*"\n')


def test_hold_and_release(person: Person) -> None:
    for name in ("batch-1", "batch-2", "other"):
        person.does("add", name, "--task", "runfoo", "--every", "5m")
    assert person.does("hold", "batch-*", "--dry-run") == "2 jobs would be on hold\n  batch-1\n  batch-2\n"
    person.does("set", "other", "labels.team=data")
    assert person.does("hold", "--label", "team=data", "--dry-run").splitlines()[1:] == ["  other"]
    assert person.pipe("hold", "--label", "team=no").status == 3
    said = person.does("hold", "batch-*", "--until", "2h", "--reason", "db upgrade")
    assert said.startswith("2 jobs are on hold until ")
    refused = person.pipe("run", "batch-1")
    assert refused.status == 1
    assert "db upgrade" in refused.err
    assert "--force runs it all the same" in refused.err
    assert person.pipe("run", "batch-1", "--force", "--wait").status == 0
    assert person.pipe("hold").status == 1  # there is one
    assert "on hold by somebody until " in person.terminal().plain
    assert person.does("release") == "released, what was on hold by somebody\n"
    assert person.pipe("release").err == "error: nothing is on hold\n"


def test_delete_asks_first(person: Person, caller: Caller) -> None:
    for name in ("batch-1", "batch-2"):
        person.does("add", name, "--task", "runfoo", "--every", "5m")
    assert person.pipe("delete", "batch-*").status == 2  # nobody is there to be asked
    answers = iter([b"n\n"])
    said = person.terminal("delete", "batch-*", types=lambda shown: next(answers, None) if "[y/N]" in shown else None)
    assert "delete 2 jobs: batch-1, batch-2?" in said.plain
    assert said.status == 130
    assert len(caller.get("/jobs")["values"]) == 2
    answers = iter([b"y\n"])
    said = person.terminal("delete", "batch-*", types=lambda shown: next(answers, None) if "[y/N]" in shown else None)
    assert said.status == 0
    assert caller.get("/jobs")["values"] == []


def test_diff_of_two_servers(person: Person, caller: Caller) -> None:
    person.does("add", "hello", "--task", "runfoo", "--every", "5m")
    url = person.environment["JOBSCHED_URL"]
    person.does("context", "add", "staging", url)
    person.does("context", "add", "production", url.replace("127.0.0.1", "localhost"))
    words = ("diff", "--from", "staging", "--to", "production", "--check")
    assert person.pipe(*words).err == "1 job is the same\n"
    assert person.pipe(*words).status == 0
    assert person.pipe("diff", "--from", "staging", "--to", "staging").status == 2
    assert person.pipe("diff", "--from", "staging", "--to", "nowhere").status == 3
