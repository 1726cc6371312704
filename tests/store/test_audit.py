"""The audit log on every database: an entry for each change, in its transaction, and none without one."""

from datetime import timedelta

import attrs
import pytest
import pytest_twisted
from twisted.internet.defer import gatherResults

from jobsched.model.audit import Entry, Signature
from jobsched.model.caller import Caller
from jobsched.model.errors import Conflict, NotFound, Reused, Stale
from jobsched.model.ids import Ids
from jobsched.model.policy import Policy
from jobsched.model.redaction import Redaction
from jobsched.store.sql import audit, commands, visibility
from jobsched.store.sql import jobs as job_rows
from jobsched.store.sql import nodes as node_rows
from jobsched.store.sql import runs as run_rows
from jobsched.store.sql.commands import REPLACED, Key
from jobsched.store.sql.runs import Filter as RunFilter
from tests.store.samples import IDS, T0, at, job, run

pytestmark = pytest.mark.usefixtures("told_time")

KEY = Key(scope="/jobs", key="k", digest="d")


def signed(seconds=0.0, **fields):
    given = {"id": IDS.make(at(seconds)), "at": at(seconds), "who": "alice", "address": "192.0.2.7", "node": "alpha"}
    return Signature(**(given | fields))


def entry(seconds, ids=IDS, **fields):
    given = {"who": None, "address": "unix", "node": "n", "action": "job.create"}
    return Entry(id=ids.make(at(seconds)), at=at(seconds), **(given | fields))


def audit_log(desk, limit=100, before=None, **only):
    """Newest first."""
    return desk.read(audit.page, limit, before, audit.Filter(**only))


def told(desk, **only):
    """Oldest first, in short."""
    return [(each.action, each.before, each.after) for each in reversed(audit_log(desk, **only))]


def renamed(changed, _instant):
    return attrs.evolve(changed, name="other")


def order(desk, what, job_id, *args):
    return desk.write(audit.of_job, job_id, signed(), what, *args).answer


def test_what_is_written_is_what_is_read(desk):
    one = job(parameters={"text": "ä\u2028\x01\ud7ff", "secret": "x"}, name="ü")
    by = signed(5, who="bob", redaction=Redaction())
    noted = desk.write(audit.made, one, by, None)

    assert noted.answer == one.id
    assert audit_log(desk) == [noted.entry]
    assert noted.entry == by.of_job(None, one)
    assert noted.entry.after["parameters"] == {"text": "ä\u2028\x01\ud7ff", "secret": "***"}


def test_each_order_that_changes_a_job_leaves_one_entry(desk):
    one = job(every=60)
    desk.write(audit.made, one, signed(), None)
    order(desk, commands.change, one.id, None, IDS, at(1), renamed)
    order(desk, commands.pause, one.id, at(2))
    order(desk, commands.resume, one.id, IDS, at(3))
    desk.write(audit.removed, one.id, signed(), IDS, at(4), "", "")

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
    assert desk.read(job_rows.get, one.id) is None


def test_an_order_that_changes_nothing_leaves_none(desk):
    one = job()
    desk.add(one)
    order(desk, commands.resume, one.id, IDS, at(1))
    order(desk, commands.pause, one.id, at(2))
    order(desk, commands.pause, one.id, at(3))
    order(desk, commands.change, one.id, None, IDS, at(4), lambda same, _instant: same)

    assert [action for action, _, _ in told(desk)] == ["job.pause"]
    assert desk.read(job_rows.get, one.id).version == 3  # the empty patch gave it a version all the same


def test_an_order_that_is_refused_leaves_none_and_changes_nothing(desk):
    one = job()
    desk.add(one)

    def refuse(_job, _instant):
        raise Conflict("no")

    refused = [
        (NotFound, (commands.pause, "nothing", at(1))),
        (Stale, (commands.change, one.id, frozenset({7}), IDS, at(1), renamed)),
        (Conflict, (commands.change, one.id, None, IDS, at(1), refuse)),
    ]
    for error, (what, job_id, *args) in refused:
        with pytest.raises(error):
            order(desk, what, job_id, *args)
    with pytest.raises(NotFound):
        desk.write(visibility.visible_job, one.id, Caller(tasks=("x",)), audit.of_job, signed(), commands.pause, at(1))
    assert audit_log(desk) == []
    assert desk.read(job_rows.get, one.id) == one


