"""Questions that transactions ask of the rows of jobs and runs."""

from __future__ import annotations

import attrs

from jobsched.store.sql import jobs as job_rows
from jobsched.store.sql import runs as run_rows
from tests.store.samples import at, job, run
from tests.store.sql.desk import SqlDesk


def test_a_job_that_moved_on_keeps_its_definition(desk: SqlDesk) -> None:
    one, other = job(), job()
    desk.add(one, other)
    desk.write(job_rows.move_on, [(one, at(120), 2), (other, None, 0)])
    assert desk.job(one.id) == attrs.evolve(one, next_due=at(120), starts=2)
    assert desk.job(other.id) == attrs.evolve(other, next_due=None)


def test_active_is_what_waits_and_what_runs(desk: SqlDesk) -> None:
    waiting = run(1, state="waiting", node_id=None)
    retry = run(2, state="waiting", not_before=at(50))
    running, stopping = run(3), run(4, state="stopping")
    desk.insert(waiting, retry, running, stopping, run(5, state="failed"), run(6, job_id="other"))
    assert sorted(desk.read(run_rows.active_of, ["job"]), key=lambda each: each.due) == [
        waiting,
        retry,
        running,
        stopping,
    ]
    ripe = desk.read(run_rows.ripe_of, ["job"], at(49))
    assert sorted(each.due for each in ripe) == [at(1), at(3), at(4)]
    assert len(desk.read(run_rows.ripe_of, ["job"], at(50))) == 4
