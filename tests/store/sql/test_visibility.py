"""Callers who may see some tasks only: pages stay whole, what is not theirs cannot be told from what is not there."""

import attrs
import pytest

from jobsched.model.audit import Signature
from jobsched.model.caller import Caller, is_among
from jobsched.model.errors import NotFound
from jobsched.model.job import JobFilter
from jobsched.model.order import CancelRun, Issued, PauseJob
from jobsched.model.run import RunFilter
from jobsched.store.sql import jobs as job_rows
from jobsched.store.sql import orders, queries
from jobsched.store.sql import runs as run_rows
from tests.store.samples import IDS, at, job, run
from tests.store.sql.desk import SqlDesk

TASKS = ["backup", "backup-db", "Backup", "BACKUP-X", "report", "a%b", "a_b", "axb", "a|b", "ä", "a\\b", "a'b"]
PATTERNS = [
    ("backup",), ("backup*",), ("*ackup*",), ("BACKUP*",), ("b?ckup", "report"), ("a%b",), ("a_b",), ("a?b",), ("a|b",),
    ("a|*",), ("a\\*",), ("a'?",), ("?",), ("*",), ("no such",), (),
]  # fmt: skip


@pytest.fixture
def desk(store_url):
    desk = SqlDesk.at(store_url)
    yield desk
    desk.close()


def order(desk, what, caller):
    by = Signature(id=IDS.make(at(1)), at=at(1), who=None, address="", node="n")
    return desk.write(orders.perform, what, Issued(signature=by, caller=caller, node_id="", ids=IDS)).answer


def pages(page, key):
    """All that comes, two at a time: no page but the last is short."""
    found, after = [page(2, None)], None
    while len(found[-1]) == 2:
        after = key(found[-1][-1])
        found.append(page(2, after))
    return [one for part in found for one in part]


@pytest.mark.parametrize("patterns", PATTERNS)
def test_every_database_reads_patterns_alike_and_pages_are_full(desk, patterns):
    desk.add(*(job(task=task, made=n) for n, task in enumerate(TASKS)))
    desk.write(run_rows.insert_all, [run(n, task=task, job_id=task) for n, task in enumerate(TASKS)])
    seen = [task for task in TASKS if is_among(task, patterns)]

    def of_jobs(limit, after):
        return desk.read(job_rows.page, limit, after or "", JobFilter(tasks=patterns))

    def of_runs(limit, before):
        return desk.read(run_rows.page, limit, before, RunFilter(tasks=patterns))

    assert [one.task for one in pages(of_jobs, lambda one: one.id)] == seen
    assert [one.task for one in pages(of_runs, lambda one: one.id)] == seen[::-1]


def test_an_order_on_what_is_not_seen_is_refused_in_the_words_for_what_is_not_there(desk):
    theirs = job(task="backup")
    desk.add(theirs)
    waits = run(task="backup", state="waiting", job_id=theirs.id, node=None, node_id=None)
    desk.write(run_rows.insert_all, [waits])
    other = Caller(name="other", tasks=("report",))

    with pytest.raises(NotFound) as refused:
        order(desk, PauseJob(job_id=theirs.id), other)
    with pytest.raises(NotFound) as missing:
        order(desk, PauseJob(job_id="nothing"), other)
    assert str(refused.value).replace(theirs.id, "nothing") == str(missing.value)
    assert not desk.read(job_rows.get, theirs.id).paused

    with pytest.raises(NotFound) as refused:
        order(desk, CancelRun(run_id=waits.id, reason="cancelled"), other)
    with pytest.raises(NotFound) as missing:
        order(desk, CancelRun(run_id="nothing", reason="cancelled"), other)
    assert str(refused.value).replace(waits.id, "nothing") == str(missing.value)
    assert desk.read(run_rows.get, waits.id).state == "waiting"

    for caller in (Caller(tasks=("back*",)), Caller()):
        assert order(desk, PauseJob(job_id=theirs.id), caller).job.paused
    cancelled = order(desk, CancelRun(run_id=waits.id, reason="cancelled"), Caller(tasks=("back*",)))
    assert cancelled.state == "cancelled"


def test_runs_of_a_job_are_there_for_whom_the_job_or_a_run_of_it_is(desk):
    one = job(task="new")
    desk.add(one)
    desk.write(run_rows.insert_all, [run(task="old", job_id=one.id, id=IDS.make(at(1)))])

    def runs(*tasks):
        return [found.task for found in desk.read(queries.runs, 9, None, RunFilter(job_id=one.id, tasks=tasks))]

    assert (runs("old"), runs("new"), runs("old", "new")) == (["old"], [], ["old"])
    with pytest.raises(NotFound):
        runs("other")
    desk.write(job_rows.put, attrs.evolve(one, task="third"))
    with pytest.raises(NotFound):
        runs("new")