def test_neither_is_there_without_the_other(desk):
    one = job()
    desk.add(one)

    def fails_late(connection, job_id, now):
        commands.pause(connection, job_id, now)
        raise Conflict("after all")

    with pytest.raises(Conflict):
        order(desk, fails_late, one.id, at(1))
    assert (audit_log(desk), desk.read(job_rows.get, one.id)) == ([], one)

    taken = signed(1)
    desk.write(audit.write, taken.under("catalog.reload"))
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):  # an entry that cannot be written undoes its change
        desk.write(audit.of_job, one.id, taken, commands.pause, at(1))
    assert desk.read(job_rows.get, one.id) == one


def test_what_is_made_under_one_key_is_made_once(desk):
    first, second = job(), job()
    assert desk.write(audit.made, first, signed(), KEY).entry is not None
    again = desk.write(audit.made, second, signed(), KEY)
    assert (again.answer, again.entry) == (first.id, None)
    with pytest.raises(Reused):
        desk.write(audit.made, second, signed(), attrs.evolve(KEY, digest="other"))

    key = attrs.evolve(KEY, scope="run")
    ran, again = (desk.write(audit.started, first.id, signed(), key, IDS, at(n)) for n in (1, 2))
    assert again.answer.run.id == ran.answer.run.id
    assert (ran.entry.target, again.entry) == (ran.answer.run.id, None)
    desk.write(audit.removed, first.id, signed(), IDS, at(3), "", "")
    # The job is gone, and the key knows the run.
    assert desk.write(audit.started, first.id, signed(), key, IDS, at(4)).entry is None
    assert [action for action, _, _ in told(desk)] == ["job.create", "run.start", "job.delete"]


def test_a_run_is_told_by_itself_and_with_its_job(desk):
    one, other = job(policy=Policy(overlap="skip")), job()
    desk.add(one, other)
    ran = desk.write(audit.started, one.id, signed(), None, IDS, at(1)).answer.run
    skipped = desk.write(audit.started, one.id, signed(), None, IDS, at(2)).answer.run
    desk.write(audit.started, other.id, signed(), None, IDS, at(2))
    desk.write(audit.cancelled, ran.id, signed(), "why", at(3))
    with pytest.raises(Conflict):
        desk.write(audit.cancelled, ran.id, signed(), "why", at(4))
    with pytest.raises(NotFound):
        desk.write(audit.cancelled, "nothing", signed(), "why", at(4))

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
    replaced = desk.write(audit.started, one.id, signed(), None, IDS, at(6)).entry
    assert replaced.after["replaced"] == ["a run"]

    other = job(name="other")
    desk.add(other)
    desk.insert(run(5, id="another", job_id=other.id))
    assert desk.write(audit.removed, other.id, signed(), IDS, at(7), "why", "").entry.after == {
        "cancelled": ["another"]
    }
    assert audit_log(desk)[0].after == {"cancelled": ["another"]}


def test_what_ends_already_for_another_reason_is_not_said_to_end_for_this_one(desk):
    """The first reason stays in the record, so the audit log must not name another."""
    one = job(policy=Policy(overlap="replace"))
    desk.add(one)
    desk.insert(run(5, id="a run", job_id=one.id))
    desk.write(audit.cancelled, "a run", signed(), "why", at(6), "")
    started = desk.write(audit.started, one.id, signed(), None, IDS, at(6))
    assert [(each.id, each.stop) for each in started.answer.replaced] == [("a run", "why")]
    assert "replaced" not in started.entry.after
    assert desk.write(audit.removed, one.id, signed(), IDS, at(7), "gone", "").entry.after is None
    assert desk.read(node_rows.stops, "here") == (("a run", "why"),)


def test_a_run_whose_place_is_taken_already_is_not_said_to_be_cancelled(desk):
    one = job(policy=Policy(overlap="replace"))
    desk.add(one)
    desk.insert(run(5, id="a run", job_id=one.id))
    desk.write(audit.started, one.id, signed(), None, IDS, at(6))
    noted = desk.write(audit.cancelled, "a run", signed(), "cancelled by a caller", at(7), "")
    assert noted.entry is None
    assert (noted.answer.state, noted.answer.stop) == ("running", REPLACED), "this is what its node ends it for"


