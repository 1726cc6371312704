"""What lists of jobs cost."""

from __future__ import annotations

from jobsched.model.job import JobFilter
from jobsched.store.sql import job_lists, queries
from tests.store.samples import at, job, run
from tests.store.sql.desk import SqlDesk


def test_outcomes_are_read_anew_only_where_jobs_have_run(desk: SqlDesk) -> None:
    one, other = job(name="one"), job(name="other")
    desk.add(one, other)
    desk.insert(*(run(10, job_id=each.id, state="failed", ended=at(11)) for each in (one, other)))

    def read_anew() -> tuple[int, int]:
        """How many jobs were read, and how many outcomes there are."""
        before = job_lists.lately.cache_info().misses
        found = desk.read(queries.jobs, 10, "", JobFilter(), 10**6)
        return job_lists.lately.cache_info().misses - before, sum(len(each.activity.recent) for each in found.values)

    assert read_anew() == (2, 2)
    assert read_anew() == (0, 2)
    desk.insert(run(20, job_id=one.id, state="succeeded", ended=at(21)))
    assert read_anew() == (1, 3)
