"""A crontab becomes jobs; what cannot be one is told line by line, with what the catalog would need."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.person import Person
from tests.system.caller import Caller
from tests.system.daemon import Daemon

GOOD = """\
MAILTO=ops@example.org
CRON_TZ=Europe/Berlin
# id: nightly
30 2 * * * runfoo
@daily told word=x
"""


@pytest.fixture(autouse=True)
def cleared(caller: Caller) -> None:
    """Each test begins without jobs."""
    for job in caller.get("/jobs")["values"]:
        caller.ask("DELETE", f"/jobs/{job['id']}")


def crontab(person: Person, text: str) -> Path:
    path = person.folder / "crontab"
    path.write_text(text)
    return path


def rows(said: str) -> list[list[str]]:
    return [line.split("\t") for line in said.splitlines()[1:] if "\t" in line]


def test_each_line_is_shown_as_the_job_it_becomes(person: Person, caller: Caller) -> None:
    crontab(person, GOOD)
    planned = person.pipe("import", "crontab", "crontab", "--plan")
    assert rows(planned.done) == [
        ["4", "+", "nightly", "runfoo", "30 2 * * * Europe/Berlin"],
        ["5", "+", "told-92ba1970", "told", "@daily Europe/Berlin"],
    ]
    assert planned.err.startswith("line 1: MAILTO is left aside: ")
    assert caller.get("/jobs")["values"] == []
    assert person.pipe("import", "crontab", "crontab").status == 2  # nobody is there to be asked
    assert "done: 2 to make" in person.does("import", "crontab", "crontab", "--yes")
    assert caller.get("/jobs/nightly")["timezone"] == "Europe/Berlin"
    assert rows(person.does("import", "crontab", "crontab", "--check"))[0] == [
        "4", "=", "nightly", "runfoo", "30 2 * * * Europe/Berlin",
    ]  # fmt: skip


def test_what_changes_and_what_goes_is_shown_too(person: Person, caller: Caller) -> None:
    words = ("import", "crontab", "-", "--label", "from=cron", "--prune")
    person.does(*words, "--yes", text=GOOD)
    fewer = "# id: nightly\n0 3 * * * runfoo\n"
    assert rows(person.does(*words, "--plan", text=fewer)) == [
        ["-", "-", "told-92ba1970", "told", "@daily Europe/Berlin"],
        ["2", "~", "nightly", "runfoo", "timezone: Europe/Berlin -> UTC, cron: 30 2 * * * -> 0 3 * * *"],
    ]
    assert person.pipe(*words, "--check", text=fewer).status == 6
    person.does(*words, "--yes", text=fewer)
    assert [job["id"] for job in caller.get("/jobs")["values"]] == ["nightly"]
    assert person.pipe("import", "crontab", "-", "--prune", text=fewer).status == 2
    assert person.pipe("import", "crontab").status == 2
    assert person.pipe("import", "crontab", "nowhere").status == 3


def test_a_line_that_cannot_be_a_job_is_told_with_why(person: Person, caller: Caller) -> None:
    crontab(person, GOOD + "@reboot runfoo\n0 4 * * * /usr/bin/id -u\nTARGET=a\n61 * * * * runfoo\n")
    said = person.pipe("import", "crontab", "crontab", "--yes")
    assert said.status == 1
    found = {row[0]: row[1:] for row in rows(said.out)}
    assert found["4"][0] == "+"
    assert {number: row[0] for number, row in found.items()} == {
        "4": "+", "5": "+", "6": "!", "7": "!", "8": "!", "9": "!",
    }  # fmt: skip
    assert '"/usr/bin/id" is no task of the catalog' in found["7"][3]
    assert "TARGET is a variable for commands" in found["8"][3]
    assert "4 lines of the crontab cannot be taken, and nothing was done; --propose DIR" in said.err
    assert caller.get("/jobs")["values"] == []
    assert person.pipe("import", "crontab", "-", text="0 4 * * * /usr/bin/id\n").status == 1  # there is no other line


def test_the_proposal_makes_a_job_of_every_line(person: Person, caller: Caller, daemon: Daemon) -> None:
    crontab(person, GOOD + "GREETING='good day'\n0 4 * * * /bin/echo -n plain\n"
            '5 4 * * * echo "$GREETING" | tr a-z A-Z\n'
            "6 4 * * * /bin/cat%one%two\n"
            "# id: again\n7 4 * * * /bin/echo -n plain\n8 4 * * * runfoo\n9 4 * * * runfoo\n")  # fmt: skip
    said = person.pipe("import", "crontab", "crontab", "--propose", "proposal")
    assert said.status == 1
    assert "look at proposal/" in said.err
    proposal = person.folder / "proposal"
    daemon.section((proposal / "catalog.cfg").read_text())
    for script in (proposal / "tasks").iterdir():
        (daemon.folder / "tasks" / script.name).write_text(script.read_text())
        (daemon.folder / "tasks" / script.name).chmod(script.stat().st_mode)
    assert caller.ask("POST", "/catalog/reload").status == 200
    assert "done: 8 to make" in person.does("import", "crontab", "proposal/crontab", "--yes")
    assert caller.get("/jobs/nightly")["task"] == "runfoo"
    for name, printed in (("echo-2", "GOOD DAY\n"), ("cat", "one\ntwo\n"), ("echo", "plain")):
        assert person.does("run", name, "--follow") == printed
    assert person.pipe("import", "crontab", "crontab", "--propose", "proposal").status == 1  # its folder is there


def test_the_crontab_of_a_user_is_asked_of_cron(person: Person, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "crontab").write_text('#!/bin/sh\n[ "$*" = "-l -u alice" ] || { echo no crontab for $3 >&2; exit 1; }\n'
                                      "echo '0 5 * * * runfoo'\n")  # fmt: skip
    (programs / "crontab").chmod(0o755)
    env = {"PATH": f"{programs}:{person.environment['PATH']}"}
    said = person.pipe("import", "crontab", "--user", "alice", "--plan", env=env)
    assert rows(said.done)[0][:4] == ["1", "+", "runfoo", "runfoo"]
    nobody = person.pipe("import", "crontab", "--user", "bob", "--plan", env=env)
    assert (nobody.status, nobody.err) == (1, "error: crontab -l -u bob: no crontab for bob\n")


def test_the_column_of_users_is_read(person: Person) -> None:
    me = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    said = person.pipe("import", "crontab", "-", "--system", "--plan", "-o", "json", text=f"0 5 * * * {me} runfoo\n")
    assert json.loads(said.done)[0]["task"] == "runfoo"
    other = person.pipe("import", "crontab", "-", "--system", "--plan", text="0 5 * * * games runfoo\n")
    assert other.status == 1
    assert 'the line is for the user "games"' in rows(other.out)[0][4]
