"""A daemon whose scripts are started by executors: what becomes of runs when a part of it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.servers import Server
from tests.system.caller import Caller, instant
from tests.system.daemon import Daemon, daemon_in, is_gone, until

HUNTER = "hunter22"
APART = timedelta(seconds=0.5)  # of the clock that runs are told by, the database's, from the test's at most
SAYS = """#!/bin/sh
tr '\\0' ' ' < /proc/$PPID/cmdline
echo
echo "the word is $JOBSCHED_PARAM_PASSWORD"
exit 3
"""
SPEAKS = """#!/bin/sh
echo "at first $JOBSCHED_PARAM_PASSWORD"
until [ -e go ]; do sleep 0.05; done
echo then
exec sleep 1000
"""
LASTS = """#!/bin/sh
echo $$
exec sleep 1000
"""


# On MongoDB this goes with all others; the rest of them is for `.ci/long`.
ON_MONGODB = ("test_runs_outlive_a_killed_daemon",)

_number = count()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marks = [pytest.mark.mongodb] if metafunc.definition.name in ON_MONGODB else [pytest.mark.mongodb, pytest.mark.long]
    metafunc.parametrize("store", ["sqlite", pytest.param("mongodb", marks=marks)])


@pytest.fixture
def daemon(tmp_path: Path, store: str, running: Callable[[str], Server]) -> Iterator[Daemon]:
    with daemon_in(tmp_path / ("long" * 30) / "daemon") as daemon:
        if store != "sqlite":
            daemon.options(f"SCHED_CONFIG['store'] = {running(store).create_database(f'executors{next(_number)}')!r}")
        daemon.options("EXECUTORS = 2\nJOB_LIVETIME = 300\nKILL_GRACE = 0.5")
        daemon.options("LEASE = 60")  # or a busy machine lets executors be killed, and the next daemon come too late
        daemon.script("says", SAYS)
        daemon.section("parameters = password\n")
        daemon.script("lasts", LASTS)
        yield daemon.start()


@pytest.fixture
def ask(daemon: Daemon) -> Caller:
    return Caller(daemon)


def both(daemon: Daemon) -> list[psutil.Process]:
    """The executors, once they are there for runs too."""
    for name in (1, 2):
        daemon.says(f"executor {name} is there")
    return until(lambda: len(found := daemon.executors) == 2 and found)


def begun(ask: Caller, **more: Any) -> tuple[str, psutil.Process]:
    """A run that lasts, and its process."""
    run = ask.run(ask.make("lasts", **more))
    pid = until(lambda: ask.get(run)["pid"])
    return run, psutil.Process(pid)


def test_executors_run_scripts_as_the_daemon_would(daemon: Daemon, ask: Caller) -> None:
    both(daemon)
    job = ask.make("says", parameters={"password": HUNTER})
    runs = [ask.ended(ask.run(job)) for _ in range(2)]
    for run in runs:
        assert (run["state"], run["exit_code"]) == ("failed", 3)
        assert run["reason"] == "exit code 3, last line: the word is ***"
        assert run["cpu_seconds"] is not None
    said = [ask.ask("GET", f"/runs/{run['id']}/output").text.split("\n") for run in runs]
    assert [lines[1] for lines in said] == [f"the word is {HUNTER}"] * 2
    assert all("jobsched.executor" in lines[0] for lines in said)
    assert len({lines[0] for lines in said}) == 2, "they take turns"
    daemon.says("the word is ***")
    assert HUNTER not in daemon.log
    kept = [each for each in daemon.folder.rglob("executors/*") if each.is_file()]
    assert {each.name for each in kept} == {"1.log", "2.log", "1.ended", "2.ended"}
    assert [each for each in kept if HUNTER.encode() in each.read_bytes()] == []


def test_runs_in_executors_are_cancelled_and_end_late(ask: Caller) -> None:
    run, process = begun(ask)
    assert ask.ask("POST", f"{run}/cancel").status in (200, 202)
    assert ask.ended(run)["state"] == "cancelled"
    assert is_gone(process)
    ended = ask.ended(ask.run(ask.make("lasts", timeout=0.3)))
    assert (ended["state"], ended["reason"]) == ("timed_out", "ran longer than its 0.3 s")
    assert not psutil.pid_exists(ended["pid"])


def test_a_killed_executor_loses_its_runs_and_is_replaced(daemon: Daemon, ask: Caller) -> None:
    run, process = begun(ask)
    before = both(daemon)
    executor = process.parent()
    assert executor in before
    executor.kill()
    ended = ask.ended(run)
    assert ended["state"] == "lost"
    assert f"({process.pid}) were still there and were ended" in ended["reason"]
    assert is_gone(process)
    job = ask.make("says")
    for _ in range(4):
        assert ask.ended(ask.run(job))["exit_code"] == 3
    daemon.says("has ended: ")


def test_an_executor_that_does_not_answer_is_killed(daemon: Daemon, ask: Caller) -> None:
    assert daemon.stop() == 0
    daemon.options("LEASE = 10")  # of which it may be silent for half
    daemon.start()
    run, process = begun(ask)
    executor = process.parent()
    assert executor is not None
    executor.suspend()
    assert ask.ended(ask.run(ask.make("says"))), "another one is there, or the next will be"
    ended = ask.ended(run)
    assert ended["state"] == "lost"
    assert f"({process.pid}) were still there and were ended" in ended["reason"]
    assert is_gone(process)
    assert is_gone(executor)
    daemon.says("did not answer for 5 s, so it is killed")


def test_a_stop_of_the_daemon_ends_runs_and_executors(daemon: Daemon, ask: Caller) -> None:
    run, _ = begun(ask)
    assert daemon.stop() == 0
    assert until(lambda: daemon.alive() == [])
    daemon.start()
    assert ask.get(run)["state"] == "cancelled"
    assert ask.get(run)["reason"] == "shutdown: the daemon was stopped"


def test_a_stop_leaves_runs_to_the_next_daemon(daemon: Daemon, ask: Caller) -> None:
    assert daemon.stop() == 0
    daemon.options("ON_STOP = 'leave'")
    daemon.start()
    lasts, process = begun(ask)
    ends, other = begun(ask, name="ends")
    assert daemon.stop() == 0
    other.terminate()
    until(lambda: is_gone(other))
    assert not is_gone(process)
    daemon.options("EXECUTORS = 1")  # of the two, that with more than is wanted goes when it has no run
    daemon.start()
    assert ask.ended(ends)["signal"] == "SIGTERM"
    found = ask.get(lasts)
    assert (found["state"], found["pid"]) == ("running", process.pid)
    stopping = [str(Path(sys.executable).with_name("jobsched")), "stop", "--runs"]
    said = subprocess.run(stopping, cwd=daemon.folder, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout) == (0, "stopped, and all that ran was ended\n")
    assert daemon.wait() == 0
    assert is_gone(process)
    assert until(lambda: daemon.alive() == [])
    again = subprocess.run(stopping, cwd=daemon.folder, capture_output=True, text=True, check=False)
    assert (again.returncode, again.stderr) == (3, "error: var: no daemon has this folder\n")
    daemon.start()
    assert ask.get(lasts)["reason"] == "shutdown: the daemon was stopped"


def test_runs_outlive_a_killed_daemon(daemon: Daemon, ask: Caller) -> None:
    lasts, process = begun(ask)
    ends, other = begun(ask, name="ends")
    late, third = begun(ask, name="late", timeout=6)
    daemon.kill()
    asked_to_end = datetime.now(UTC)
    other.terminate()
    until(lambda: is_gone(other))
    until(lambda: is_gone(third))
    assert not is_gone(process)
    started_again = datetime.now(UTC)
    daemon.start()
    assert "an earlier daemon left" not in daemon.log
    found = ask.ended(ends)
    assert (found["state"], found["signal"]) == ("failed", "SIGTERM")
    assert asked_to_end - APART < instant(found["ended"]) < started_again, "as it was, and not as it was heard"
    found = ask.ended(late)
    assert (found["state"], found["reason"]) == ("timed_out", "ran longer than its 6 s")
    found = ask.get(lasts)
    assert (found["state"], found["pid"], is_gone(process)) == ("running", process.pid, False)
    assert ask.ask("POST", f"{lasts}/cancel").status in (200, 202)
    found = ask.ended(lasts)
    assert found["state"] == "cancelled"
    assert ask.text(f"{lasts}/output") == f"{process.pid}\n"
    assert is_gone(process)
    assert daemon.stop() == 0
    assert until(lambda: daemon.alive() == [])


def test_the_last_line_is_known_while_a_run_goes_on(daemon: Daemon, ask: Caller) -> None:
    daemon.section("parameters = password\n")  # of `lasts`
    (daemon.folder / "tasks" / "lasts.sh").write_text(SPEAKS)
    daemon.signal(signal.SIGHUP)
    until(lambda: "the catalog was read again" in daemon.log)
    run = ask.run(ask.make("lasts", parameters={"password": HUNTER}))
    until(lambda: ask.get(run)["last_line"] == "at first ***")
    daemon.kill()
    daemon.start()
    until(lambda: ask.get(run)["last_line"] == "at first ***")
    (daemon.folder / "go").touch()
    until(lambda: ask.get(run)["last_line"] == "then")
    ask.ask("POST", f"{run}/cancel")
    assert ask.ended(run)["state"] == "cancelled"


def test_what_no_executor_has_is_lost_with_the_daemon(daemon: Daemon, ask: Caller) -> None:
    run, process = begun(ask)
    for executor in both(daemon):
        executor.suspend()
    daemon.kill()
    for executor in daemon.executors:
        executor.kill()
    daemon.start()
    assert ask.ended(run)["state"] == "lost"
    assert is_gone(process)


def test_after_a_killed_daemon_its_executors_are_taken_over(daemon: Daemon, ask: Caller) -> None:
    _, process = begun(ask)
    before = {each.pid for each in both(daemon)}
    daemon.kill()
    assert not is_gone(process)
    daemon.start()
    assert not is_gone(process)
    job = ask.make("says")
    for _ in range(2):
        assert ask.ended(ask.run(job))["exit_code"] == 3
    assert {each.pid for each in daemon.executors} == before
    assert daemon.stop() == 0
    assert is_gone(process)
    assert until(lambda: daemon.alive() == [])
