"""PUT /jobs of a real daemon: what a deploy script does, a set of many jobs, and what others feel of it."""

import contextlib
import http.client
import json
import sqlite3
import threading
from contextlib import closing

import pytest

from tests.system.caller import Caller, instant
from tests.system.daemon import daemon_in, until

MANY = 1500
SCOPE = "/jobs?scope=team=data"


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    with daemon_in(tmp_path_factory.mktemp("sets") / "daemon") as daemon:
        daemon.script("quick", "#!/bin/sh\nexit 0\n")
        daemon.section("parameters = token, text\n")
        daemon.script("slow", "#!/bin/sh\nsleep 60\n")
        daemon.options("KILL_GRACE = 0.5")
        yield Caller(daemon.start())


def job(job_id, **fields):
    return {"id": job_id, "task": "quick", "interval": {"hours": 1}} | fields


def put(ask, jobs, path=SCOPE, **headers):
    answer = ask.ask("PUT", path, {"jobs": jobs}, **headers)
    assert answer.status == 200, answer
    return answer


def whats(answer):
    return {part["id"]: part["what"] for part in answer.json["values"]}


def test_a_deploy_plans_then_applies_what_is_in_git(ask):
    jobs = [
        job("report", parameters={"token": "S3CRET", "text": "x"}),
        job("sync", interval={"minutes": 5}),
        job("old"),
    ]
    put(ask, jobs)
    ask.make("quick", name="by hand")
    read = ask.ask("GET", "/jobs?as=request&label=team=data")
    assert "S3CRET" not in read.text
    assert whats(ask.ask("PUT", SCOPE, read.content)) == dict.fromkeys(["old", "report", "sync"], "keep")
    changed = [
        job("report", parameters={"token": "***", "text": "y"}),
        job("sync", interval={"minutes": 1}),
        job("new"),
    ]
    plan = put(ask, changed, f"{SCOPE}&prune=1&plan=1")
    assert whats(plan) == {"new": "create", "old": "delete", "report": "change", "sync": "change"}
    report, sync = plan.json["values"][2:]
    assert (report["before"]["parameters"], report["after"]["parameters"]) == (
        {"token": "***", "text": "x"}, {"token": "***", "text": "y"},
    )  # fmt: skip
    assert instant(sync["due_after"]) < instant(sync["due_before"])
    done = put(ask, changed, f"{SCOPE}&prune=1", if_match=plan.headers["etag"])
    assert whats(done) == whats(plan)
    assert ask.ask("PUT", f"{SCOPE}&prune=1", {"jobs": changed}, if_match=plan.headers["etag"]).status == 412
    assert set(whats(put(ask, changed, f"{SCOPE}&prune=1")).values()) == {"keep"}
    group = done.json["group"]
    assert len(ask.get(f"/audit?group={group}")["values"]) == 5
    assert (ask.get("/jobs/report")["version"], ask.ask("GET", "/jobs/old").status) == (2, 404)
    run = ask.run("/jobs/report")
    until(lambda: ask.get(run)["state"] == "succeeded")
    put(ask, [], f"{SCOPE}&prune=1")
    assert [each["name"] for each in ask.get("/jobs")["values"]] == ["by hand"]


def test_what_runs_goes_on_when_its_job_is_pruned(ask):
    put(ask, [job("slow", task="slow", overlap="queue")])
    runs = [ask.run("/jobs/slow") for _ in range(2)]
    until(lambda: ask.get(runs[0])["state"] == "running")
    put(ask, [], f"{SCOPE}&prune=1")
    assert [ask.get(run)["state"] for run in runs] == ["running", "cancelled"]
    ask.ask("POST", f"{runs[0]}/cancel")
    until(lambda: ask.get(runs[0])["state"] == "cancelled")


