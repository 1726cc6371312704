"""What the daemon does when its catalog is bad, a task is gone, the store or the output folder is full."""

import contextlib
import re
import resource
import signal
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from jobsched.verify import verify
from tests.system.caller import Caller, dues, instant
from tests.system.daemon import until
from tests.system.disk import fill, small_disk

TALK = "#!/bin/sh\nhead -c 3000000 /dev/zero | tr '\\0' x\necho\necho end\n"


@pytest.fixture
def ask(daemon):
    return Caller(daemon)


# The catalog.


def test_a_reload_takes_a_good_catalog_and_refuses_a_bad_one(daemon, ask):
    daemon.start()
    whole = (daemon.folder / "conf" / "catalog.cfg").read_text()
    before = ask.get("/catalog")
    daemon.script("later", "#!/bin/sh\necho later\n")
    assert ask.get("/catalog") == before
    assert ask.ask("POST", "/catalog/reload").json == {"tasks": [*before["tasks"], "later"]}
    assert ask.get("/catalog/later")["kind"] == "command"
    run = ask.run(ask.make("later"))
    assert ask.ended(run)["state"] == "succeeded"

    for bad in ("[x\n", "[x]\nfile = gone.py\nclass = X\n", "[x]\nclass = X\n"):
        daemon.section(bad)
        answer = ask.ask("POST", "/catalog/reload")
        assert answer.fault == (409, "")
        assert "catalog.cfg" in answer.json["detail"]
        assert "Traceback" not in answer.text
        assert ask.get("/catalog")["tasks"][-1] == "later"
        (daemon.folder / "conf" / "catalog.cfg").write_text(whole)
    assert ask.ended(ask.run(ask.make("later")))["state"] == "succeeded"


def test_a_hang_up_signal_does_the_same(daemon, ask):
    daemon.start()
    daemon.script("later", "#!/bin/sh\n")
    daemon.signal(signal.SIGHUP)
    until(lambda: "later" in ask.get("/catalog")["tasks"])
    daemon.section("[bad]\n")
    daemon.signal(signal.SIGHUP)
    until(lambda: "the old catalog stays in force" in daemon.log)
    assert "later" in ask.get("/catalog")["tasks"]
    assert "Traceback" not in daemon.log


def test_a_job_whose_task_is_gone_says_so_and_fails_until_then(daemon, ask):
    path = daemon.folder / "conf" / "catalog.cfg"
    without = path.read_text()
    daemon.script("fleeting", "#!/bin/sh\n")
    whole = path.read_text()
    daemon.start()
    job = ask.make("fleeting", 0.3)
    ask.run_in(job, "succeeded")
    assert ask.get(job)["task_known"] is True

    path.write_text(without)
    assert ask.ask("POST", "/catalog/reload").status == 200
    assert ask.get(job)["task_known"] is False
    assert [found["task_known"] for found in ask.get("/jobs?task=fleeting")["values"]] == [False]
    failed = ask.run_in(job, "failed", at_least=2)
    assert "fleeting is not in the catalog" in failed["reason"]
    assert ask.ended(ask.run(job))["state"] in {"failed", "skipped"}
    assert ask.ask("POST", "/jobs", {"task": "fleeting", "name": "x", "interval": {"hours": 1}}).status == 404
    assert ask.ask("POST", f"{job}/pause").status == 200

    path.write_text(whole)
    assert ask.ask("POST", "/catalog/reload").status == 200
    before = len(ask.runs(job, "succeeded"))
    assert ask.ask("POST", f"{job}/resume").json["task_known"] is True
    ask.run_in(job, "succeeded", at_least=before + 1)


# The store.


def outcomes(ask, job, every):
    """Every due from the first to the last known has one outcome."""
    found = dues(ask.runs(job), every)
    created = instant(ask.get(job)["created"])
    assert sorted(found) == [created + n * every for n in range(1, len(found) + 1)]
    return len(found)


def refused(ask, job):
    """Nothing can be written: each order is refused, to be sent again later, and nothing of it is done."""
    shown, jobs = ask.get(job), len(ask.get("/jobs")["values"])
    orders = [
        ("POST", "/jobs", {"task": "example", "name": "x", "interval": {"hours": 1}}),
        ("PATCH", job, {"name": "changed"}),
        ("POST", f"{job}/pause", None),
        ("POST", f"{job}/run", None),
        ("DELETE", job, None),
    ]
    for method, path, body in orders:
        answer = ask.ask(method, path, body)
        assert answer.fault == (503, ""), (method, path)
        assert int(answer.headers["retry-after"]) > 0
    after = ask.get(job)
    assert {name: after[name] for name in ("name", "paused", "updated")} == {
        name: shown[name] for name in ("name", "paused", "updated")
    }
    assert len(ask.get("/jobs")["values"]) == jobs


