"""Pauses and holds of real daemons: what ends by itself, ends at its instant."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.system.caller import Caller, instant
from tests.system.daemon import daemon_in, until

PROMPT = 0.3  # seconds within which a due at the end of a pause has started


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    with daemon_in(tmp_path_factory.mktemp("pauses") / "daemon") as daemon:
        daemon.options("JOB_LIVETIME = 300\nKILL_GRACE = 0.5")
        daemon.script("quick", "#!/bin/sh\nexit 0\n")
        daemon.start()
        yield Caller(daemon)


def in_seconds(seconds):
    return (datetime.now(UTC) + timedelta(seconds=seconds)).replace(microsecond=0)


def test_a_pause_ends_by_itself_and_a_due_at_its_end_starts_at_once(ask):
    start = in_seconds(2)
    end = start + timedelta(seconds=3)
    job = ask.make("quick", 1, start=start.isoformat())
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
    start = in_seconds(2)
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
