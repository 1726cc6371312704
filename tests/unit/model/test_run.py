"""What becomes of a run whose daemon is gone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from jobsched.model.run import Run

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


def run(**fields: Any) -> Run:
    return Run(id="run", job_id="job", job_name="job", task="task", due=NOON, created=NOON, state="running", **fields)


def test_it_is_lost() -> None:
    ended = run().lost("its node is gone", NOON)
    assert (ended.state, ended.reason, ended.ended) == ("lost", "its node is gone", NOON)


def test_one_that_was_to_be_ended_is_cancelled_so_that_it_is_not_tried_again() -> None:
    ended = run(stop="cancelled by a caller").lost("its node is gone", NOON)
    assert (ended.state, ended.reason) == ("cancelled", "cancelled by a caller; its node is gone")
