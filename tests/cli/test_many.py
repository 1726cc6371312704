"""Ten thousand jobs: the list is whole, and begins before its end has been asked for."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.cli.person import Person
from tests.system.caller import Caller
from tests.system.daemon import Daemon, daemon_in

MANY = 10_000


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One that has so many jobs."""
    with daemon_in(tmp_path_factory.mktemp("many") / "daemon") as one:
        one.start()
        jobs = [{"id": f"batch-{number}", "task": "runfoo", "interval": {"days": 1}} for number in range(MANY)]
        assert Caller(one).ask("PUT", "/jobs", {"jobs": jobs}).status == 200
        yield one


def pages(daemon: Daemon) -> int:
    """How many pages of jobs were asked for; the access log has only some of them."""
    found = re.search(r'requests_total\{method="GET",route="/jobs",status="200"\} ([0-9.e+]+)', metrics(daemon))
    return int(float(found[1])) if found else 0


def metrics(daemon: Daemon) -> str:
    time.sleep(1.1)  # a page of metrics is good for a second
    return Caller(daemon).text("/metrics")


def test_all_are_listed_in_a_pipe_and_in_a_terminal(person: Person) -> None:
    lines = person.does("jobs", "--sort", "name").splitlines()
    assert len(lines) == MANY + 1
    assert len({line.split("\t")[4] for line in lines[1:]}) == MANY
    shown = person.terminal("jobs", "batch-99*", columns=40)
    assert shown.status == 0
    assert len(shown.lines) == 1 + 111
    assert max(map(len, shown.lines)) <= 40


def test_the_first_page_is_shown_before_the_last_is_asked_for(person: Person, daemon: Daemon) -> None:
    """Whoever reads gets enough at once, and the command ends without asking for the rest."""
    command = [sys.executable, "-m", "jobsched", "jobs"]
    asked = pages(daemon)
    with subprocess.Popen(command, cwd=person.folder, env=person.environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"NEXT\t")
        assert b"batch-" in process.stdout.readline()
        process.stdout.close()
        assert process.wait(30) == 0
    assert 1 <= pages(daemon) - asked < MANY / 1000


def test_the_overview_and_one_of_them_do_not_read_them_all(person: Person, daemon: Daemon) -> None:
    asked = pages(daemon)
    assert "batch-" in person.does("status")
    assert "batch-77" in person.does("status", "batch-77")
    assert pages(daemon) - asked <= 6


def test_so_many_are_applied_and_one_sees_that_it_goes_on(person: Person) -> None:
    jobs = [
        {"id": f"batch-{number}", "task": "runfoo", "interval": {"days": 1}, "retries": 1} for number in range(1000)
    ]
    (person.folder / "jobs.json").write_text(json.dumps({"jobs": jobs}))
    said = person.terminal("apply", "-f", "jobs.json", "--yes")
    assert said.status == 0
    assert "1,000 jobs: asking what would change ..." in said.plain
    assert "1,000 jobs: changing all of them, or none ..." in said.plain
    assert " ..." not in person.pipe("apply", "-f", "jobs.json", "--yes").err