def undecided(ask, job):
    """Why a job is not started, once nobody could decide its due."""
    found = ask.get(f"{job}/why")
    return found["answer"] == "undecided" and found["sentence"]


def test_a_store_on_a_full_disk_refuses_until_there_is_room(daemon, ask, tmp_path):
    with small_disk(tmp_path / "disk", "6m") as disk:
        daemon.options(f"SCHED_CONFIG['store'] = 'sqlite:///{disk}/store.sqlite'")
        daemon.start()
        job = ask.make("example", 0.5)
        ask.run_in(job, "succeeded")
        filler = fill(disk)
        until(
            lambda: ask.ask("POST", "/jobs", {"task": "example", "name": "x", "interval": {"hours": 1}}).status == 503
        )
        refused(ask, job)
        assert ask.ask("GET", "/health").status == 200
        unready = ask.ask("GET", "/health/ready")
        assert unready.fault == (503, "")
        why = r"the store refused a change \d+ s ago: the store cannot be used now: database or disk is full"
        assert re.search(why, unready.json["detail"])
        assert re.search(rf"is not decided yet: {why}", until(lambda: undecided(ask, job)))
        said = subprocess.run(
            [Path(sys.executable).with_name("jobsched"), "--server", daemon.url(""), "status", "--exit-code"],
            stdout=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
        assert (said.returncode, bool(re.search(why, said.stdout))) == (1, True), said.stdout
        before = len(ask.runs(job))
        filler.unlink()
        ask.make("example")
        ask.run_in(job, "succeeded", at_least=before + 2)
        assert outcomes(ask, job, timedelta(seconds=0.5)) > before
        until(lambda: ask.ask("GET", "/health/ready").status == 200)
        assert "Traceback" not in daemon.log
        assert daemon.stop() == 0


def test_a_store_that_may_not_grow_refuses_until_it_may(daemon, ask):
    daemon.start()
    job = ask.make("example", 0.5)
    ask.run_in(job, "succeeded")
    process = psutil.Process(daemon.process.pid)
    before = process.rlimit(resource.RLIMIT_FSIZE)
    process.rlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        until(
            lambda: ask.ask("POST", "/jobs", {"task": "example", "name": "x", "interval": {"hours": 1}}).status == 503
        )
        refused(ask, job)
    finally:
        process.rlimit(resource.RLIMIT_FSIZE, before)
    count = len(ask.runs(job))
    ask.run_in(job, "succeeded", at_least=len(ask.runs(job, "succeeded")) + 2)
    assert outcomes(ask, job, timedelta(seconds=0.5)) > count
    assert daemon.stop() == 0


REFUSE = """
CREATE TRIGGER refuse BEFORE UPDATE ON runs WHEN NEW.state = 'succeeded' AND NEW.job_id = '{job}'
BEGIN SELECT RAISE(ABORT, 'not that one'); END
"""


def test_what_the_store_refuses_of_one_job_troubles_no_other(daemon, ask):
    """Neither an outcome that it does not take, nor a row that no daemon understands."""
    daemon.start()
    job = ask.make("example", 0.5, overlap="allow", catch_up="all")
    poor = ask.make("example")
    strange = ask.make("example", None, cron="* * * * * *")
    ask.run_in(strange, "succeeded")
    with contextlib.closing(sqlite3.connect(daemon.folder / "var" / "jobsched.sqlite", timeout=30)) as store, store:
        store.execute(REFUSE.format(job=poor.rpartition("/")[2]))
        store.execute("UPDATE jobs SET timezone = 'Nowhere/Land' WHERE cron IS NOT NULL")
    run = ask.run(poor)
    ended = ask.ended(run)
    assert ended["state"] == "failed"
    assert ended["reason"] == "its outcome (succeeded) was refused by the store: not that one"
    until(lambda: f"run {ended['id']} of {ended['job_name']}: failed, its outcome" in daemon.log)
    until(lambda: re.search(r"the dues of job \S+ cannot be decided, trying again in 2 s", daemon.log))
    ask.run_in(job, "succeeded", at_least=len(ask.runs(job, "succeeded")) + 2)
    outcomes(ask, job, timedelta(seconds=0.5))
    assert {found["state"] for found in ask.runs(job)} <= {"succeeded", "running", "waiting"}
    with contextlib.closing(sqlite3.connect(daemon.folder / "var" / "jobsched.sqlite", timeout=30)) as store, store:
        store.execute("UPDATE jobs SET timezone = 'UTC' WHERE cron IS NOT NULL")
    ask.run_in(strange, "succeeded", at_least=len(ask.runs(strange, "succeeded")) + 1)
    assert daemon.stop() == 0


def test_a_job_that_replaces_its_runs_has_its_number_of_starts(daemon, ask):
    """Dues that are replaced while they wait for the run before them to die have not started, and do not count."""
    daemon.options("KILL_GRACE = 3")  # dues enough come meanwhile, also where a busy machine decides some together
    daemon.script("stubborn", "#!/bin/sh\ntrap '' TERM\nsleep 30\n")
    daemon.start()
    until(lambda: "executor 1 is there" in daemon.log)  # until then scripts wait, and are replaced without a skip
    job = ask.make("stubborn", 0.3, overlap="replace", max_runs=3)
    until(lambda: ask.get(job)["state"] == "ended" and not ask.runs(job, "waiting"))
    runs = ask.runs(job)
    assert len([run for run in runs if run["started"]]) == 3
    assert len([run for run in runs if run["state"] == "skipped"]) >= 2
    store = f"sqlite:///{daemon.folder / 'var' / 'jobsched.sqlite'}"
    assert [str(fault) for fault in verify(store, whole=True)] == []


# The output folder.


def test_a_full_output_folder_cuts_the_output_and_nothing_else(daemon, ask):
    daemon.script("talk", TALK)
    with small_disk(daemon.folder / "var" / "output", "1m"):
        daemon.start()
        job = ask.make("talk")
        run = ask.run(job)
        ended = ask.ended(run)
        assert ended["state"] == "succeeded"
        assert "output was cut: ENOSPC" in ended["reason"]
        output = ended["output"]
        assert (output["bytes"], output["truncated"]) == (3_000_005, True)
        assert 0 < output["kept"] <= 1 << 20
        assert ask.text(f"{run}/output") == "x" * output["kept"]
        second = ask.ended(ask.run(job))
        assert (second["state"], second["output"]["kept"], second["output"]["truncated"]) == ("succeeded", 0, True)
        assert ask.ask("GET", f"/runs/{second['id']}/output").status == 200
        assert daemon.stop() == 0


@pytest.mark.parametrize("executors", [0, 1])
def test_an_output_that_fills_the_disk_leaves_room(daemon, ask, executors):
    daemon.options(f"EXECUTORS = {executors}")
    daemon.script("endless", "#!/bin/sh\nhead -c 60000000 /dev/zero | tr '\\0' x\nexit 3\n")
    (daemon.folder / "var").mkdir(mode=0o700)
    with small_disk(daemon.folder / "var", "24m"):
        daemon.start()
        job = ask.make("endless")
        other = ask.make("example", 0.3)
        ended = ask.ended(run := ask.run(job))
        assert (ended["state"], ended["exit_code"]) == ("failed", 3)
        assert "output was cut: ENOSPC" in ended["reason"]
        kept = ended["output"]["kept"]
        assert 1 << 20 < kept < 16 << 20
        assert ask.text(f"{run}/output") == "x" * kept
        ask.run_in(other, "succeeded", at_least=len(ask.runs(other)) + 2)
        assert daemon.stop() == 0


def test_an_unwritable_output_folder_cuts_the_output_alone(daemon, ask):
    daemon.script("talk", TALK)
    daemon.start()
    folder = daemon.folder / "var" / "output"
    if folder.exists():
        folder.rmdir()
    folder.write_text("in the way")
    job = ask.make("talk")
    run = ask.run(job)
    ended = ask.ended(run)
    assert ended["state"] == "succeeded"
    assert "output was cut: " in ended["reason"]
    assert ended["output"] == {"bytes": 3_000_005, "kept": 0, "truncated": True}
    answer = ask.ask("GET", f"{run}/output")
    assert (answer.status, answer.content) == (200, b"")
    assert ask.text(f"{run}/output?tail=3") == ask.text(f"{run}/output?follow=1") == ""
    folder.unlink()
    assert ask.ended(ask.run(job))["output"]["truncated"] is False
