"""The audit log on every database: an entry for each change, in its transaction, and none without one."""

from datetime import timedelta
from typing import Any

import attrs
import pytest
import pytest_twisted
from twisted.internet.defer import gatherResults

from jobsched.model.audit import AuditFilter, Entry
from jobsched.model.caller import ANYBODY, Caller
from jobsched.model.errors import Conflict, NotFound, Reused, Stale
from jobsched.model.ids import Ids
from jobsched.model.job import Policy
from jobsched.model.order import (
    REPLACED,
    CancelRun,
    ChangeJob,
    CreateJob,
    DeleteJob,
    IdempotencyKey,
    Issued,
    PauseJob,
    ResumeJob,
    RunJob,
)
from jobsched.model.redaction import Redaction
from jobsched.model.run import RunFilter
from tests.store.samples import IDS, T0, at, job, run, signature

pytestmark = pytest.mark.usefixtures("told_time")

ROOM = 1 << 30  # bytes: enough for any page here
KEY = IdempotencyKey(scope="/jobs", key="k", digest="d")


def entry(seconds, ids=IDS, **fields):
    given = {"who": None, "address": "unix", "node": "n", "action": "job.create"}
    return Entry(id=ids.make(at(seconds)), at=at(seconds), **(given | fields))


def audit_log(desk, limit=100, before=None, **only):
    """Newest first."""
    return list(desk.ask(desk.store.for_callers.audit.page(limit, before, AuditFilter(**only), ROOM)).values)


def told(desk, **only):
    """Oldest first, in short."""
    return [(each.action, each.before, each.after) for each in reversed(audit_log(desk, **only))]


def renamed(changed, _instant):
    return attrs.evolve(changed, name="other")


def order(desk, what, seconds=0.0, **fields):
    return desk.perform(what, seconds, **fields)


def test_what_is_written_is_what_is_read(desk):
    one = job(parameters={"text": "ä\u2028\x01\ud7ff", "secret": "x"}, name="ü")
    by = signature(5, who="bob", redaction=Redaction())
    noted = order(desk, CreateJob(job=one), by=by)

    assert noted.answer == one.id
    assert audit_log(desk) == [noted.entry]
    assert noted.entry == by.of_job(None, one)
    assert noted.entry.after["parameters"] == {"text": "ä\u2028\x01\ud7ff", "secret": "***"}


def test_each_order_that_changes_a_job_leaves_one_entry(desk):
    one = job(every=60)
    order(desk, CreateJob(job=one))
    order(desk, ChangeJob(job_id=one.id, versions=None, revise=renamed), 1)
    order(desk, PauseJob(job_id=one.id), 2)
    order(desk, ResumeJob(job_id=one.id), 3)
    order(desk, DeleteJob(job_id=one.id), 4)

    assert [action for action, _, _ in told(desk)] == [
        "job.create", "job.change", "job.pause", "job.resume", "job.delete"
    ]  # fmt: skip
    assert told(desk)[1:4] == [
        ("job.change", {"name": "job"}, {"name": "other"}),
        ("job.pause", {"paused": False}, {"paused": True}),
        ("job.resume", {"paused": True}, {"paused": False}),
    ]
    assert told(desk)[4][1]["name"] == "other"
    assert told(desk)[4][2] is None
    assert {each.target for each in audit_log(desk)} == {one.id}
    assert desk.bench.jobs() == []


def test_an_order_that_changes_nothing_leaves_none(desk):
    one = job()
    desk.add(one)
    order(desk, ResumeJob(job_id=one.id), 1)
    order(desk, PauseJob(job_id=one.id), 2)
    order(desk, PauseJob(job_id=one.id), 3)
    order(desk, ChangeJob(job_id=one.id, versions=None, revise=lambda same, _instant: same), 4)

    assert [action for action, _, _ in told(desk)] == ["job.pause"]
    assert desk.job(one.id).version == 3  # the empty patch gave it a version all the same


def test_a_refused_order_leaves_no_entry_and_changes_nothing(desk):
    one = job()
    desk.add(one)

    def refuse(_job, _instant):
        raise Conflict("no")

    refused = [
        (NotFound, PauseJob(job_id="nothing")),
        (Stale, ChangeJob(job_id=one.id, versions=frozenset({7}), revise=renamed)),
        (Conflict, ChangeJob(job_id=one.id, versions=None, revise=refuse)),
    ]
    for error, what in refused:
        with pytest.raises(error):
            order(desk, what, 1)
    with pytest.raises(NotFound):
        order(desk, PauseJob(job_id=one.id), 1, caller=Caller(tasks=("x",)))
    assert audit_log(desk) == []
    assert desk.job(one.id) == one


