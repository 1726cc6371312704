"""The last time without a daemon, as the reasons of missed runs tell it, what a hold skipped, and the runs that each
link shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

from hypothesis import given
from hypothesis import strategies as st

from jobsched.model.downtime import NO_DAEMON, Downtime
from jobsched.model.hold import Hold
from jobsched.model.run import Run
from jobsched.ui.held import counted
from jobsched.ui.outages import Outage

BEGIN = datetime(2026, 11, 29, 3, 0, 0, 400_000, UTC)
spans = st.timedeltas(min_value=timedelta(microseconds=1), max_value=timedelta(hours=9))


@given(spans, st.floats(min_value=0, max_value=1, exclude_max=True))
def test_its_link_shows_each_due_that_it_held(length: timedelta, part: float) -> None:
    down = Downtime(BEGIN, BEGIN + length, NO_DAEMON)
    due = down.begin + length * part
    told = str(down).split()
    outage = Outage(begin=datetime.fromisoformat(told[4]), end=datetime.fromisoformat(told[6]), dues=1, more=False)
    asked = parse_qs(outage.query)
    begin, end = (datetime.fromisoformat(asked[name][0]) for name in ("from", "to"))
    assert begin <= due < end


def test_what_a_hold_has_skipped_is_counted() -> None:
    hold = Hold(by="alice", at=BEGIN, reason="upgrade")
    by_it, other = (
        Run(
            id="r",
            job_id="j",
            job_name="j",
            task="t",
            due=BEGIN,
            created=BEGIN,
            state="skipped",
            reason=reason,
            count=7,
        )
        for reason in (f"{hold.words}; more", "a run was already waiting")
    )
    runs = [by_it, other]
    found = counted(runs, hold)
    assert (found.dues, found.more) == (7, False)
    asked = parse_qs(found.query)
    assert (asked["state"], datetime.fromisoformat(asked["from"][0])) == (["skipped"], BEGIN)
