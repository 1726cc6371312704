"""PUT: a job is made, changed or made anew under its id, whatever is ordered at the same moment."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest
import pytest_twisted
from twisted.internet.defer import DeferredList

from jobsched.model.audit import AuditFilter
from jobsched.model.caller import ANYBODY, Caller
from jobsched.model.draft import Draft
from jobsched.model.errors import Conflict, NotFound, Stale, Taken
from jobsched.model.job import JobView, Policy
from jobsched.model.order import CreateJob, DeleteJob, Issued, PauseJob, Put, PutJob, RunJob
from jobsched.model.run import RunFilter
from tests.present import present
from tests.store.samples import IDS, Desk, at, job, node, signature

pytestmark = pytest.mark.usefixtures("told_time")
DEFAULT: dict[str, Any] = {"task": "task", "name": "report", "every": timedelta(seconds=60)}


def put(
    versions: frozenset[int] | None = None, *, absent: bool = False, present: bool = False, **fields: Any
) -> PutJob:
    """The order that the registry makes of a request."""
    draft = Draft(**(DEFAULT | fields))
    return PutJob(
        job_id="report", versions=versions, absent=absent, present=present,
        revise=lambda job, instant: draft.job("report", instant) if job is None else draft.remade(job, instant),
    )  # fmt: skip


def actions(desk: Desk) -> list[str]:
    found = desk.ask(desk.store.for_callers.audit.page(99, None, AuditFilter(target="report"), 1 << 20))
    return [each.action for each in reversed(found.values)]


def test_what_is_not_there_is_made_and_what_is_so_already_stays(desk: Desk) -> None:
    made = desk.order(put(), 10)
    assert (made.made, made.view.job.version, made.view.job.next_due) == (True, 1, at(70))
    again = desk.perform(put(), 20)
    assert again.answer == Put(view=JobView(job=made.view.job, last_run=None), made=False)
    assert again.entry is None
    desk.order(PauseJob(job_id="report"), 30)
    assert desk.order(put(), 40).view.job.version == 2, "a pause is no part of what is put"
    assert actions(desk) == ["job.create", "job.pause"]


def test_a_change_keeps_the_grid_and_what_is_left_out_is_as_new(desk: Desk) -> None:
    desk.order(put(policy=Policy(retries=3), timeout=5.0), 0)
    run = desk.order(RunJob(job_id="report"), 5).run
    changed = desk.order(put(parameters={"a": 1}), 10)
    assert not changed.made
    assert changed.view.job.next_due == at(60)
    assert (changed.view.job.policy.retries, changed.view.job.timeout, changed.view.job.version) == (0, None, 2)
    assert present(changed.view.last_run).id == run.id
    moved = desk.order(put(every=timedelta(seconds=40)), 20).view.job
    assert (moved.next_due, moved.version, moved.created) == (at(60), 3, at(0))
    assert actions(desk) == ["job.create", "run.start", "job.change", "job.change"]


def test_conditions_are_heeded(desk: Desk) -> None:
    for wrong in (put(present=True), put(frozenset([1]), present=True)):
        with pytest.raises(Stale):
            desk.order(wrong, 1)
    desk.order(put(absent=True), 2)
    for wrong in (put(absent=True, timeout=1.0), put(frozenset([2]), present=True), put(frozenset(), present=True)):
        with pytest.raises(Stale):
            desk.order(wrong, 3)
    assert desk.order(put(frozenset([1, 7]), present=True, timeout=2.0), 4).view.job.version == 2
    assert actions(desk) == ["job.create", "job.change"]


def test_a_deleted_id_is_revived_with_its_past(desk: Desk) -> None:
    desk.order(put(), 0)
    (ran,) = desk.claim(60, desk.job("report")).started
    desk.ended(ran, seconds=61)
    desk.order(put(timeout=1.0), 62)
    desk.order(DeleteJob(job_id="report"), 90)
    with pytest.raises(NotFound):
        desk.job("report")
    with pytest.raises(Stale):
        desk.order(put(frozenset([2]), present=True), 95)
    revived = desk.order(put(absent=True), 100)
    assert revived.made
    assert present(revived.view.last_run).id == ran.id
    assert (revived.view.job.version, revived.view.job.next_due, revived.view.job.created) == (3, at(160), at(100))
    assert revived.view.job.starts == 0
    assert [each.id for each in desk.ask(desk.store.runs.page(9, None, RunFilter(job_id="report")))] == [ran.id]
    (again,) = desk.claim(160, revived.view.job).started
    assert again.due == at(160)
    assert actions(desk) == ["job.create", "job.change", "job.delete", "job.create"]


def test_a_uuid_is_revived_too_and_one_nothing_is_known_of(desk: Desk) -> None:
    old = job()
    desk.order(CreateJob(job=old))
    desk.order(RunJob(job_id=old.id), 1)
    desk.order(DeleteJob(job_id=old.id), 2)
    order = attrs.evolve(put(), job_id=old.id, revise=lambda _, instant: Draft(**DEFAULT).job(old.id, instant))
    assert desk.order(order, 3).view.job.version == 2


def test_a_job_or_a_past_that_a_caller_does_not_see_is_not_his(desk: Desk) -> None:
    desk.order(put(), 0)
    narrow = Caller(name="n", scopes=frozenset(["read", "write", "run"]), tasks=("other",))
    mine = put(task="other")
    with pytest.raises(Taken):
        desk.order(mine, 1, caller=narrow)
    desk.order(DeleteJob(job_id="report"), 2)
    with pytest.raises(Taken):
        desk.order(mine, 3, caller=narrow)
    assert desk.bench.jobs() == []
    assert desk.order(put(), 4, caller=attrs.evolve(narrow, tasks=("t*",))).made


def test_a_word_is_not_put_while_an_older_node_is_alive(desk: Desk) -> None:
    desk.know(node("older", schema=None))
    with pytest.raises(Conflict):
        desk.order(put(), 1)
    assert desk.bench.jobs() == []


def issued(seconds: float) -> Issued:
    return Issued(signature=signature(seconds), caller=ANYBODY, node_id="", ids=IDS)


@pytest_twisted.ensureDeferred
async def test_of_many_puts_at_once_one_makes_and_each_counts(open_store, kind) -> None:
    stores = [open_store() for _ in range(1 if kind == "sqlite" else 4)]
    for number in range(8):
        orders = [put(timeout=1.0 + one) for one in range(6)]
        asked = [stores[one % len(stores)].orders.perform(what, issued(number)) for one, what in enumerate(orders)]
        came = [found.answer for fine, found in await DeferredList(asked, consumeErrors=True) if fine]
        assert len(came) == 6
        assert sorted(each.made for each in came) == [False] * 5 + [True]
        first = number * 6 + 1
        assert sorted(each.view.job.version for each in came) == list(range(first, first + 6))
        await stores[0].orders.perform(DeleteJob(job_id="report"), issued(number))


@pytest_twisted.ensureDeferred
async def test_of_puts_that_say_one_version_one_wins(open_store, kind) -> None:
    stores = [open_store() for _ in range(1 if kind == "sqlite" else 4)]
    await stores[0].orders.perform(put(), issued(0))
    for number in range(8):
        orders = [put(frozenset([number + 1]), present=True, timeout=number * 10.0 + one + 1) for one in range(4)]
        asked = [stores[one % len(stores)].orders.perform(what, issued(number)) for one, what in enumerate(orders)]
        came = await DeferredList(asked, consumeErrors=True)
        said = sorted("done" if fine else type(found.value).__name__ for fine, found in came)
        assert said == ["Stale"] * 3 + ["done"]


@pytest_twisted.ensureDeferred
async def test_a_put_against_a_delete_is_before_or_after_it(open_store, kind) -> None:
    stores = [open_store() for _ in range(1 if kind == "sqlite" else 2)]
    version = (await stores[0].orders.perform(put(), issued(0))).answer.view.job.version
    for number in range(20):
        what = [put(timeout=number + 1.5), DeleteJob(job_id="report")]
        what = what if number % 2 else what[::-1]
        asked = [stores[one % len(stores)].orders.perform(each, issued(number)) for one, each in enumerate(what)]
        came = await DeferredList(asked, consumeErrors=True)
        assert all(fine for fine, _ in came), came
        answer = next(found.answer for _, found in came if isinstance(found.answer, Put))
        assert answer.view.job.version == version + 1
        version += 1
        left = await stores[0].orders.perform(put(timeout=number + 1.5), issued(number))
        assert left.answer.made is not answer.made, "it was put last and is as it was, or deleted last and is new"
        version = left.answer.view.job.version
        assert version == answer.view.job.version + left.answer.made