def test_an_entry_that_cannot_be_written_undoes_its_change(desk, engine):
    one = job()
    desk.add(one)
    taken = signature(1)
    desk.bench.add_entries([taken.under("catalog.reload")])
    with pytest.raises(engine.refusal):
        order(desk, PauseJob(job_id=one.id), by=taken)
    assert desk.job(one.id) == one


def test_what_is_made_under_one_key_is_made_once(desk):
    first, second = job(), job()
    assert order(desk, CreateJob(job=first, key=KEY)).entry is not None
    again = order(desk, CreateJob(job=second, key=KEY))
    assert (again.answer, again.entry) == (first.id, None)
    with pytest.raises(Reused):
        order(desk, CreateJob(job=second, key=attrs.evolve(KEY, digest="other")))

    key = attrs.evolve(KEY, scope="run")
    ran, again = (order(desk, RunJob(job_id=first.id, key=key), n) for n in (1, 2))
    assert again.answer.run.id == ran.answer.run.id
    assert (ran.entry.target, again.entry) == (ran.answer.run.id, None)
    order(desk, DeleteJob(job_id=first.id), 3)
    # The job is gone, and the key knows the run.
    assert order(desk, RunJob(job_id=first.id, key=key), 4).entry is None
    assert [action for action, _, _ in told(desk)] == ["job.create", "run.start", "job.delete"]


def test_a_run_is_told_by_itself_and_with_its_job(desk):
    one, other = job(policy=Policy(overlap="skip")), job()
    desk.add(one, other)
    ran = order(desk, RunJob(job_id=one.id), 1).answer.run
    skipped = order(desk, RunJob(job_id=one.id), 2).answer.run
    order(desk, RunJob(job_id=other.id), 2)
    order(desk, CancelRun(run_id=ran.id, reason="why"), 3)
    with pytest.raises(Conflict):
        order(desk, CancelRun(run_id=ran.id, reason="why"), 4)
    with pytest.raises(NotFound):
        order(desk, CancelRun(run_id="nothing", reason="why"), 4)

    assert told(desk, target=ran.id) == [
        ("run.start", None, {"due": "2024-01-01T00:00:01Z", "state": "waiting"}),
        ("run.cancel", {"state": "waiting"}, {"state": "cancelled"}),
    ]
    assert [(each.target, each.job_id, each.after["state"]) for each in audit_log(desk, target=one.id)] == [
        (ran.id, one.id, "cancelled"), (skipped.id, one.id, "skipped"), (ran.id, one.id, "waiting")
    ]  # fmt: skip


def test_runs_that_end_with_their_job_or_are_replaced_are_named(desk):
    one = job(policy=Policy(overlap="replace"))
    desk.add(one)
    desk.insert(run(5, id="a run", job_id=one.id))
    replaced = order(desk, RunJob(job_id=one.id), 6).entry
    assert replaced.after["replaced"] == ["a run"]

    other = job(name="other")
    desk.add(other)
    desk.insert(run(5, id="another", job_id=other.id))
    assert order(desk, DeleteJob(job_id=other.id, cancel="why"), 7).entry.after == {"cancelled": ["another"]}
    assert audit_log(desk)[0].after == {"cancelled": ["another"]}


def test_what_ends_for_another_reason_does_not_end_for_this_one(desk):
    """The first reason stays in the record, so the audit log must not name another."""
    one = job(policy=Policy(overlap="replace"))
    desk.add(one)
    desk.insert(run(5, id="a run", job_id=one.id))
    order(desk, CancelRun(run_id="a run", reason="why"), 6)
    started = order(desk, RunJob(job_id=one.id), 6)
    assert [(each.id, each.stop) for each in started.answer.replaced] == [("a run", "why")]
    assert "replaced" not in started.entry.after
    assert order(desk, DeleteJob(job_id=one.id, cancel="gone"), 7).entry.after is None
    assert desk.ask(desk.store.runs.stops("here")) == (("a run", "why"),)


def test_a_run_whose_place_is_taken_is_not_called_cancelled(desk):
    one = job(policy=Policy(overlap="replace"))
    desk.add(one)
    desk.insert(run(5, id="a run", job_id=one.id))
    order(desk, RunJob(job_id=one.id), 6)
    noted = order(desk, CancelRun(run_id="a run", reason="cancelled by a caller"), 7)
    assert noted.entry is None
    assert (noted.answer.state, noted.answer.stop) == ("running", REPLACED), "this is what its node ends it for"


def test_what_runs_is_asked_to_end_once(desk):
    desk.insert(run(60, id="a run"))
    for _ in range(2):
        assert order(desk, CancelRun(run_id="a run", reason="why"), 61).answer.state == "running"
    assert told(desk) == [("run.cancel", {"state": "running"}, {"state": "stopping"})]
    assert desk.ask(desk.store.runs.page(9, None, RunFilter()))[0].stop == "why"


