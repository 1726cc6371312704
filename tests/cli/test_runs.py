"""Starting, following and ending runs, and the exit status that tells what became of them."""

from __future__ import annotations

import json
import re
from statistics import median

import pytest

from jobsched.ui.words import span
from tests.cli.person import CTRL_C, Person
from tests.system.caller import Caller
from tests.system.daemon import Daemon, until

RUN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(scope="module", autouse=True)
def jobs(daemon, tmp_path_factory) -> None:
    """A job of each task, by its name."""
    person = Person(tmp_path_factory.mktemp("jobs"), daemon)
    for task in ("runfoo", "fails", "waits", "counts", "escapes", "killed", "slowly", "told"):
        person.does("add", f"a-{task}", "--task", task, "--every", "1d")
    person.does("add", "a-brief", "--task", "waits", "--every", "1d", "--set", "timeout=0.5")


def test_run_prints_the_id_of_the_run(person: Person, caller: Caller) -> None:
    said = person.pipe("run", "a-runfoo")
    assert RUN.fullmatch(said.done.strip())
    assert caller.ended(f"/runs/{said.out.strip()}")["state"] == "succeeded"


@pytest.mark.parametrize(
    ("job", "status", "words"),
    [
        ("a-runfoo", 0, "succeeded after"),
        ("a-fails", 3, "exit code 3"),
        ("a-brief", 124, "timed out after "),
        ("a-killed", 137, "again: jobsched rerun "),
    ],
)
def test_waiting_exits_as_the_run_did(person: Person, job: str, status: int, words: str) -> None:
    said = person.pipe("run", job, "--wait")
    assert said.status == status
    assert words in said.err
    assert (", TERM at " in said.err) == (job == "a-brief"), said.err
    assert RUN.fullmatch(said.out.strip())


def test_a_run_that_never_started_is_125(person: Person, caller: Caller) -> None:
    first = person.does("run", "a-waits").strip()
    said = person.pipe("run", "a-waits", "--wait")
    caller.ask("POST", f"/runs/{first}/cancel")
    caller.ended(f"/runs/{first}")
    assert said.status == 125, said
    assert "skipped: the run before it was still active" in said.err


def test_follow_shows_output_and_then_the_outcome(person: Person) -> None:
    said = person.pipe("run", "a-fails", "--follow")
    assert said.status == 3
    assert said.out == "connecting to db\nERROR: connection refused db:5432\n"
    assert re.search(r"^failed after \S+ m?s: exit code 3.*\(run [0-9a-f-]{13}\) +again: jobsched rerun ", said.err)


def test_ctrl_c_leaves_the_run_and_says_so(person: Person, caller: Caller) -> None:
    typed: list[bytes] = []

    def types(shown: str) -> bytes | None:
        if "tick 3" in shown and not typed:
            typed.append(CTRL_C)
            return CTRL_C
        return None

    said = person.terminal("run", "a-slowly", "--follow", types=types)
    assert said.status == 130
    [name] = re.findall(r"the run goes on: jobsched logs (\S+) -f", said.plain)
    [run] = until(lambda: [each for each in caller.runs("/jobs/a-slowly", "running") if each["pid"]])
    assert run["id"].startswith(name)
    assert "Traceback" not in said.plain
    ended = person.pipe("cancel", name, "--wait")
    assert re.search(rf"^{name} of a-slowly: TERM sent to pid {run['pid']} on \S+\n", ended.done)
    assert re.search(r"of a-slowly: ended by TERM after ", ended.out)


def test_parameters_reach_the_run(person: Person) -> None:
    assert person.pipe("run", "a-told", "-p", "word=Grüße an alle", "--follow").out == "Grüße an alle\n"
    said = person.pipe("run", "a-told", "-p", "wrod=x")
    assert said.status == 1
    assert said.err.startswith("error: parameters.wrod: ")
    assert person.pipe("run", "a-told", "-p", "word").status == 2


def test_rerun_takes_the_parameters_of_then(person: Person, caller: Caller) -> None:
    first = person.does("run", "a-told", "-p", "word=once").strip()
    caller.ended(f"/runs/{first}")
    assert person.pipe("rerun", first[:18], "--follow").out == "once\n"
    assert person.pipe("rerun", "a-told", "--wait", "-o", "jsonl").status == 0
    assert caller.runs("/jobs/a-told")[-1]["rerun_of"] is not None


def test_cancel_of_a_job_ends_what_is_active(person: Person, caller: Caller) -> None:
    run = person.does("run", "a-waits").strip()
    caller.run_in("/jobs/a-waits", "running", at_least=1)
    assert "TERM sent" in person.does("cancel", "a-waits", "--wait")  # its pid may not be recorded yet
    assert caller.get(f"/runs/{run}")["state"] == "cancelled"
    again = person.pipe("cancel", "a-waits")
    assert (again.status, again.err) == (1, "error: no run of a-waits is active\n")
    assert "has ended: cancelled" in person.pipe("cancel", run[:18]).err


def test_logs_of_a_job_and_of_the_runs_before(person: Person, caller: Caller) -> None:
    for word in ("one", "two", "three"):
        caller.ended(f"/runs/{person.does('run', 'a-told', '-p', f'word={word}').strip()}")
    assert person.does("logs", "a-told") == "three\n"
    assert person.does("logs", "a-told~1") == "two\n"
    assert person.does("logs", "a-told", "--previous") == "two\n"
    assert person.does("logs", "a-told~2") == "one\n"
    assert person.pipe("logs", "a-told~900").status == 3


