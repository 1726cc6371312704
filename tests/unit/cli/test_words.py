"""Which jobs need somebody: what was skipped or cancelled since a failure does not hide it."""

from __future__ import annotations

from typing import Any

import pytest

from jobsched.cli.words import last_judged, may_need, needs


def job(*recent: str, last: str | None = None, overdue: bool = False) -> dict[str, Any]:
    return {
        "recent": [{"state": state} for state in recent],
        "last_run": {"state": last} if last else None,
        "overdue": {"since": "2026-11-29T03:00:00Z"} if overdue else None,
    }


@pytest.mark.parametrize(
    ("its", "wanted"),
    [
        (job("failed"), True),
        (job("skipped", "failed"), True),
        (job("cancelled", "skipped", "lost", "succeeded"), True),
        (job("skipped", "succeeded", "failed"), False),
        (job("succeeded", overdue=True), True),
        (job(last="failed"), True),
        (job(last="running"), False),
        (job(), False),
    ],
)
def test_a_job_needs_somebody_by_its_last_that_counts(its: dict[str, Any], wanted: bool) -> None:
    assert needs(its) is wanted
    assert may_need(its) is wanted


def test_a_list_goes_on_behind_a_job_that_does_not_tell() -> None:
    its = job("skipped", "cancelled")
    assert (needs(its), may_need(its), last_judged(its)) == (False, True, None)