@pytest_twisted.ensureDeferred
async def test_of_two_who_do_the_same_at_once_one_is_told(desk, open_store):
    stores = [open_store(), open_store()]
    jobs = [job() for _ in range(10)]
    runs = [run(n, id=f"run {n}") for n in range(10)]
    desk.add(*jobs)
    desk.insert(*runs)
    pauses = [PauseJob(job_id=each.id) for each in jobs]
    ends = [CancelRun(run_id=each.id, reason="why") for each in runs]
    issued = [Issued(signature=signature(1), caller=ANYBODY, node_id="", ids=IDS) for _ in range(40)]
    orders = [(store, what) for store in stores for what in (*pauses, *ends)]
    given = [store.orders.perform(what, by) for (store, what), by in zip(orders, issued, strict=True)]
    results: list[Any] = await gatherResults(given)
    entries = [noted.entry for noted in results]
    told = desk.bench.entries()
    assert sorted(each.target for each in told) == sorted([each.id for each in jobs] + [each.id for each in runs])
    assert sorted(each.id for each in entries if each) == sorted(each.id for each in told)


def test_the_trail_is_asked_for_in_parts(desk):
    entries = [
        entry(0, who="alice", action="job.create", target="a"),
        entry(10, who="bob", action="job.change", target="a"),
        entry(20, who="alice", action="job.change", target="b"),
        entry(30, who="Alice", action="run.start", target="r", job_id="a"),
        entry(40, action="catalog.reload", before={"tasks": ["x"]}, after={"tasks": []}),
    ]
    desk.bench.add_entries(entries)
    numbers = {each.id: n for n, each in enumerate(entries)}

    def found(**only):
        return [numbers[each.id] for each in audit_log(desk, **only)]

    assert found() == [4, 3, 2, 1, 0]
    assert found(target="a") == [3, 1, 0]
    assert found(target="r") == [3]
    assert found(action="job.change") == [2, 1]
    assert found(who="alice") == [2, 0]
    assert found(begin=at(10), end=at(30)) == [2, 1]
    assert found(begin=at(10.001)) == [4, 3, 2]
    assert found(end=at(10) + timedelta(microseconds=1)) == [1, 0]
    assert found(target="a", action="job.change", who="bob", begin=T0) == [1]


def test_a_search_by_time_goes_by_the_clock_and_not_by_ids(desk):
    entries = [entry(1000), entry(500), entry(501)]  # the clock was set back after the first
    assert [each.id for each in entries] == sorted(each.id for each in entries)
    desk.bench.add_entries(entries)
    assert [each.at for each in audit_log(desk, begin=at(500), end=at(900))] == [at(501), at(500)]
    assert [each.at for each in audit_log(desk, begin=at(1000))] == [at(1000)]


def test_pages_hold_still_while_entries_are_added(desk):
    for n in range(7):
        desk.bench.add_entries([entry(n)])
    whole, found, before = audit_log(desk), [], None
    while page := audit_log(desk, 2, before):
        found += page
        before = page[-1].id
        desk.bench.add_entries([entry(100 + len(found))])
    assert found == whole


def test_what_is_old_is_forgotten_in_batches(desk):
    ids = Ids()
    for n in range(7):
        desk.bench.add_entries([entry(n, ids)])
    assert [desk.ask(desk.store.retention.forget_entries(at(5), 2)) for _ in "1234"] == [2, 2, 1, 0]
    assert [each.at for each in audit_log(desk)] == [at(6), at(5)]


def test_a_page_of_the_trail_ends_where_there_is_no_more_room(desk):
    heavy = {"parameters": {"text": "x" * 40_000}}
    entries = [entry(n, before=heavy if n % 2 else None, after=heavy) for n in range(5)]
    desk.bench.add_entries(entries)
    first = desk.ask(desk.store.for_callers.audit.page(100, None, AuditFilter(), 100_000))
    assert (list(first.values), first.more) == ([entries[4]], True)  # the next has twice as much
    second = desk.ask(desk.store.for_callers.audit.page(100, entries[4].id, AuditFilter(), 130_000))
    assert (list(second.values), second.more) == ([entries[3], entries[2]], True)
    rest = desk.ask(desk.store.for_callers.audit.page(100, entries[2].id, AuditFilter(), 1_000_000))
    assert (list(rest.values), rest.more) == ([entries[1], entries[0]], False)
    assert desk.ask(desk.store.for_callers.audit.page(1, None, AuditFilter(), 1_000_000)).more
