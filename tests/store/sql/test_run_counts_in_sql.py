"""Runs that are too many are not counted to the end."""

from __future__ import annotations

import pytest

from jobsched.model.run import RunFilter
from jobsched.model.run_counts import Tally
from jobsched.store.sql import run_counts
from tests.store.samples import at, run
from tests.store.sql.desk import SqlDesk

EDGES = [at(seconds) for seconds in (0, 100, 200, 300)]


@pytest.mark.parametrize(("single", "stretches", "more"), [(4, 2, False), (3, 2, True), (4, 1, True)])
def test_too_many_are_said_to_be_so(
    desk: SqlDesk, monkeypatch: pytest.MonkeyPatch, single: int, stretches: int, more: bool
) -> None:
    desk.insert(*(run(50 * number, attempt=number + 1) for number in range(4)))
    desk.insert(run(60, state="missed", until=at(90), count=4), run(20, state="skipped", until=at(250), count=40))
    monkeypatch.setattr(run_counts, "MOST_RUNS", single)
    monkeypatch.setattr(run_counts, "MOST_STRETCHES", stretches)
    found = desk.ask(desk.store.runs.counts(RunFilter(), EDGES))
    assert found == Tally(more=True) if more else len(found.stretches) == 2
