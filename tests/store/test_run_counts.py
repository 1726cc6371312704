"""Runs counted by hour and state: by everything that one may ask for, as many as a page would show."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from jobsched.model.errors import NotFound
from jobsched.model.run import RunFilter
from jobsched.model.run_counts import Stretch, Tally
from tests.store.samples import Desk, at
from tests.store.test_run_pages import JOBS, SINGLE, fits, many

EDGES = [at(seconds) for seconds in (3000, 3600, 4000, 4000.5, 5500, 9000)]


def counts(desk: Desk, only: RunFilter) -> Tally:
    return desk.ask(desk.store.runs.counts(only, EDGES))


def test_what_is_counted_is_what_fits(desk: Desk) -> None:
    desk.add(*JOBS)
    runs = many()
    desk.insert(*runs)
    labels = {each.id: each.about.labels for each in JOBS}
    for fields in [*SINGLE, {"states": ("missed", "skipped"), "task": "task"}, {"node": "beta", "cause": "schedule"}]:
        only = RunFilter(**fields)
        fitting = [each for each in runs if fits(each, only, labels)]
        found = counts(desk, only)
        single = [
            Counter(each.state for each in fitting if each.until is None and begin <= each.due < end)
            for begin, end in pairwise(EDGES)
        ]
        assert [dict(each) for each in found.single] == single, fields
        assert {(each.due, each.until) for each in found.stretches} == {
            (each.due, each.until) for each in fitting if each.until and each.until >= EDGES[0] and each.due < EDGES[-1]
        }, fields
        assert all(isinstance(each, Stretch) and each.count == 5 for each in found.stretches)
        assert not found.more


def test_a_job_that_nobody_knows_is_not_counted(desk: Desk) -> None:
    desk.add(JOBS[0])
    assert counts(desk, RunFilter(job_id=JOBS[0].id)).single == [{}] * 5
    for only in (RunFilter(job_id="none"), RunFilter(job_id=JOBS[0].id, tasks=("other",))):
        with pytest.raises(NotFound):
            counts(desk, only)
