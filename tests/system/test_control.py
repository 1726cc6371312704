"""What happens when runs meet, fail, are asked for and are ended: overlap, retries, run now, cancel, delete, keys."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from tests.system.caller import Caller, instant, still
from tests.system.daemon import daemon_in, until

GATE = '#!/bin/sh\necho "begun $$"\nwhile [ ! -e "open-$JOBSCHED_JOB_NAME" ]; do sleep 0.05; done\necho ended\n'
FOREVER = "#!/bin/sh\necho begun\nsleep 600 &\nwait\n"
THIRD = '#!/bin/sh\necho x >>"tries-$JOBSCHED_JOB_NAME"\n[ "$(wc -l <"tries-$JOBSCHED_JOB_NAME")" -ge 3 ]\n'
TOLD = """
class Told:
    async def __call__(self, info):
        print(info.parameters, info.attempt, info.name, info.timeout)
"""


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    with daemon_in(tmp_path_factory.mktemp("control") / "daemon") as daemon:
        daemon.options("JOB_LIVETIME = 300\nKILL_GRACE = 5")
        for name, text in (("gate", GATE), ("forever", FOREVER), ("third", THIRD), ("never", "#!/bin/sh\nexit 9\n")):
            daemon.script(name, text)
        daemon.script("shown", "#!/bin/sh\nenv | grep ^JOBSCHED_PARAM_ | sort\n")
        daemon.section("parameters = who, times, loud\n")
        (daemon.folder / "tasks" / "told.py").write_text(TOLD)
        daemon.section("[told]\nfile = told.py\nclass = Told\nparameters = who, times\n")
        daemon.start()
        yield Caller(daemon)


def gated(ask, name, **more):
    """A job whose runs end when `opened`."""
    return ask.make("gate", name=name, **more)


def opened(ask, name):
    (ask.daemon.folder / f"open-{name}").touch()


def states(ask, job):
    return [run["state"] for run in ask.runs(job)]


# A run now, while another is active.


def test_skip_leaves_the_active_run_alone_and_records_the_other(ask):
    job = gated(ask, "skip")
    first, second = ask.run(job), ask.run(job)
    skipped = ask.get(second)
    assert (skipped["state"], skipped["cause"]) == ("skipped", "manual")
    assert (skipped["reason"], skipped["started"]) == ("the run before it was still active", None)
    opened(ask, "skip")
    assert ask.ended(first)["state"] == "succeeded"
    assert ask.ended(ask.run(job))["state"] == "succeeded"


def test_queue_lets_one_wait_and_skips_the_next(ask):
    job = gated(ask, "queue", overlap="queue")
    runs = [ask.run(job) for _ in range(3)]
    until(lambda: ask.get(runs[0])["state"] == "running")
    assert [ask.get(run)["state"] for run in runs] == ["running", "waiting", "skipped"]
    assert "waits for the active run" in ask.get(runs[1])["reason"]
    opened(ask, "queue")
    first, second = (ask.ended(run) for run in runs[:2])
    assert (first["state"], second["state"]) == ("succeeded", "succeeded")
    assert instant(second["started"]) >= instant(first["ended"])


def test_replace_sees_the_active_run_dead_before_the_new_starts(ask):
    job = ask.make("forever", overlap="replace")
    first = ask.run(job)
    until(lambda: ask.text(f"{first}/output"))
    second = ask.run(job)
    old = ask.ended(first)
    assert old["state"] == "cancelled"
    assert old["reason"].startswith("replaced by a later due")
    until(lambda: ask.get(second)["state"] == "running")
    assert instant(ask.get(second)["started"]) >= instant(old["ended"])
    ask.ask("POST", f"{second}/cancel")
    ask.ended(second)


def test_replace_drops_what_only_waits(ask):
    job = gated(ask, "drop", overlap="queue")
    runs = [ask.run(job), ask.run(job)]
    ask.patch(job, overlap="replace")
    runs.append(ask.run(job))
    assert ask.ended(runs[0])["state"] == "cancelled"  # not by itself, once the gate is open
    opened(ask, "drop")
    assert [ask.ended(run)["state"] for run in runs[1:]] == ["skipped", "succeeded"]


def test_allow_runs_beside_the_active_one(ask):
    job = gated(ask, "allow", overlap="allow")
    runs = [ask.run(job) for _ in range(3)]
    until(lambda: states(ask, job) == ["running"] * 3)
    opened(ask, "allow")
    assert [ask.ended(run)["state"] for run in runs] == ["succeeded"] * 3


EXPECTED = {
    "skip": ["running", "skipped"],
    "queue": ["running", "waiting", "skipped"],
    "allow": ["running"] * 4,
    "replace": ["cancelled", "cancelled", "cancelled", "running"],
}
APART = timedelta(seconds=3)  # time for a run to begin, and for one to die that is replaced


def test_dues_of_the_schedule_keep_to_the_overlap_rule_too(ask):
    """All rules at once: it takes as long as one."""
    start = datetime.now(UTC) + timedelta(seconds=5)  # all are made by then
    asked = {"start": start.isoformat(), "end": (start + 3.5 * APART).isoformat()}
    jobs = {overlap: ask.make("forever", APART.total_seconds(), overlap=overlap, **asked) for overlap in EXPECTED}
    for overlap, job in jobs.items():
        keeps_to(ask, job, start, overlap)


def keeps_to(ask, job, start, overlap):
    """What becomes of four dues of a job, of which each run goes on for ever."""
    expected = EXPECTED[overlap]
    until(lambda: states(ask, job) == expected and ask.get(job)["state"] == "ended")
    dues = [instant(run["due"]) - start for run in ask.runs(job)]
    assert dues == [n * APART for n in range(len(expected))]
    last = ask.runs(job)[-1]
    assert instant(last["until"] or last["due"]) - start == 3 * APART
    assert last["count"] == {"skip": 3, "queue": 2}.get(overlap, 1)
    assert ask.ask("DELETE", f"{job}?cancel=1").status == 200
    assert all(ask.ended(f"/runs/{run['id']}")["state"] in {"cancelled", "skipped"} for run in ask.runs(job))


def test_a_scheduled_run_is_skipped_beside_a_manual_one(ask):
    job = gated(ask, "mixed")
    ask.run(job)
    ask.patch(job, interval={"seconds": 0.3})
    assert ask.run_in(job, "skipped")["cause"] == "schedule"
    opened(ask, "mixed")
    ask.ask("DELETE", job)


# Failures.


def test_a_failed_run_is_tried_again_and_each_attempt_is_a_row(ask):
    job = ask.make("third", name="third", retries=4, retry_delay=0.2)
    ask.run(job)
    last = ask.run_in(job, "succeeded")
    runs = ask.runs(job)
    assert [(run["attempt"], run["state"], run["cause"]) for run in runs] == [
        (1, "failed", "manual"), (2, "failed", "retry"), (3, "succeeded", "retry")]  # fmt: skip
    assert {run["due"] for run in runs} == {last["due"]}
    pauses = [instant(b["started"]) - instant(a["ended"]) for a, b in pairwise(runs)]
    assert timedelta(seconds=0.2) <= pauses[0]
    assert timedelta(seconds=0.4) <= pauses[1]


def test_retries_end_when_used_up_and_none_follows_a_cancel(ask):
    job = ask.make("never", retries=2, retry_delay=0)
    ask.run(job)
    ask.run_in(job, "failed", at_least=3)
    assert [run["attempt"] for run in ask.runs(job)] == [1, 2, 3]
    assert {(run["exit_code"], run["reason"]) for run in ask.runs(job)} == {(9, "exit code 9")}
    other = ask.make("forever", retries=2, retry_delay=0)
    run = ask.run(other)
    ask.ask("POST", f"{run}/cancel")
    assert ask.ended(run)["state"] == "cancelled"
    still(lambda: len(ask.runs(job)) == 3 and len(ask.runs(other)) == 1, 0.5)


def test_a_waiting_retry_can_be_cancelled_and_dues_go_on(ask):
    job = ask.make("never", retries=1, retry_delay=3600)
    ask.run(job)
    ask.run_in(job, "failed")
    waiting = ask.run_in(job, "waiting")
    assert waiting["reason"] == "attempt 1 failed"
    assert ask.ended(ask.run(job))["state"] == "failed"
    path = f"/runs/{waiting['id']}"
    assert ask.ask("POST", f"{path}/cancel").status == 202
    assert ask.get(path)["state"] == "cancelled"


# Cancel and delete.


def test_a_run_can_be_cancelled_while_it_waits_or_runs(ask):
    job = ask.make("forever", overlap="queue")
    running, waiting = ask.run(job), ask.run(job)
    until(lambda: ask.text(f"{running}/output"))
    for run, by in ((waiting, None), (running, "SIGTERM")):
        answer = ask.ask("POST", f"{run}/cancel")
        assert (answer.status, answer.content) == (202, b"")
        ended = ask.ended(run)
        assert (ended["state"], ended["signal"]) == ("cancelled", by)
        assert ended["reason"].startswith("cancelled by a caller")
        assert ask.ask("POST", f"{run}/cancel").fault == (409, "")
    assert ask.ask("POST", "/runs/nothing/cancel").fault == (404, "")
    until(lambda: not [process for process in ask.daemon.alive() if process.name() == "sleep"])


def test_a_run_that_is_stopping_may_be_cancelled_again(ask):
    ask.daemon.script("deaf", "#!/bin/sh\ntrap '' TERM\necho begun\nwhile :; do sleep 0.1; done\n")
    assert "deaf" in ask.ask("POST", "/catalog/reload").json["tasks"]
    run = ask.run(ask.make("deaf"))
    until(lambda: ask.text(f"{run}/output"))
    assert [ask.ask("POST", f"{run}/cancel").status for _ in range(2)] == [202, 202]
    ended = ask.ended(run)
    assert (ended["state"], ended["signal"]) == ("cancelled", "SIGKILL")
    assert "was killed" in ended["reason"]


def test_a_deleted_jobs_active_run_finishes_waiting_ones_do_not(ask):
    job = gated(ask, "deleted", overlap="queue")
    runs = [ask.run(job), ask.run(job)]
    until(lambda: ask.get(runs[0])["state"] == "running")
    assert ask.ask("DELETE", job).status == 200
    for method, path in (
        ("GET", job),
        ("PATCH", job),
        ("POST", f"{job}/pause"),
        ("POST", f"{job}/run"),
        ("DELETE", job),
    ):
        assert ask.ask(method, path, {} if method == "PATCH" else None).fault == (404, "")
    opened(ask, "deleted")
    assert [(run["state"], run["reason"]) for run in map(ask.ended, runs)] == [
        ("succeeded", "finished"), ("cancelled", "its job was deleted")]  # fmt: skip
    assert len(ask.runs(job)) == 2


def test_deleting_with_cancel_ends_the_active_run(ask):
    job = ask.make("forever")
    run = ask.run(job)
    until(lambda: ask.get(run)["state"] == "running")
    assert ask.ask("DELETE", f"{job}?cancel=maybe").fault == (400, "?cancel")
    assert ask.ask("DELETE", f"{job}?cancel=1").status == 200
    ended = ask.ended(run)
    assert (ended["state"], ended["reason"]) == ("cancelled", "cancelled: its job was deleted")


# Idempotency.


def test_a_key_makes_one_job_however_often_it_is_sent(ask):
    body = {"task": "example", "name": "once", "interval": {"hours": 1}}
    before = len(ask.get("/jobs?name=once")["values"])
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: ask.ask("POST", "/jobs", body, idempotency_key="a-key"), range(8)))
    assert {(answer.status, answer.headers["location"]) for answer in answers} == {
        (202, answers[0].headers["location"])
    }
    assert len(ask.get("/jobs?name=once")["values"]) == before + 1
    assert ask.ask("POST", "/jobs", body | {"name": "other"}, idempotency_key="a-key").fault == (422, "")
    assert ask.ask("POST", "/jobs", body, idempotency_key="other").headers["location"] != answers[0].headers["location"]
    for wrong in ("", "a b", "x" * 256, "\u00e9"):
        assert ask.ask("POST", "/jobs", body, idempotency_key=wrong).fault == (400, "")


def test_a_key_starts_one_run_and_belongs_to_its_job(ask):
    jobs = [ask.make("example", overlap="allow") for _ in range(2)]
    runs = [ask.ask("POST", f"{job}/run", idempotency_key="go").headers["location"] for job in (*jobs, *jobs)]
    assert runs[:2] == runs[2:]
    assert runs[0] != runs[1]
    assert [len(ask.runs(job)) for job in jobs] == [1, 1]
    assert ask.ask("POST", f"{jobs[0]}/run", {"a": 1}, idempotency_key="go").fault == (400, "/a")
    followed = ask.ask("POST", f"{jobs[0]}/run?follow=1", idempotency_key="go")
    assert (followed.status, followed.text, followed.headers["location"]) == (200, "foo\n", runs[0])


def test_a_key_is_known_after_a_restart(ask):
    body = {"task": "example", "name": "kept", "interval": {"hours": 1}}
    first = ask.ask("POST", "/jobs", body, idempotency_key="kept")
    ask.daemon.kill()
    ask.daemon.start()
    assert ask.ask("POST", "/jobs", body, idempotency_key="kept").headers["location"] == first.headers["location"]


# Parameters.


def test_parameters_alone_reach_a_script_and_a_python_task(ask):
    given = {"who": "a 'b' $(c)", "times": 3, "loud": True}
    run = ask.run(ask.make("shown", parameters=given))
    assert ask.ended(run)["state"] == "succeeded"
    expected = "JOBSCHED_PARAM_LOUD=true\nJOBSCHED_PARAM_TIMES=3\nJOBSCHED_PARAM_WHO=a 'b' $(c)\n"
    assert ask.text(f"{run}/output") == expected

    job = ask.make("told", name="x", parameters={"who": "me", "times": 2.5}, timeout=9)
    run = ask.run(job)
    ask.ended(run)
    assert ask.text(f"{run}/output") == "{'who': 'me', 'times': 2.5} 1 x 9.0\n"
    shown = ask.patch(job, parameters={"times": None, "who": "you"})
    assert shown["parameters"] == {"who": "you"}
    assert ask.patch(job, parameters=None)["parameters"] == {}


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [
        ({"colour": "red"}, "/parameters/colour"),
        ({"who": None}, "/parameters/who"),
        ({"who": ["a"]}, "/parameters/who"),
        ({"who": {}}, "/parameters/who"),
        ({"who": "a\0b"}, "/parameters/who"),
        ({"PATH": "/tmp"}, "/parameters/PATH"),
        ({"a/b~c": 1}, "/parameters/a~1b~0c"),
        (["who"], "/parameters"),
    ],
    ids=str,
)
def test_any_other_parameter_is_refused_with_its_place(ask, parameters, pointer):
    asked = {"task": "told", "name": "x", "interval": {"hours": 1}, "parameters": parameters}
    assert ask.ask("POST", "/jobs", asked).fault == (400, pointer)


@pytest.mark.parametrize("number", [b"1e400", b"NaN", b"-Infinity", b"1" * 5000])
def test_a_number_that_is_none_is_refused(ask, number):
    body = json.dumps({"task": "told", "name": "x", "interval": {"hours": 1}, "parameters": {"times": "N"}}).encode()
    answer = ask.ask("POST", "/jobs", body.replace(b'"N"', number), content_type="application/json")
    assert answer.status == 400, answer


# Once more, and for a due that has passed.


def test_what_failed_is_run_again_with_the_parameters_of_then(ask):
    job = ask.make("shown", parameters={"who": "alice"})
    first = ask.run(job)
    ask.ended(first)
    ask.patch(job, parameters={"who": "bob"})
    answer = ask.ask("POST", f"{first}/rerun")
    assert (answer.status, answer.content) == (202, b"")
    again = answer.headers["location"].partition(f":{ask.daemon.port}")[2]
    shown = ask.ended(again)
    assert (shown["state"], shown["rerun_of"]) == ("succeeded", first.rpartition("/")[2])
    assert ask.text(f"{again}/output") == "JOBSCHED_PARAM_WHO=alice\n"
    entry = ask.get(f"/audit?target={shown['id']}")["values"][0]
    assert (entry["action"], entry["after"]["rerun_of"]) == ("run.start", first.rpartition("/")[2])


def test_a_run_may_have_parameters_and_a_due_of_its_own(ask):
    job = ask.make("shown", parameters={"who": "alice", "times": 2})
    due = "2026-01-01T03:00:00Z"
    answer = ask.ask("POST", f"{job}/run", {"parameters": {"times": None, "loud": True}, "due": due})
    assert answer.status == 202, answer
    run = answer.headers["location"].partition(f":{ask.daemon.port}")[2]
    assert ask.ended(run)["due"].startswith("2026-01-01T03:00:00")
    assert ask.text(f"{run}/output") == "JOBSCHED_PARAM_LOUD=true\nJOBSCHED_PARAM_WHO=alice\n"
    assert ask.get(job)["parameters"] == {"who": "alice", "times": 2}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"due": "2100-01-01T00:00Z"}, "/due"),
        ({"due": "yesterday"}, "/due"),
        ({"parameters": {"what": 1}}, "/parameters/what"),
        ({"params": {}}, "/params"),
    ],
)
def test_a_run_that_makes_no_sense_is_refused_and_not_made(ask, body, pointer):
    job = ask.make("shown")
    assert ask.ask("POST", f"{job}/run", body).fault == (400, pointer)
    assert ask.runs(job) == []
