"""Pauses and holds of real daemons: what ends by itself, ends at its instant."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.system.caller import Caller, instant
from tests.system.daemon import daemon_in, until

PROMPT = 4.0  # seconds within which a due at the end of a pause has started; a sweep comes every 5 s


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    with daemon_in(tmp_path_factory.mktemp("pauses") / "daemon") as daemon:
        daemon.options("JOB_LIVETIME = 300\nKILL_GRACE = 0.5")
        daemon.script("quick", "#!/bin/sh\nexit 0\n")
        daemon.script("failing", "#!/bin/sh\necho begun\nuntil [ -e fail ]; do sleep 0.05; done\nexit 1\n")
        daemon.start()
        yield Caller(daemon)


def in_seconds(seconds):
    return (datetime.now(UTC) + timedelta(seconds=seconds)).replace(microsecond=0)


def test_a_pause_ends_by_itself_and_a_due_then_starts(ask):
    start = in_seconds(7)
    end = start + timedelta(seconds=3)
    job = ask.make("quick", 1, start=start.isoformat(), catch_up="all")
    paused = ask.ask("POST", f"{job}/pause", {"until": end.isoformat(), "reason": "an upgrade"}).json
    assert (paused["paused"], paused["paused_until"], paused["pause_reason"]) == (
        True, f"{end:%FT%TZ}", "an upgrade"
    )  # fmt: skip
    until(lambda: ask.runs(job, "succeeded"))
    stretch, first, *_ = ask.runs(job)
    assert (stretch["state"], stretch["count"], instant(stretch["due"])) == ("skipped", 3, start)
    assert stretch["reason"] == f"paused until {end:%FT%TZ}: an upgrade"
    assert instant(first["due"]) == end
    assert instant(first["started"]) - end < timedelta(seconds=PROMPT)
    assert ask.get(job)["paused"] is False
    ask.ask("DELETE", job)


def test_a_pause_that_ended_while_no_daemon_ran_is_over(ask):
    start = in_seconds(7)
    end = start + timedelta(seconds=2)
    job = ask.make("quick", 1, start=start.isoformat(), catch_up="all", overlap="queue")
    forever = ask.make("quick", 1, start=start.isoformat())
    ask.ask("POST", f"{job}/pause", {"until": end.isoformat()})
    ask.ask("POST", f"{forever}/pause")
    ask.daemon.stop()
    time.sleep(max((end - datetime.now(UTC)).total_seconds(), 0))  # it is to be over before the next one starts
    ask.daemon.start()
    until(lambda: len(ask.runs(job, "succeeded")) >= 2)
    stretch, *rest = ask.runs(job)
    assert (stretch["state"], stretch["count"]) == ("skipped", 2)
    assert [instant(run["due"]) - end for run in rest[:2]] == [timedelta(0), timedelta(seconds=1)]
    assert {run["state"] for run in rest[:2]} == {"succeeded"}
    assert (ask.get(forever)["paused"], ask.runs(forever)) == (True, [])


def hold(ask, **body):
    answer = ask.ask("PUT", "/hold", body)
    assert answer.status == 201, answer
    return answer


def test_a_hold_skips_dues_holds_what_waits_and_ends_by_itself(ask):
    again = ask.make("failing", name="again", retries=1, retry_delay=0)
    run = ask.run(again)
    until(lambda: ask.text(f"{run}/output"))
    start = in_seconds(7)
    end = start + timedelta(seconds=4)
    job = ask.make("quick", 1, start=start.isoformat(), name="held", catch_up="all")
    hold(ask, until=end.isoformat(), reason="an upgrade")
    (ask.daemon.folder / "fail").touch()  # what is tried again meanwhile waits for the end
    assert ask.ended(run)["state"] == "failed"
    words = f"on hold until {end:%FT%TZ}: an upgrade"
    until(lambda: ask.get("/health/ready")["hold"] == words)  # what it was may be a second old
    refused = ask.ask("POST", f"{job}/run")
    assert (refused.status, refused.json["detail"]) == (409, f"{words}; force=1 runs it all the same")
    forced = ask.ask("POST", f"{job}/run?force=1")
    assert forced.status == 202
    until(lambda: [each["state"] for each in ask.runs(job) if each["cause"] == "manual"] == ["succeeded"])
    assert ask.ask("PUT", "/hold", {}).status == 409
    until(lambda: [each for each in ask.runs(job, "succeeded") if each["cause"] == "schedule"])
    dues = [each for each in ask.runs(job) if each["cause"] == "schedule"]
    assert (dues[0]["state"], dues[0]["count"], dues[0]["reason"]) == ("skipped", 4, words)
    assert (dues[1]["state"], instant(dues[1]["due"])) == ("succeeded", end)
    assert instant(dues[1]["started"]) - end < timedelta(seconds=PROMPT)
    retry = ask.run_in(again, "failed", at_least=2)
    assert retry["attempt"] == 2
    assert timedelta(0) <= instant(retry["started"]) - end < timedelta(seconds=PROMPT)
    assert ask.ask("GET", "/hold").status == 404
    until(lambda: ask.get("/health/ready")["hold"] is None)  # it may be a second old
    ask.ask("DELETE", job)


def test_what_a_hold_left_undecided_is_caught_up_on(ask):
    job = ask.make("quick", 1, name="late", overlap="queue", catch_up="all", misfire_grace=None)
    other = ask.make("quick", 1, name="free")
    hold(ask, missed="catch_up", select={"names": ["late"]})
    held = datetime.now(UTC)
    until(lambda: len([each for each in ask.runs(other, "succeeded") if instant(each["due"]) > held]) >= 2)
    assert [each for each in ask.runs(job) if instant(each["due"]) > held] == []
    assert ask.ask("DELETE", "/hold").status == 200
    until(lambda: len(ask.runs(job, "succeeded")) >= 2)
    dues = [instant(each["due"]) for each in ask.runs(job, "succeeded")]
    assert dues == [dues[0] + timedelta(seconds=n) for n in range(len(dues))]
    assert not ask.runs(job, "skipped", "missed")
    for each in (job, other):
        ask.ask("DELETE", each)


def test_many_jobs_are_paused_at_once_or_none(ask):
    jobs = [ask.make("quick", name=f"many-{number}") for number in range(20)]
    ask.ask("POST", f"{jobs[3]}/pause")
    seen = {job.rpartition("/")[2]: 1 for job in jobs}
    order = {"select": {"names": ["many-*"]}, "action": "pause", "reason": "an upgrade", "versions": seen}
    assert ask.ask("POST", "/jobs:batch", order).status == 412
    assert [ask.get(job)["paused"] for job in jobs].count(True) == 1
    planned = ask.ask("POST", "/jobs:batch?plan=1", order).json["values"]
    done = ask.ask("POST", "/jobs:batch?partial=1", order).json["values"]
    assert [part["result"] for part in planned] == [part["result"] for part in done]
    assert [part["result"] for part in done].count("done") == 19
    assert done[3]["result"] == "stale"
    assert all(ask.get(job)["paused"] for job in jobs)
    resumed = ask.ask("POST", "/jobs:batch", {"select": {"names": ["many-*"], "state": "paused"}, "action": "resume"})
    assert len(resumed.json["values"]) == 20
    ran = ask.ask("POST", "/jobs:batch", {"select": {"names": ["many-1*"]}, "action": "run"}).json["values"]
    assert {ask.ended(f"/runs/{part['run']}")["state"] for part in ran} == {"succeeded"}
    gone = ask.ask("POST", "/jobs:batch", {"select": {"names": ["many-*"]}, "action": "delete"})
    assert {part["result"] for part in gone.json["values"]} == {"done"}
    assert {ask.ask("GET", job).status for job in jobs} == {404}
