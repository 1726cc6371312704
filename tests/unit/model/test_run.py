"""What may become of a run, and what becomes of one whose daemon is gone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from jobsched.model.run import ACTIVE, ENDED, NEVER_RAN, PROCESS, RETRIED, STARTED, STATES, Run
from jobsched.model.state_machine import Impossible

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


def run(**fields: Any) -> Run:
    return Run(id="run", job_id="job", job_name="job", task="task", due=NOON, created=NOON, state="running", **fields)


def test_a_copy_is_the_same_but_for_what_was_changed() -> None:
    before = run(parameters={"a": 1}, pid=7)
    after = before.but(state="waiting", pid=None, place="here")
    assert after == attrs.evolve(before, state="waiting", pid=None, place="here")
    assert (before.state, before.pid, after.parameters) == ("running", 7, {"a": 1})


def test_it_is_lost() -> None:
    ended = run().lost("its node is gone", NOON)
    assert (ended.state, ended.reason, ended.ended) == ("lost", "its node is gone", NOON)


def test_one_that_was_to_be_ended_is_cancelled_and_not_retried() -> None:
    ended = run(stop="cancelled by a caller").lost("its node is gone", NOON)
    assert (ended.state, ended.reason) == ("cancelled", "cancelled by a caller; its node is gone")


def test_one_taken_for_lost_by_others_says_what_was_found() -> None:
    lost = run().lost("its node is silent", NOON)
    assert lost.lost("the daemon is gone", NOON).reason == "the daemon is gone"


def test_what_is_said_of_several_states_follows_from_the_table() -> None:
    assert ACTIVE == ("waiting", "running", "stopping")
    assert STARTED == ("running", "stopping")
    assert ENDED == ("succeeded", "failed", "timed_out", "cancelled", "lost", "skipped", "missed")
    assert NEVER_RAN == ("skipped", "missed")
    assert set(RETRIED) < {after for (before, _), after in STATES.table.items() if before == "running"}


def test_it_becomes_what_may_follow_and_nothing_else() -> None:
    stopping = run().become("stopping", reason="ran too long")
    assert (stopping.state, stopping.reason) == ("stopping", "ran too long")
    for state in ("running", "waiting", "succeeded", "skipped"):
        with pytest.raises(Impossible, match=f"'stopping' cannot become '{state}'"):
            stopping.become(state)
    with pytest.raises(Impossible):
        stopping.become("failed").become("lost")


def test_a_process_that_is_gone_is_told_nothing() -> None:
    assert PROCESS.final == ("gone",)
    assert "gone" not in (*PROCESS.where("TERM"), *PROCESS.where("KILL"))
    assert PROCESS.where("KILL") == ("ending", "killed"), "not without TERM before"
