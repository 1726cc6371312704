"""Ids that callers choose: they are their job's, in the record too, and no two jobs share one."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest
import pytest_twisted
from twisted.internet.defer import DeferredList

from jobsched.model.audit import AuditFilter
from jobsched.model.caller import ANYBODY
from jobsched.model.draft import Draft
from jobsched.model.errors import Conflict, Taken
from jobsched.model.ids import Ids
from jobsched.model.job import Job, JobFilter
from jobsched.model.job_list import JobOrder
from jobsched.model.order import CreateJob, DeleteJob, IdempotencyKey, Issued, PauseJob, RunJob
from jobsched.model.page import Cursor
from jobsched.model.run import RunFilter
from tests.store.samples import IDS, Desk, at, job, node, signature

LONG = "a" + "-0._b" * 12 + "zz"
KEY = IdempotencyKey(scope="/jobs", key="key", digest="same")


def create(desk: Desk, job_id: str, seconds: float = 0) -> Job:
    made = Draft(task="task", name="job", every=timedelta(seconds=60)).job(job_id, at(seconds))
    desk.order(CreateJob(job=made, chosen=True), seconds)
    return made


def test_a_word_is_the_id_of_its_job_in_the_whole_record(desk: Desk) -> None:
    assert len(LONG) == 63
    made = create(desk, LONG)
    assert desk.job(LONG) == made
    run = desk.order(RunJob(job_id=LONG, key=attrs.evolve(KEY, scope="/jobs/x/run")), 1).run
    assert run.job_id == LONG
    assert [each.id for each in desk.ask(desk.store.runs.page(9, None, RunFilter(job_id=LONG)))] == [run.id]
    claimed = desk.claim(61, made)
    assert {each.job_id for each in claimed.started} == {LONG}
    entries = desk.ask(desk.store.for_callers.audit.page(9, None, AuditFilter(target=LONG), 1 << 20)).values
    assert [(each.action, each.target, each.job_id) for each in entries] == [
        ("run.start", run.id, LONG),
        ("job.create", LONG, None),
    ]


def test_an_id_is_one_jobs_alone_while_runs_of_it_are_kept(desk: Desk) -> None:
    create(desk, "report")
    with pytest.raises(Taken) as refused:
        create(desk, "report", 1)
    assert refused.value.path == "/jobs/report"
    run = desk.order(RunJob(job_id="report"), 1).run
    desk.order(DeleteJob(job_id="report"), 2)
    with pytest.raises(Taken) as refused:
        create(desk, "report", 3)
    assert refused.value.path == "/jobs/report/runs"
    assert desk.bench.jobs() == []
    desk.bench.forget_runs([run.id])
    create(desk, "report", 4)
    assert desk.job("report").version == 2, "a version is one definition's alone"


def test_what_a_key_made_is_made_once_also_under_a_chosen_id(desk: Desk) -> None:
    order = CreateJob(job=job(id="report"), key=KEY, chosen=True)
    first, again = desk.perform(order, 1), desk.perform(order, 2)
    assert (first.answer, again.answer) == ("report", "report")
    assert first.entry is not None
    assert again.entry is None


def test_a_word_is_refused_until_every_node_knows_words(desk: Desk) -> None:
    older = node("older", schema=None)
    desk.know(node("alpha"), older)
    with pytest.raises(Conflict, match=r"older release is alive: older$"):
        create(desk, "report")
    made = job()
    desk.order(CreateJob(job=made, chosen=True))  # a UUID that Jobsched made, as from an export
    assert desk.job(made.id) == made
    desk.bench.replace_node(attrs.evolve(older, state="stopped"))
    create(desk, "report")


def listed(desk: Desk, limit: int, after: Cursor | None = None) -> list[str]:
    place = "" if after is None else after.text
    found = desk.ask(desk.store.jobs.page(limit, place, JobFilter(), 1 << 20, at(0)))
    return [view.job.id for view in found.values]


def test_the_list_goes_by_creation_also_behind_a_gone_job(desk: Desk) -> None:
    old = attrs.evolve(job(made=5), created=at(5))
    desk.add(old)
    for seconds, name in enumerate(("zebra", "middle", "ant", "beetle")):
        create(desk, name, seconds * 3)
    assert listed(desk, 9) == ["zebra", "middle", old.id, "ant", "beetle"]
    views = desk.ask(desk.store.jobs.page(9, "", JobFilter(), 1 << 20, at(0))).values
    places = {view.job.id: Cursor(view.job.id, view.job.created) for view in views}
    assert [view.place for view in views] == [places[view.job.id].text for view in views]
    for gone in ("middle", old.id, "ant"):
        desk.order(DeleteJob(job_id=gone), 20)
    for behind, rest in (("zebra", ["beetle"]), ("middle", ["beetle"]), (old.id, ["beetle"]), ("beetle", [])):
        assert listed(desk, 9, places[behind]) == rest
        assert listed(desk, 9, Cursor(behind)) == rest, "an id alone, as links had it"
    assert listed(desk, 9, Cursor("nobody")) == []
    assert listed(desk, 9, Cursor(Ids().make(at(1)))) == ["beetle"]


def test_the_list_goes_back_from_a_gone_job_too(desk: Desk) -> None:
    for seconds, name in enumerate(("zebra", "ant", "beetle")):
        create(desk, name, seconds)
    desk.order(DeleteJob(job_id="ant"), 20)
    back = JobFilter(order=JobOrder(back=True))
    for behind in (Cursor("ant"), Cursor("ant", at(1))):
        found = desk.ask(desk.store.jobs.page(9, behind.text, back, 1 << 20, at(0)))
        assert [view.job.id for view in found.values] == ["zebra"]
    assert desk.ask(desk.store.jobs.page(9, "nobody", back, 1 << 20, at(0))).values == []


def test_requests_come_by_id_wherever_the_list_begins(desk: Desk) -> None:
    for seconds, name in enumerate(("zebra", "ant", "beetle")):
        create(desk, name, seconds)
    only = JobFilter(order=JobOrder(sort="id"))
    views = desk.ask(desk.store.jobs.page(9, "", only, 1 << 20, at(0))).values
    assert [(view.job.id, view.place) for view in views] == [(each, each) for each in ("ant", "beetle", "zebra")]
    behind = desk.ask(desk.store.jobs.page(9, "bat", only, 1 << 20, at(0))).values
    assert [view.job.id for view in behind] == ["beetle", "zebra"]


def test_jobs_of_one_instant_are_each_listed_once(desk: Desk) -> None:
    for name in ("c", "a", "b", "d"):
        create(desk, name)
    seen: list[str] = []
    while some := listed(desk, 1, Cursor(seen[-1], at(0)) if seen else None):
        seen += some
    assert seen == ["a", "b", "c", "d"]


def test_a_deleted_jobs_version_is_kept_a_day_or_with_its_runs(desk: Desk) -> None:
    day = 24 * 3600
    for name in ("ran", "never-ran"):
        create(desk, name)
    run = desk.order(RunJob(job_id="ran"), 1).run
    for name in ("ran", "never-ran"):
        desk.order(DeleteJob(job_id=name), 2)
    desk.ask(desk.store.retention.forget_keys(at(day)))
    create(desk, "never-ran", day)
    assert desk.job("never-ran").version == 2
    desk.order(DeleteJob(job_id="never-ran"), day + 1)
    desk.ask(desk.store.retention.forget_keys(at(2 * day + 2)))
    create(desk, "never-ran", 2 * day + 3)
    assert desk.job("never-ran").version == 1
    desk.bench.forget_runs([run.id])
    create(desk, "ran", 2 * day + 3)
    assert desk.job("ran").version == 2


@pytest_twisted.ensureDeferred
async def test_of_several_that_choose_one_id_at_once_one_gets_it(open_store, kind) -> None:
    stores = [open_store() for _ in range(1 if kind == "sqlite" else 4)]
    for number in range(10):
        asked = []
        for one in range(8):
            what = CreateJob(job=job(id=f"job-{number}", name=f"{one}"), chosen=True)
            issued = Issued(signature=signature(one), caller=ANYBODY, node_id="", ids=IDS)
            asked.append(stores[one % len(stores)].orders.perform(what, issued))
        came = await DeferredList(asked, consumeErrors=True)
        assert sorted("made" if fine else type(found.value).__name__ for fine, found in came) == ["Taken"] * 7 + [
            "made"
        ]
        await stores[0].orders.perform(PauseJob(job_id=f"job-{number}"), Issued(
            signature=signature(9), caller=ANYBODY, node_id="", ids=IDS))  # fmt: skip
