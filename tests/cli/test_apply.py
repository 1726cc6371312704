"""Jobs in files: what would be done, whether to do it, and that it was done."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.cli.person import Person
from tests.system.caller import Caller

TOML = """
[[jobs]]
id = "nightly"
task = "runfoo"
cron = "30 2 * * *"
misfire_grace = inf

[[jobs]]
id = "sync"
task = "runfoo"
interval = {minutes = 5}
retries = 2
"""


@pytest.fixture(autouse=True)
def cleared(caller: Caller) -> None:
    """Each test begins without jobs."""
    for job in caller.get("/jobs")["values"]:
        caller.ask("DELETE", f"/jobs/{job['id']}")


def test_a_plan_is_shown_and_nothing_done(person: Person, caller: Caller) -> None:
    (person.folder / "jobs.toml").write_text(TOML)
    said = person.pipe("apply", "-f", "jobs.toml", "--plan")
    assert said.done.splitlines()[1].startswith("+\tnightly\t")
    assert said.done.endswith("2 to make, 0 to change, 0 to delete, 0 as they are\n")
    assert caller.get("/jobs")["values"] == []
    assert person.pipe("apply", "-f", "jobs.toml", "--check").status == 6
    assert person.pipe("apply", "-f", "jobs.toml").status == 2  # nobody is there to be asked


def test_files_become_the_jobs_of_the_server(person: Person, caller: Caller) -> None:
    folder = person.folder / "jobs"
    folder.mkdir()
    (folder / "a.toml").write_text(TOML)
    (folder / "b.json").write_text(json.dumps({"jobs": [{"id": "hourly", "task": "fails", "interval": {"hours": 1}}]}))
    (folder / "notes.txt").write_text("nothing")
    words = ("apply", "-f", "jobs", "--label", "team=data", "--prune")
    assert "done: 3 to make" in person.does(*words, "--yes")
    assert caller.get("/jobs/nightly")["misfire_grace"] is None
    assert caller.get("/jobs/sync")["labels"] == {"team": "data"}
    assert person.pipe(*words, "--check").status == 0
    person.does("set", "sync", "retries=7")
    (folder / "b.json").unlink()
    plan = person.does(*words, "--plan").splitlines()
    assert plan[1].startswith("-\thourly")
    assert plan[2].startswith("~\tsync\tretries: 7 -> 2\t")
    person.does(*words, "--yes")
    assert sorted(job["id"] for job in caller.get("/jobs")["values"]) == ["nightly", "sync"]


def test_what_is_exported_can_be_applied(person: Person) -> None:
    person.does("add", "hello", "--task", "told", "--every", "5m", "-p", "word=x", "--set", "misfire_grace=none")
    person.does("add", "other", "--task", "runfoo", "--cron", "0 3 * * *", "--description", 'say "hi"\n\tto all')
    for form in ("json", "toml"):
        (person.folder / f"all.{form}").write_text(person.does("export", "--as", form))
        assert person.pipe("apply", "-f", f"all.{form}", "--check").status == 0
    assert person.pipe("apply", "-f", "-", "--check", text=person.does("export")).status == 0


def test_a_person_is_asked_and_may_say_no(person: Person, caller: Caller) -> None:
    (person.folder / "jobs.toml").write_text(TOML)
    for answer, count in ((b"n\n", 0), (b"y\n", 2)):
        person.terminal("apply", "-f", "jobs.toml", types=once("[y/N]", answer))
        assert len(caller.get("/jobs")["values"]) == count


def once(asked: str, answer: bytes) -> Callable[[str], bytes | None]:
    """Types the answer, once that is asked."""
    left = [answer]
    return lambda shown: left.pop() if left and asked in shown else None


def test_a_plan_that_is_old_is_not_carried_out(person: Person, caller: Caller) -> None:
    (person.folder / "jobs.toml").write_text(TOML)
    person.does("apply", "-f", "jobs.toml", "--yes")
    person.does("set", "sync", "retries=5")
    typed: list[bytes] = []

    def types(shown: str) -> bytes | None:
        if "[y/N]" in shown and not typed:
            typed.append(b"y\n")
            caller.patch("/jobs/sync", retries=9)  # somebody is faster
            return typed[0]
        return None

    said = person.terminal("apply", "-f", "jobs.toml", types=types)
    assert said.status == 1
    assert "jobs were changed since that plan was made, and nothing was done" in said.plain
    assert caller.get("/jobs/sync")["retries"] == 9


@pytest.mark.parametrize(
    ("name", "text", "status", "message"),
    [
        ("x.toml", "jobs = [", 1, "x.toml: "),
        ("x.json", "{}", 1, "is no set of jobs"),
        ("x.json", '{"jobs": [{"task": "runfoo"}]}', 1, "x.json, job 0: a job of a file is an object with an id"),
        ("x.json", '{"jobs": [{"id": "a", "task": "runfoo", "cron": "x"}]}', 1, "jobs.0.cron: "),
        ("y.json", "[]", 3, "x.json: No such file"),
    ],
)
def test_what_is_wrong_with_a_file(person: Person, name: str, text: str, status: int, message: str) -> None:
    (person.folder / name).write_text(text)
    said = person.pipe("apply", "-f", "x.toml" if name == "x.toml" else "x.json", "--plan")
    assert said.status == status
    assert message in said.err
    assert said.err.count("\n") == 1


def test_one_id_in_two_files_is_refused(person: Person) -> None:
    for name in ("a.toml", "b.toml"):
        (person.folder / name).write_text(TOML)
    said = person.pipe("apply", "-f", "a.toml", "-f", "b.toml", "--plan")
    assert (said.status, said.err) == (1, "error: nightly is in a.toml, job 0 and in b.toml, job 0\n")
    assert person.pipe("apply", "-f", "a.toml", "--prune").status == 2