def test_logs_tail_grep_and_the_end_on_stderr(person: Person, caller: Caller) -> None:
    caller.ended(f"/runs/{person.does('run', 'a-counts').strip()}")
    said = person.pipe("logs", "a-counts", "--tail", "2")
    assert said.done == "line 2\nline 3\n"
    assert said.err.startswith("succeeded after ")
    assert person.does("logs", "a-counts", "--grep", "[13]$") == "line 1\nline 3\n"
    wrong = person.pipe("logs", "a-counts", "--grep", "[")
    assert (wrong.status, wrong.err[:14]) == (2, "error: --grep:")


def test_logs_follow_exits_as_the_run_did(person: Person) -> None:
    run = person.does("run", "a-fails").strip()
    said = person.pipe("logs", run, "-f")
    assert said.status == 3
    assert said.out.endswith("db:5432\n")


def test_orders_to_a_terminal_are_shown_not_obeyed(person: Person, caller: Caller) -> None:
    caller.ended(f"/runs/{person.does('run', 'a-escapes').strip()}")
    shown = person.terminal("logs", "a-escapes").out
    assert "\x1b[31mred\x1b[0m" in shown  # colours stay
    assert "\\u001b]0;title\\u0007 end" in shown
    assert "\x1b]" not in shown
    plain = person.terminal("logs", "a-escapes", env={"NO_COLOR": "1"}).out
    assert "\x1b" not in plain
    assert "\x1b]0;title\x07" in person.pipe("logs", "a-escapes").out  # a pipe gets what was printed
    assert "\x1b]0;title\x07" in person.terminal("logs", "a-escapes", "--raw").out


def test_a_run_at_a_time(person: Person, caller: Caller) -> None:
    job = person.does("add", "often", "--task", "counts", "--every", "1s", "-o", "jsonl")
    assert json.loads(job)["id"] == "often"
    due = caller.run_in("/jobs/often", "succeeded")["due"]
    person.does("pause", "often")
    assert person.does("logs", f"often@{due[:19]}Z", "--utc") == "line 1\nline 2\nline 3\n"
    missing = person.pipe("logs", "often@2020-01-01T03:00", "--utc")
    assert missing.status == 3
    assert missing.err.startswith("error: often has no run at 2020-01-01T03:00: ")


def test_ps_shows_what_runs_and_its_last_line(person: Person, caller: Caller) -> None:
    until(lambda: not caller.runs("/jobs/often", "running", "waiting", "stopping"))  # one was perhaps under way
    assert "nothing runs" in person.pipe("ps").err
    begun = person.does("run", "a-waits").strip()
    until(lambda: caller.text(f"/runs/{begun}/output"))
    [run] = [json.loads(line) for line in person.does("ps", "-o", "jsonl").splitlines()]
    assert run["job_name"] == "a-waits"
    said = person.terminal("ps", columns=120)
    person.does("cancel", "a-waits", "--wait")
    assert said.lines[0].split() == ["STATE", "JOB", "FOR", "USUALLY", "SINCE", "NODE", "PID", "ID", "LAST", "LINE"]
    assert re.search(r"^running +a-waits +\S+ m?s .* waiting$", said.lines[1])


def test_what_is_usual_is_of_the_last_twenty_outcomes(person: Person, caller: Caller, daemon: Daemon) -> None:
    """Those that are shown, the last twelve, have all failed; what is before the last twenty took longer."""
    daemon.script("wanes", "#!/bin/sh\nwhile [ -e held ]; do sleep 0.05; done\n[ ! -e broken ]\n")
    assert caller.ask("POST", "/catalog/reload").status == 200
    caller.make("wanes", id="wanes", name="wanes")
    held, broken = daemon.folder / "held", daemon.folder / "broken"
    held.touch()
    first = caller.run("/jobs/wanes")
    until(lambda: caller.get(first)["state"] == "running")
    held.unlink()
    assert caller.ended(first)["state"] == "succeeded"
    for number in range(20):
        if number == 8:
            broken.touch()
        caller.ended(caller.run("/jobs/wanes"))
    runs = caller.runs("/jobs/wanes")
    assert [run["state"] for run in runs] == ["succeeded"] * 9 + ["failed"] * 12
    job = caller.get("/jobs/wanes")
    assert [run["id"] for run in job["recent"]] == [run["id"] for run in runs[:-13:-1]]
    assert job["median_duration"] == pytest.approx(median(run["duration"] for run in runs[1:9]), abs=1e-6)
    assert caller.get("/jobs?q=wanes&fields=median_duration")["values"][0]["median_duration"] == job["median_duration"]
    shown = span(job["median_duration"])
    assert f"median {shown}<" in caller.text("/ui/jobs?q=wanes")
    held.touch()
    begun = caller.run("/jobs/wanes")
    until(lambda: caller.get(begun)["state"] == "running")
    assert f" of usually {shown}" in caller.text("/ui/")
    assert f"Usually it takes {shown}." in caller.text(f"/ui{begun}")
    going = [json.loads(line) for line in person.does("ps", "-o", "jsonl").splitlines()]
    held.unlink()
    assert {run["job_name"]: run["usually"] for run in going}["wanes"] == job["median_duration"]
    caller.ended(begun)


def test_curl_shows_the_request_and_sends_nothing(person: Person, caller: Caller) -> None:
    before = len(caller.runs("/jobs/a-counts"))
    said = person.pipe("run", "a-counts", "--curl", env={"JOBSCHED_TOKEN": "jobsched_secret"})
    assert said.done == (
        f"curl -sS -X POST http://127.0.0.1:{caller.daemon.port}/jobs/a-counts/run "
        '-H "Authorization: Bearer $JOBSCHED_TOKEN"\n'
    )
    assert "secret" not in said.out + said.err
    assert len(caller.runs("/jobs/a-counts")) == before
