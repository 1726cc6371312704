"""Orders that meet dues which have come and are not decided yet: each due still gets one outcome."""

from datetime import UTC, datetime, timedelta

import attrs
import pytest
import pytest_twisted

from jobsched.model.audit import Signature
from jobsched.model.caller import ANYBODY
from jobsched.model.claim import Claimant
from jobsched.model.draft import Draft
from jobsched.model.ids import Ids
from jobsched.model.order import ChangeJob, CreateJob, Issued, PauseJob, ResumeJob, RunJob
from jobsched.model.run import RunFilter

MADE = datetime(2026, 3, 1, tzinfo=UTC)
EVERY = timedelta(seconds=10)
IDS = Ids()
TICK = timedelta(microseconds=1)

pytestmark = pytest.mark.usefixtures("told_time")


async def add(store, **more):
    job = Draft(task="t", name="n", every=EVERY, **more).job(IDS.make(MADE), MADE)
    await order(store, CreateJob(job=job), MADE)
    return job


async def order(store, what, now):
    signature = Signature(id=IDS.make(now), at=now, who=None, address="", node="n")
    issued = Issued(signature=signature, caller=ANYBODY, node_id="", ids=IDS)
    return (await store.orders.perform(what, issued)).answer


async def claim(store, job, now):
    who = Claimant(node="n", node_id="i", now=now, able_since=MADE, slots=9, ids=IDS)
    return await store.claims.claim(who, [job.id])


async def told(store, job):
    """What the record says, oldest first."""
    found = await store.runs.page(100, None, RunFilter(job_id=job.id))
    return [((run.due - MADE) / EVERY, run.count, run.state, run.cause) for run in reversed(found)]


@pytest.mark.parametrize("when", [0.5, 1.0, 1.5, 2.0])
@pytest_twisted.ensureDeferred
async def test_a_run_now_never_takes_the_due_of_the_schedule(store, when):
    job = await add(store, policy=attrs.evolve(Draft(task="t", name="n").policy, overlap="allow"))
    now = MADE + when * EVERY
    for _ in range(2):
        ran = await order(store, RunJob(job_id=job.id), now)
        assert timedelta(0) <= ran.run.due - now <= 2 * TICK
    await claim(store, job, MADE + 2 * EVERY)
    found = await told(store, job)
    assert [due for due, _, _, cause in found if cause == "schedule"] in ([1, 2], [2])
    assert len([cause for _, _, _, cause in found if cause == "manual"]) == 2


def renamed(job, instant):
    return attrs.evolve(job, name="other")


def slower(job, instant):
    return Draft(task="t", name="n", every=2 * EVERY).remade(job, instant)


@pytest_twisted.ensureDeferred
async def test_a_change_of_other_things_leaves_a_due_that_has_come(store):
    job = await add(store)
    changed = await order(store, ChangeJob(job_id=job.id, versions=None, revise=renamed), MADE + 1.5 * EVERY)
    assert changed.job.next_due == MADE + EVERY
    await claim(store, job, MADE + 1.6 * EVERY)
    assert await told(store, job) == [(1, 1, "running", "schedule")]


@pytest_twisted.ensureDeferred
async def test_a_change_of_the_schedule_settles_dues_that_have_come(store):
    job = await add(store)
    changed = await order(store, ChangeJob(job_id=job.id, versions=None, revise=slower), MADE + 2.5 * EVERY)
    assert changed.job.next_due == MADE + 4.5 * EVERY
    assert await told(store, job) == [(1, 2, "skipped", "schedule")]
    await claim(store, job, MADE + 4.5 * EVERY)
    assert await told(store, job) == [(1, 2, "skipped", "schedule"), (4.5, 1, "running", "schedule")]


@pytest.mark.parametrize("change", [renamed, slower])
@pytest_twisted.ensureDeferred
async def test_a_paused_job_can_be_changed_often_and_resumed(store, change):
    job = await add(store)
    await order(store, PauseJob(job_id=job.id), MADE + 0.5 * EVERY)
    for when in (1.5, 2.5, 3.5):
        await order(store, ChangeJob(job_id=job.id, versions=None, revise=change), MADE + when * EVERY)
    resumed = (await order(store, ResumeJob(job_id=job.id), MADE + 4.5 * EVERY)).job
    found = await told(store, job)
    assert {state for _, _, state, _ in found} == {"skipped"}
    assert found == (
        [(1, 4, "skipped", "schedule")]
        if change is renamed
        else [(1, 1, "skipped", "schedule"), (3.5, 1, "skipped", "schedule")]
    )
    assert resumed.next_due == MADE + (5 if change is renamed else 5.5) * EVERY
    await claim(store, job, resumed.next_due)
    assert (await told(store, job))[-1][2] == "running"
