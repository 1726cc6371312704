"""Why a job did not run: asked of a real daemon, which answers from its record."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.servers import Server
from tests.system.caller import Caller, instant
from tests.system.daemon import Daemon, daemon_in, until

FIRST: dict[str, Any] = {"max_runs": 1, "catch_up": "all"}  # the first due runs, also if it is decided with the next
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
    job = ask.make("never", 0.3, **FIRST)
    run = ask.run_in(job, "failed")
    answer = why(ask, job)
    assert (answer["answer"], answer["run"], answer["due"]) == ("failed", run["id"], run["due"])
    assert answer["sentence"].startswith("a never started at ")
    assert "exit code 9" in answer["sentence"]
    assert calls(answer) == [f"GET /runs/{run['id']}/output?tail=20", f"POST {job}/run"]
    assert "no database" in ask.text(answer["next"][0]["path"])


def test_a_run_by_hand_that_failed(ask: Caller) -> None:
    job = ask.make("never", 3600)
    assert why(ask, job)["answer"] == "to_come"
    run = ask.ended(ask.run(job))
    answer = why(ask, job)
    assert (answer["answer"], answer["run"]) == ("failed", run["id"])


def test_a_job_whose_task_has_gone(daemon: Daemon) -> None:
    daemon.script("gone", "#!/bin/sh\n")
    ask = Caller(daemon.start())
    job = ask.make("gone", 3600, name="left")
    assert "now: no due of it can start" not in str(texts(why(ask, job)))
    catalog = daemon.folder / "conf" / "catalog.cfg"
    catalog.write_text(catalog.read_text().partition("[gone]")[0])
    assert ask.ask("POST", "/catalog/reload").status == 200
    assert "the catalog of no living node has its task gone now: no due of it can start" in texts(why(ask, job))


def test_a_run_that_succeeded_is_found_by_its_minute(ask: Caller) -> None:
    job = ask.make("fine", 0.3, **FIRST)
    run = ask.run_in(job, "succeeded")
    minute = run["due"][:16]
    answer = why(ask, job, f"{minute}Z")
    assert (answer["answer"], answer["run"]) == ("succeeded", run["id"])
    assert calls(answer) == []
    other = why(ask, job, (instant(run["due"]) + timedelta(minutes=5)).strftime("%FT%H:%MZ"))
    assert (other["answer"], other["run"]) == ("not_due", None)
    assert "it has no due left" in other["sentence"]


def test_a_due_that_was_skipped_names_the_run_in_its_way(ask: Caller) -> None:
    job = ask.make("gate", 0.3, name="way", **FIRST)
    first = ask.run_in(job, "running")
    ask.patch(job, max_runs=None, interval={"seconds": 0.5})
    skipped = ask.run_in(job, "skipped")
    answer = why(ask, job, skipped["due"][:19] + "Z")
    assert answer["answer"] == "overlap"
    assert f"run {first['id']} of the job was active then, and is still active" in texts(answer)
    assert f"PATCH {job}" in calls(answer)
    ask.ask("DELETE", f"{job}?cancel=1")


def test_a_due_while_the_job_is_paused(ask: Caller) -> None:
    job = ask.make("fine", None, at=soon(6))
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


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/New_York"])
def test_the_ends_of_time_are_times_too(ask: Caller, zone: str) -> None:
    job = ask.make("fine")
    for end in ("0001-01-01", "0001-01-01T00:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59", "9999-12-31T23:59:59Z"):
        assert ask.ask("GET", f"{job}/why?at={end}&zone={zone}").status in {200, 400}, end

    last = ask.make("fine", None, at="9999-12-31T23:59:59.999999Z", timezone=zone)
    answer = why(ask, last)
    assert (answer["answer"], answer["due"]) == ("to_come", "9999-12-31T23:59:59.999999Z")
    for end in ("from=0001-01-01T00:00:00Z", "to=9999-12-31T23:59:59.999999Z"):
        assert ask.ask("GET", f"/upcoming?{end}").status in {200, 400}, end


def test_a_due_that_passed_while_no_daemon_ran(daemon: Daemon) -> None:
    daemon.script("fine", "#!/bin/sh\n")
    daemon.start()
    ask = Caller(daemon)
    job = ask.make("fine", None, at=soon(6), misfire_grace=0.1)
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
    first = ask.make("gate", 0.3, name="first", **FIRST)
    holder = ask.run_in(first, "running")
    second = ask.make("gate", 0.3, name="second", **FIRST)
    waits = ask.run_in(second, "waiting")
    answer = why(ask, second)
    assert (answer["answer"], answer["run"]) == ("no_slot", waits["id"])
    assert f"a slot is held by run {holder['id']} of first" in texts(answer)

    ask.patch(second, max_runs=None, interval={"seconds": 0.5})
    skipped = ask.run_in(second, "skipped")
    answer = why(ask, second, skipped["due"])
    assert "the run before it was still active, for it waits itself: no free slot" in answer["sentence"]
    assert f"a slot is held by run {holder['id']} of first" in texts(answer)
    assert calls(answer)[0] == "GET /runs?state=running"


# Further cases, each made to occur


def test_a_run_that_took_too_long(ask: Caller) -> None:
    job = ask.make("gate", 0.3, name="slow", timeout=0.3, **FIRST)
    run = ask.run_in(job, "timed_out")
    answer = why(ask, job)
    assert (answer["answer"], answer["run"]) == ("timed_out", run["id"])
    assert answer["next"][0]["body"] == {"timeout": 0.6}


def test_a_run_that_goes_on_and_one_that_waits_for_it(ask: Caller) -> None:
    job = ask.make("gate", 1.5, name="goes-on", overlap="queue", max_runs=2)
    run = ask.run_in(job, "running")
    waits = ask.run_in(job, "waiting")
    answer = why(ask, job, run["due"])
    assert (answer["answer"], answer["run"]) == ("running", run["id"])
    assert calls(answer) == [f"GET /runs/{run['id']}/output?follow=1"]
    answer = why(ask, job, waits["due"])
    assert (answer["answer"], answer["run"]) == ("waiting", waits["id"])
    ask.ask("POST", f"/runs/{run['id']}/cancel")
    ask.ended(f"/runs/{run['id']}")
    assert why(ask, job, run["due"])["answer"] == "cancelled"
    ask.ask("DELETE", f"{job}?cancel=1")


def test_a_due_while_all_is_on_hold(ask: Caller) -> None:
    job = ask.make("fine", None, at=soon(6))
    due = ask.get(job)["next_due"]
    assert ask.ask("PUT", "/hold", {"reason": "upgrade"}).status in (200, 201)
    assert why(ask, job, due)["answer"] == "on_hold"
    until(lambda: ask.get(job)["next_due"] is None)
    answer = why(ask, job)
    ask.ask("DELETE", "/hold")
    assert answer["answer"] == "on_hold"
    assert "upgrade" in answer["sentence"]


def test_a_due_that_no_node_can_run(ask: Caller) -> None:
    job = ask.make("fine", 0.3, require={"disk": "fast"}, max_runs=1)
    found = ask.run_in(job, "missed", "waiting")
    answer = why(ask, job, found["due"])
    assert (answer["answer"], answer["run"]) == ("no_node", found["id"]), answer


def test_a_due_that_a_change_of_clocks_moves(ask: Caller) -> None:
    job = ask.make("fine", None, cron="30 2 * * *", timezone="Europe/Berlin", start="2027-03-28T00:00:00+01:00")
    answer = why(ask, job, "2027-03-28T02:30", zone="Europe/Berlin")
    assert any("02:30 does not exist on 2027-03-28" in text for text in [answer["sentence"], *texts(answer)]), answer


def test_a_run_whose_daemon_died_and_one_that_is_no_longer_kept(daemon: Daemon) -> None:
    daemon.script("gate", GATE)
    daemon.script("fine", "#!/bin/sh\n")
    daemon.start()
    ask = Caller(daemon)
    job, often = ask.make("gate", 0.3, name="dies", **FIRST), ask.make("fine", 1.5, name="often")
    ask.run_in(job, "running")
    first = ask.run_in(often, "succeeded")
    daemon.kill_all()
    with closing(sqlite3.connect(daemon.folder / "var" / "jobsched.sqlite")) as store, store:
        store.execute("DELETE FROM runs WHERE id = ?", [first["id"]])  # as pruning does
    daemon.start()
    run = ask.run_in(job, "lost")
    answer = why(ask, job)
    assert (answer["answer"], answer["run"]) == ("lost", run["id"])
    assert why(ask, often, first["due"])["answer"] == "not_known"


@pytest.mark.parametrize(("seconds", "expected"), [(1, "misfire"), (17, "held_up")])
def test_a_due_while_the_daemon_slept(daemon: Daemon, seconds: float, expected: str) -> None:
    daemon.script("fine", "#!/bin/sh\n")
    daemon.start()
    ask = Caller(daemon)
    job = ask.make("fine", None, at=soon(4), misfire_grace=0.1)
    due = instant(ask.get(job)["next_due"])
    daemon.signal(signal.SIGSTOP)
    until(lambda: datetime.now(UTC) > due + timedelta(seconds=seconds))
    daemon.signal(signal.SIGCONT)
    missed = ask.run_in(job, "missed")
    answer = why(ask, job)
    assert (answer["answer"], answer["run"]) == (expected, missed["id"]), answer
    assert answer["next"][0]["body"]["misfire_grace"] > 1


def test_a_due_while_the_store_is_away(tmp_path: Path, running: Callable[[str], Server]) -> None:
    server = running("postgresql")
    url = server.create_database("away")
    with daemon_in(tmp_path / "daemon") as daemon:
        daemon.options(f"SCHED_CONFIG['store'] = {url!r}")
        daemon.script("fine", "#!/bin/sh\n")
        daemon.start()
        ask = Caller(daemon)
        job = ask.make("fine", None, at=soon(6), misfire_grace=0.1)
        due = instant(ask.get(job)["next_due"])
        server.stop("immediate")
        until(lambda: ask.ask("GET", f"{job}/why").status == 503)
        until(lambda: datetime.now(UTC) > due + timedelta(seconds=1))
        server.start()
        until(lambda: ask.ask("GET", job).status == 200)
        missed = ask.run_in(job, "missed")
        answer = why(ask, job)
        assert (answer["answer"], answer["run"]) == ("misfire", missed["id"]), answer
    server.drop_database("away")