def test_what_runs_is_asked_to_end_once(desk):
    desk.insert(run(60, id="a run"))
    for _ in range(2):
        assert desk.write(audit.cancelled, "a run", signed(), "why", at(61)).answer.state == "running"
    assert told(desk) == [("run.cancel", {"state": "running"}, {"state": "stopping"})]
    assert desk.read(run_rows.page, 9, None, RunFilter())[0].stop == "why"


@pytest_twisted.ensureDeferred
async def test_of_two_who_do_the_same_at_once_one_is_told(open_store):
    stores = [open_store(), open_store()]
    jobs = [job() for _ in range(10)]
    runs = [run(n, id=f"run {n}") for n in range(10)]
    await stores[0].write(job_rows.add, jobs)
    await stores[0].write(run_rows.insert_all, runs)
    pauses = [(audit.of_job, each.id, commands.pause, at(1)) for each in jobs]
    ends = [(audit.cancelled, each.id, "why", at(1)) for each in runs]
    given = [
        store.write(change, target, signed(), *args) for store in stores for change, target, *args in (*pauses, *ends)
    ]
    entries = [noted.entry for noted in await gatherResults(given)]
    told = await stores[0].read(audit.page, 100, None, audit.Filter())
    assert sorted(each.target for each in told) == sorted(each.id for each in (*jobs, *runs))
    assert sorted(each.id for each in entries if each) == sorted(each.id for each in told)


def test_the_trail_is_asked_for_in_parts(desk):
    entries = [
        entry(0, who="alice", action="job.create", target="a"),
        entry(10, who="bob", action="job.change", target="a"),
        entry(20, who="alice", action="job.change", target="b"),
        entry(30, who="Alice", action="run.start", target="r", job_id="a"),
        entry(40, action="catalog.reload", before={"tasks": ["x"]}, after={"tasks": []}),
    ]
    for each in entries:
        desk.write(audit.write, each)
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


def test_what_is_found_by_time_goes_by_the_clock_although_ids_never_go_back(desk):
    entries = [entry(1000), entry(500), entry(501)]  # the clock was set back after the first
    assert [each.id for each in entries] == sorted(each.id for each in entries)
    for each in entries:
        desk.write(audit.write, each)
    assert [each.at for each in audit_log(desk, begin=at(500), end=at(900))] == [at(501), at(500)]
    assert [each.at for each in audit_log(desk, begin=at(1000))] == [at(1000)]


def test_pages_hold_still_while_entries_are_added(desk):
    for n in range(7):
        desk.write(audit.write, entry(n))
    whole, found, before = audit_log(desk), [], None
    while page := audit_log(desk, 2, before):
        found += page
        before = page[-1].id
        desk.write(audit.write, entry(100 + len(found)))
    assert found == whole


def test_what_is_old_is_forgotten_in_batches(desk):
    ids = Ids()
    for n in range(7):
        desk.write(audit.write, entry(n, ids))
    assert [desk.write(audit.forget, at(5), 2) for _ in "1234"] == [2, 2, 1, 0]
    assert [each.at for each in audit_log(desk)] == [at(6), at(5)]


def test_a_page_of_the_trail_ends_where_there_is_no_more_room(desk):
    heavy = {"parameters": {"text": "x" * 40_000}}
    entries = [entry(n, before=heavy if n % 2 else None, after=heavy) for n in range(5)]
    for each in entries:
        desk.write(audit.write, each)
    first = desk.read(audit.fitting, 100, None, audit.Filter(), 100_000)
    assert (list(first.values), first.more) == ([entries[4]], True)  # the next has twice as much
    second = desk.read(audit.fitting, 100, entries[4].id, audit.Filter(), 130_000)
    assert (list(second.values), second.more) == ([entries[3], entries[2]], True)
    rest = desk.read(audit.fitting, 100, entries[2].id, audit.Filter(), 1_000_000)
    assert (list(rest.values), rest.more) == ([entries[1], entries[0]], False)
    assert desk.read(audit.fitting, 1, None, audit.Filter(), 1_000_000).more
