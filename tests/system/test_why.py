"""Why a job did not run: asked of a real daemon, which answers from its record."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.system.caller import Caller, instant
from tests.system.daemon import Daemon, daemon_in, until

GATE = '#!/bin/sh\nwhile [ ! -e "open-$JOBSCHED_JOB_NAME" ]; do sleep 0.05; done\n'


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with daemon_in(tmp_path_factory.mktemp("why") / "daemon") as daemon:
        daemon.script("gate", GATE)
        daemon.script("never", "#!/bin/sh\necho no database\nexit 9\n")
        daemon.script("fine", "#!/bin/sh\n")
        daemon.start()
        yield Caller(daemon)


def why(ask: Caller, job: str, at: str | None = None, **query: str) -> Any:
    asked = "&".join(f"{name}={value}" for name, value in ({"at": at} if at else {} | query).items())
    return ask.get(f"{job}/why?{asked}".removesuffix("?"))


def texts(answer: Any) -> list[str]:
    return [fact["text"] for fact in answer["facts"]]


def calls(answer: Any) -> list[str]:
    return [f"{step['method']} {step['path']}" for step in answer["next"]]


def soon(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def test_a_run_that_failed(ask: Caller) -> None:
    job = ask.make("never", 0.3, max_runs=1)
    run = ask.run_in(job, "failed")
    answer = why(ask, job)
    assert (answer["answer"], answer["run"], answer["due"]) == ("failed", run["id"], run["due"])
    assert answer["sentence"].startswith("a never started at ")
    assert "exit code 9" in answer["sentence"]
    assert calls(answer) == [f"GET /runs/{run['id']}/output?tail=20", f"POST {job}/run"]
    assert "no database" in ask.text(answer["next"][0]["path"])


def test_a_run_that_succeeded_is_found_by_its_minute(ask: Caller) -> None:
    job = ask.make("fine", 0.3, max_runs=1)
    run = ask.run_in(job, "succeeded")
    minute = run["due"][:16]
    answer = why(ask, job, f"{minute}Z")
    assert (answer["answer"], answer["run"]) == ("succeeded", run["id"])
    assert calls(answer) == []
    other = why(ask, job, (instant(run["due"]) + timedelta(minutes=5)).strftime("%FT%H:%MZ"))
    assert (other["answer"], other["run"]) == ("not_due", None)
    assert "it has no due left" in other["sentence"]


def test_a_due_that_was_skipped_names_the_run_in_its_way(ask: Caller) -> None:
    job = ask.make("gate", 0.3, name="way", max_runs=1)
    first = ask.run_in(job, "running")
    ask.patch(job, max_runs=None, interval={"seconds": 0.5})
    skipped = ask.run_in(job, "skipped")
    answer = why(ask, job, skipped["due"][:19] + "Z")
    assert answer["answer"] == "overlap"
    assert f"run {first['id']} of the job was active then, and is still active" in texts(answer)
    assert f"PATCH {job}" in calls(answer)
    ask.ask("DELETE", f"{job}?cancel=1")


def test_a_due_while_the_job_is_paused(ask: Caller) -> None:
    job = ask.make("fine", None, at=soon(0.7))
    due = ask.get(job)["next_due"]
    ask.ask("POST", f"{job}/pause")
    until(lambda: datetime.now(UTC) > instant(due))
    answer = why(ask, job)
    assert (answer["answer"], calls(answer)) == ("paused", [f"POST {job}/resume", f"POST {job}/run"])
    assert "the job was paused by somebody without a token" in texts(answer)
    ask.ask("POST", f"{job}/resume")
    again = why(ask, job)
    assert (again["answer"], again["due"]) == ("paused", due)
    assert again["sentence"].endswith("was skipped: paused")


def test_a_time_before_the_job_and_one_to_come(ask: Caller) -> None:
    job = ask.make("fine", None, cron="0 3 * * *")
    assert why(ask, job, "2012-08-13T03:00Z")["answer"] == "not_made_yet"
    due = ask.get(job)["next_due"]
    answer = why(ask, job, due[:16] + "Z")
    assert (answer["answer"], answer["due"]) == ("to_come", due)
    assert why(ask, job)["due"] == due


def test_a_job_that_was_deleted(ask: Caller) -> None:
    job = ask.make("fine")
    ask.ask("DELETE", job)
    answer = why(ask, job)
    assert answer["answer"] == "no_such_job"
    assert answer["sentence"].startswith("a fine was deleted by somebody without a token on ")
    assert ask.ask("GET", f"{job}0/why").status == 404


@pytest.mark.parametrize(
    ("query", "pointer"), [("at=noon", "?at"), ("at=03:00&zone=Mars/Olympus", "/timezone"), ("when=1", "")]
)
def test_what_is_no_time_is_refused(ask: Caller, query: str, pointer: str) -> None:
    job = ask.make("fine")
    status, where = ask.ask("GET", f"{job}/why?{query}").fault
    assert status == 400
    assert pointer in where


def test_a_due_that_passed_while_no_daemon_ran(daemon: Daemon) -> None:
    daemon.script("fine", "#!/bin/sh\n")
    daemon.start()
    ask = Caller(daemon)
    job = ask.make("fine", None, at=soon(1), misfire_grace=0.1)
    due = ask.get(job)["next_due"]
    daemon.kill()
    until(lambda: datetime.now(UTC) > instant(due) + timedelta(seconds=0.5))
    daemon.start()
    missed = ask.run_in(job, "missed")
    answer = why(ask, job)
    assert (answer["answer"], answer["run"]) == ("no_daemon", missed["id"])
    assert "no daemon ran from" in answer["sentence"]
    [patch, run] = answer["next"]
    assert (patch["method"], patch["path"], run["path"]) == ("PATCH", job, f"{job}/run")
    assert ask.ask("PATCH", patch["path"], patch["body"]).status == 200


def test_a_run_that_finds_no_slot_names_those_that_hold_them(daemon: Daemon) -> None:
    daemon.options("SCHED_CONFIG['max_running'] = 1")
    daemon.script("gate", GATE)
    daemon.start()
    ask = Caller(daemon)
    first = ask.make("gate", 0.3, name="first", max_runs=1)
    holder = ask.run_in(first, "running")
    second = ask.make("gate", 0.3, name="second", max_runs=1)
    waits = ask.run_in(second, "waiting")
    answer = why(ask, second)
    assert (answer["answer"], answer["run"]) == ("no_slot", waits["id"])
    assert f"a slot is held by run {holder['id']} of first" in texts(answer)