def test_many_are_put_while_others_run_and_one_set_at_a_time(ask):
    ticker = ask.make("quick", 1, name="ticker", overlap="allow", misfire_grace=10)
    text = "y" * 600  # together over 1 MiB
    jobs = [job(f"many-{n:04}", parameters={"text": text}, labels={"n": str(n)}) for n in range(MANY)]
    body = json.dumps({"jobs": jobs}).encode()
    assert len(body) > 1 << 20
    assert ask.ask("POST", "/jobs", body).status == 413
    answers = []

    def insist():
        answers.append(until(lambda: (answer := ask.ask("PUT", SCOPE, body)).status == 200 and answer))

    putting = threading.Thread(target=insist)
    putting.start()
    others = []
    while putting.is_alive():
        others.append(ask.ask("PUT", "/jobs?scope=team=other", {"jobs": []}))
    putting.join()
    refused = next(answer for answer in others if answer.status != 200)
    assert refused.status == 503
    assert int(refused.headers["retry-after"]) > 0
    assert answers[0].json["counts"] == {"create": MANY, "change": 0, "keep": 0, "delete": 0}
    again = put(ask, [each | {"retries": 2} for each in jobs], f"{SCOPE}&prune=1")
    assert again.json["counts"] == {"create": 0, "change": MANY, "keep": 0, "delete": 0}
    assert len(ask.get(f"/audit?group={again.json['group']}&limit=1000")["values"]) == 1000
    assert ask.get("/jobs/many-0007")["labels"] == {"n": "7", "team": "data"}
    assert [each["id"] for each in ask.get("/jobs?label=n=7")["values"]] == ["many-0007"]
    run = ask.run("/jobs/many-0007")
    until(lambda: ask.get(run)["state"] == "succeeded")
    gone = put(ask, [], f"{SCOPE}&prune=1")
    assert gone.json["counts"] == {"create": 0, "change": 0, "keep": 0, "delete": MANY}
    assert ask.get("/runs?job=many-0007")["values"][0]["state"] == "succeeded"
    states = {run["state"] for run in ask.runs(ticker)}
    assert states <= {"waiting", "running", "succeeded"}, "no due was missed meanwhile"
    ask.ask("DELETE", ticker)


def test_a_set_in_which_anything_is_wrong_changes_nothing(ask):
    jobs = [job(f"bad-{n}") for n in range(300)]
    jobs[3] |= {"cron": "61 * * * *", "interval": None}
    jobs[7] |= {"task": "quikc"}
    jobs[200] |= {"retries": -1}
    answer = ask.ask("PUT", SCOPE, {"jobs": jobs})
    assert (answer.status, answer.fault[1]) == (400, "/jobs/200/retries")
    jobs[200] |= {"retries": 1}
    answer = ask.ask("PUT", SCOPE, {"jobs": jobs})
    assert [fault["pointer"] for fault in answer.json["errors"]] == ["/jobs/3/cron", "/jobs/7/task"]
    assert 'did you mean "quick"?' in answer.json["errors"][1]["detail"]
    assert ask.get("/jobs?label=team=data")["values"] == []


def staged(daemon, table="staged_jobs"):
    """How many jobs are staged."""
    with closing(sqlite3.connect(daemon.folder / "var" / "jobsched.sqlite", timeout=30)) as store:
        return store.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_a_daemon_that_dies_staging_leaves_nothing_half_done(daemon):
    daemon.script("quick", "#!/bin/sh\nexit 0\n")
    daemon.start()
    ask = Caller(daemon)
    put(ask, [job("there"), job("goes")])
    many = [job(f"j-{number}") for number in range(10 * MANY)] + [job("there", retries=3)]

    def killed():
        with contextlib.suppress(OSError, http.client.HTTPException):
            ask.ask("PUT", f"{SCOPE}&prune=1", {"jobs": many})

    asking = threading.Thread(target=killed)
    asking.start()
    until(lambda: staged(daemon) >= 200)
    daemon.kill()
    asking.join()
    left = staged(daemon)
    assert left >= 200
    daemon.start()
    assert {each["id"]: each["retries"] for each in ask.get("/jobs")["values"]} == {"there": 0, "goes": 0}
    assert len(ask.get("/audit?limit=1000")["values"]) == 3, "those of the first set"
    again = put(ask, [job("there", retries=1)], f"{SCOPE}&prune=1")  # it waits for nobody
    assert whats(again) == {"there": "change", "goes": "delete"}
    assert [staged(daemon, table) for table in ("staged_jobs", "staged_labels", "staged_entries")] == [0, 0, 0]


def test_a_set_of_too_many_jobs_is_refused_with_the_number(ask):
    few = [{"id": f"x{number}", "task": "quick", "at": "2099-01-01T00:00Z"} for number in range(20_001)]
    refused = ask.ask("PUT", SCOPE, {"jobs": few})
    assert refused.status == 400
    assert "a set has at most 20,000 jobs, and this one has 20,001" in refused.text
