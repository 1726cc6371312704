"""Callers who may see some tasks only: pages stay whole, what is not theirs cannot be told from what is not there."""

import attrs
import pytest

from jobsched.model.caller import Caller, is_among
from jobsched.model.errors import NotFound
from jobsched.model.job import JobFilter
from jobsched.model.order import CancelRun, PauseJob
from jobsched.model.run import RunFilter
from tests.store.samples import IDS, at, job, run

TASKS = ["backup", "backup-db", "Backup", "BACKUP-X", "report", "a%b", "a_b", "axb", "a|b", "ä", "a\\b", "a'b"]
PATTERNS = [
    ("backup",), ("backup*",), ("*ackup*",), ("BACKUP*",), ("b?ckup", "report"), ("a%b",), ("a_b",), ("a?b",), ("a|b",),
    ("a|*",), ("a\\*",), ("a'?",), ("?",), ("*",), ("no such",), (),
]  # fmt: skip


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
    desk.bench.add_runs([run(n, task=task, job_id=task) for n, task in enumerate(TASKS)])
    seen = [task for task in TASKS if is_among(task, patterns)]

    def of_jobs(limit, after):
        page = desk.ask(desk.store.jobs.page(limit, after or "", JobFilter(tasks=patterns), 1 << 30, at(0)))
        return [view.job for view in page.values]

    def of_runs(limit, before):
        return desk.ask(desk.store.runs.page(limit, before, RunFilter(tasks=patterns)))

    assert [one.task for one in pages(of_jobs, lambda one: one.id)] == seen
    assert [one.task for one in pages(of_runs, lambda one: one.id)] == seen[::-1]


def test_an_order_on_the_unseen_is_refused_as_on_the_absent(desk):
    theirs = job(task="backup")
    desk.add(theirs)
    waits = run(task="backup", state="waiting", job_id=theirs.id, node=None, node_id=None)
    desk.bench.add_runs([waits])
    other = Caller(name="other", tasks=("report",))

    with pytest.raises(NotFound) as refused:
        desk.order(PauseJob(job_id=theirs.id), 1, caller=other)
    with pytest.raises(NotFound) as missing:
        desk.order(PauseJob(job_id="nothing"), 1, caller=other)
    assert str(refused.value).replace(theirs.id, "nothing") == str(missing.value)
    assert not desk.job(theirs.id).paused

    with pytest.raises(NotFound) as refused:
        desk.order(CancelRun(run_id=waits.id, reason="cancelled"), 1, caller=other)
    with pytest.raises(NotFound) as missing:
        desk.order(CancelRun(run_id="nothing", reason="cancelled"), 1, caller=other)
    assert str(refused.value).replace(waits.id, "nothing") == str(missing.value)
    assert desk.run(waits.id).state == "waiting"

    for caller in (Caller(tasks=("back*",)), Caller()):
        assert desk.order(PauseJob(job_id=theirs.id), 1, caller=caller).job.paused
    cancelled = desk.order(CancelRun(run_id=waits.id, reason="cancelled"), 1, caller=Caller(tasks=("back*",)))
    assert cancelled.state == "cancelled"


def test_runs_of_a_job_are_there_for_whom_the_job_or_one_is(desk):
    one = job(task="new")
    desk.add(one)
    desk.bench.add_runs([run(task="old", job_id=one.id, id=IDS.make(at(1)))])

    def runs(*tasks):
        return [found.task for found in desk.ask(desk.store.runs.page(9, None, RunFilter(job_id=one.id, tasks=tasks)))]

    assert (runs("old"), runs("new"), runs("old", "new")) == (["old"], [], ["old"])
    with pytest.raises(NotFound):
        runs("other")
    desk.bench.replace_job(attrs.evolve(one, task="third"))
    with pytest.raises(NotFound):
        runs("new")
