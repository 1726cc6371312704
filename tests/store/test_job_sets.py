"""A whole set of jobs in one transaction: as each job by itself, staged or not, and one set after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import attrs
import pytest
import pytest_twisted
from twisted.internet.defer import DeferredList
from twisted.python.failure import Failure

from jobsched.model import job_set, set_rules
from jobsched.model.audit import AuditFilter
from jobsched.model.caller import ANYBODY, Caller
from jobsched.model.draft import Draft
from jobsched.model.errors import Conflict, Invalid, Moved, Stale, Taken
from jobsched.model.ids import least
from jobsched.model.job import Job, Watch
from jobsched.model.job_set import SetDone, Standing, Step, Wanted
from jobsched.model.labels import About, Label
from jobsched.model.order import DeleteJob, Issued, PauseJob, PutJob, PutJobs, RunJob
from jobsched.store.contract.store import Store
from tests.present import present
from tests.store.samples import IDS, Desk, at, node, signature

pytestmark = pytest.mark.usefixtures("told_time")
DATA = Label("team", "data")
LABELS = {"team": "data"}
HOUR = timedelta(hours=1)


def wanted(job_id: str, number: int = 0, **fields: Any) -> Wanted:
    """As the registry makes it of a request."""
    labels = fields.pop("labels", LABELS)
    given: dict[str, Any] = {"task": "task", "name": job_id, "every": HOUR, "about": About(labels=labels)}
    asked = Draft(**(given | fields))

    def revise(job: Job | None, instant: Any) -> Job:
        if asked.name == "refused":
            raise Invalid("cannot be", "/name")
        return asked.job(job_id, instant) if job is None else asked.remade(job, instant)

    return Wanted(job_id=job_id, pointer=f"/jobs/{number}", revise=revise)


def standing(desk: Desk, ids: Sequence[str], seconds: float, caller: Caller = ANYBODY, whole: bool = True) -> Standing:
    return desk.ask(desk.store.for_callers.job_sets.standing(ids, DATA, caller, at(seconds), whole=whole))


def planned(desk: Desk, jobs: Sequence[Wanted], seconds: float, group: str, prune: bool = True) -> list[Step]:
    """What the registry plans of it."""
    steps = job_set.plan(standing(desk, [each.job_id for each in jobs], seconds), jobs, DATA, prune)
    return job_set.signed(steps, signature(seconds, id=group))


def staged(desk: Desk, jobs: Sequence[Wanted], seconds: float, **fields: Any) -> tuple[PutJobs, str]:
    """The order for a set of which all is staged, and its id."""
    group = IDS.make(at(seconds))
    steps = planned(desk, jobs, seconds, group)
    if todo := [step for step in steps if step.what != "keep"]:
        desk.ask(desk.store.for_callers.job_sets.stage(group, todo))
    given: dict[str, Any] = {"scope": DATA, "prune": True, "most": 0, "staged": group} | fields
    return PutJobs(wanted=jobs, steps={step.job.id: step for step in steps}, **given), group


def put(desk: Desk, jobs: Sequence[Wanted], seconds: float, how: str, **fields: Any) -> SetDone:
    if how == "singly":
        given: dict[str, Any] = {"scope": DATA, "prune": True} | fields
        return desk.order(PutJobs(wanted=jobs, **given), seconds, caller=fields.pop("caller", ANYBODY))
    order, group = staged(desk, jobs, seconds, **fields)
    done = desk.order(order, seconds, by=signature(seconds, id=group))
    discard(desk, group)
    return done


def discard(desk: Desk, group: str) -> None:
    while desk.ask(desk.store.for_callers.job_sets.discard(group, 2)) == 2:
        pass


def whats(done: SetDone) -> dict[str, str]:
    return {part.job_id: part.what for part in done.parts}


HOW = pytest.mark.parametrize("how", ["singly", "staged"])


@HOW
def test_a_set_is_made_changed_kept_and_pruned(desk: Desk, how: str) -> None:
    made = put(desk, [wanted("a"), wanted("b"), wanted("c")], 0, how)
    assert whats(made) == {"a": "create", "b": "create", "c": "create"}
    desk.order(PutJob(job_id="hand", versions=None, revise=wanted("hand", labels={}).revise), 1)
    done = put(desk, [wanted("a"), wanted("b", timeout=5.0), wanted("d", labels={**LABELS, "x": "y"})], 2, how)
    assert whats(done) == {"a": "keep", "b": "change", "c": "delete", "d": "create"}
    assert done.counts == {"create": 1, "change": 1, "keep": 1, "delete": 1}
    assert [job.id for job in desk.bench.jobs()] == ["a", "b", "d", "hand"]
    b = next(part for part in done.parts if part.job_id == "b")
    assert (b.before, b.after, b.version) == ({"timeout": None}, {"timeout": 5.0}, 2)
    versions = desk.ask(desk.store.for_callers.job_sets.versions([DATA], None))
    assert versions == {"a": 1, "b": 2, "d": 1}
    assert done.tag == set_rules.tag("", versions)
    assert desk.ask(desk.store.for_callers.job_sets.versions([Label("x", "y")], None)) == {"d": 1}
    again = put(desk, [wanted("a"), wanted("b", timeout=5.0), wanted("d", labels={**LABELS, "x": "y"})], 3, how)
    assert (set(whats(again).values()), again.group) == ({"keep"}, None)


@HOW
def test_its_entries_are_a_group_and_callers_may_follow(desk: Desk, how: str) -> None:
    put(desk, [wanted("a"), wanted("b")], 0, how)
    done = put(desk, [wanted("a", timeout=1.0)], 5, how)
    found = desk.ask(desk.store.for_callers.audit.page(99, None, AuditFilter(group=done.group), 1 << 20)).values
    assert sorted((entry.action, entry.target) for entry in found if entry.target) == [
        ("job.change", "a"), ("job.delete", "b"),
    ]  # fmt: skip
    (whole,) = (entry for entry in found if entry.target is None)
    assert whole.after == {"scope": "team=data", "prune": True, "create": 0, "change": 1, "keep": 0, "delete": 1}
    assert {entry.at for entry in found} == {at(5)}
    assert sorted(entry.id for entry in done.entries) == sorted({entry.id for entry in done.entries})
    assert desk.ask(desk.store.changes.number(99)) == 4
    told, _ = desk.ask(desk.store.changes.after(0, 99))
    assert [(change.kind, change.what, change.job_id, change.task) for change in told] == [
        ("job", "create", "a", "task"), ("job", "create", "b", "task"),
        ("job", "change", "a", "task"), ("job", "delete", "b", "task"),
    ]  # fmt: skip


@HOW
def test_an_entry_is_never_older_by_its_id_than_its_instant(desk: Desk, how: str) -> None:
    """Or who asks for the log from an instant on would not see it."""
    group = least(at(0))
    steps = planned(desk, [wanted("a")], 0, group)
    if how == "staged":
        desk.ask(desk.store.for_callers.job_sets.stage(group, steps))
    order = PutJobs(wanted=[wanted("a")], steps={"a": steps[0]}, staged=group if how == "staged" else "")
    desk.order(order, 3000, by=signature(3000, id=group))
    found = desk.ask(desk.store.for_callers.audit.page(9, None, AuditFilter(begin=at(3000)), 1 << 20)).values
    assert [(entry.target, entry.group) for entry in found] == [(None, group), ("a", group)]


BEFORE: list[dict[str, Any]] = [{}, {"max_runs": 5}, {"watch": Watch(max_late=HOUR)}, {"parameters": {"a": 1}}]
AFTER: list[dict[str, Any]] = [
    {"timeout": 3.0, "description": None},
    {"every": timedelta(minutes=7)},
    {"every": None, "cron": "30 2 * * *", "timezone": "Europe/Berlin"},
    {"max_runs": 9},
    {"watch": Watch(must_succeed_every=HOUR)},
    {"task": "other"},
    {"labels": {"team": "data", "more": "x"}, "name": "new name"},
    {"start": at(86_400), "jitter": timedelta(seconds=3)},
]


def rows(desk: Desk, prefix: str) -> list[dict[str, Any]]:
    """The jobs of a prefix, but for what differs by their ids."""
    found = [attrs.asdict(job) for job in desk.bench.jobs() if job.id.startswith(prefix)]
    for row in found:
        row["id"] = row["id"].removeprefix(prefix)
        row["name"] = row["name"].removeprefix(prefix)
        row["schedule"].pop("salt")
        row["schedule"].pop("jitter")
        row["next_due"] = row["next_due"] if row["id"][-1] != "7" else None  # its jitter depends on its id
    return found


def test_what_is_staged_comes_to_what_each_job_by_itself_does(desk: Desk) -> None:
    """Every kind of change of every kind of job, made, changed, deleted and revived."""
    cases = [(f"{m}{n}", before, after) for m, before in enumerate(BEFORE) for n, after in enumerate(AFTER)]
    for seconds, number in ((0, 1), (10, 2), (20, 0), (30, 1)):
        for how, prefix in (("singly", "x"), ("staged", "y")):
            jobs = [
                wanted(prefix + name, labels=(case := fields[number - 1] if number else {}).get("labels", LABELS),
                       **{key: value for key, value in case.items() if key not in {"labels", "description"}})
                for name, *fields in cases if number
            ]  # fmt: skip
            others = [wanted(job.id) for job in desk.bench.jobs() if not job.id.startswith(prefix)]
            others = [attrs.evolve(each, revise=lambda job, _: present(job)) for each in others]
            put(desk, [*jobs, *others], seconds, how)
        assert rows(desk, "x") == rows(desk, "y")
        for label in (DATA, Label("more", "x")):
            found = desk.ask(desk.store.for_callers.job_sets.versions([label], None))
            assert {name[1:] for name in found if name[0] == "x"} == {name[1:] for name in found if name[0] == "y"}
    assert {job.version for job in desk.bench.jobs()} == {3}


def test_what_has_moved_is_not_switched_as_it_was_planned(desk: Desk) -> None:
    put(desk, [wanted(name) for name in "abcdef"], 0, "staged")
    order, group = staged(desk, [wanted(name, every=timedelta(minutes=5)) for name in "abcdefg"], 10)
    desk.order(PauseJob(job_id="a"), 11)
    desk.order(DeleteJob(job_id="b"), 11)
    desk.order(PutJob(job_id="c", versions=None, revise=wanted("c", timeout=1.0).revise), 11)
    desk.order(PutJob(job_id="g", versions=None, revise=wanted("g").revise), 11)
    with pytest.raises(Moved) as moved:
        desk.order(order, 12, by=signature(12, id=group))
    assert moved.value.ids == ("a", "b", "c", "g")
    assert [job.version for job in desk.bench.jobs()] == [2, 2, 1, 1, 1, 1], "nothing was switched"
    done = desk.order(attrs.evolve(order, most=4), 13, by=signature(13, id=group))
    assert whats(done) == dict.fromkeys("acdefg", "change") | {"b": "create"}
    assert [(job.version, job.paused) for job in desk.bench.jobs()] == [
        (3, True), (2, False), (3, False), (2, False), (2, False), (2, False), (2, False),
    ]  # fmt: skip
    assert {job.schedule.trigger.every for job in desk.bench.jobs()} == {timedelta(minutes=5)}  # type: ignore[attr-defined]
    assert len(desk.bench.entries()) == 6 + 1 + 4 + 7 + 1


@pytest.mark.parametrize(("seconds", "moved"), [(3000, False), (3600, True), (3700, True)])
def test_a_due_that_came_meanwhile_is_settled_first(desk: Desk, seconds: float, moved: bool) -> None:
    put(desk, [wanted("a"), wanted("b")], 0, "staged")
    order, group = staged(desk, [wanted("a", every=timedelta(hours=2))], 10)
    if moved:
        with pytest.raises(Moved):
            desk.order(order, seconds, by=signature(seconds, id=group))
    done = desk.order(attrs.evolve(order, most=2 if moved else 0), seconds, by=signature(seconds, id=group))
    assert whats(done) == {"a": "change", "b": "delete"}
    assert [(run.job_id, run.state, run.due) for run in desk.runs()] == [
        (name, "skipped", at(3600)) for name in "ab" if moved
    ]


@HOW
def test_what_waits_is_cancelled_with_its_job_and_its_task(desk: Desk, how: str) -> None:
    put(desk, [wanted("a"), wanted("b"), wanted("c")], 0, how)
    for name in "abc":
        desk.order(RunJob(job_id=name), 5)
    retry = attrs.evolve(desk.runs()[1], id=IDS.make(at(6)), cause="retry", attempt=2)
    assert retry.job_id == "b"
    desk.insert(retry)
    put(desk, [wanted("b", task="other"), wanted("c", timeout=2.0)], 10, how)
    assert sorted((run.job_id, run.cause, run.state) for run in desk.runs()) == [
        ("a", "manual", "cancelled"), ("b", "manual", "waiting"), ("b", "retry", "cancelled"),
        ("c", "manual", "waiting"),
    ]  # fmt: skip


@HOW
def test_a_fault_of_one_undoes_all_and_says_where(desk: Desk, how: str) -> None:
    jobs = [wanted("a", 0), wanted("b", 1, name="refused")]
    with pytest.raises(Invalid) as refused:
        put(desk, jobs, 0, how)
    assert (refused.value.pointer, refused.value.detail) == ("/jobs/1/name", "cannot be")
    assert desk.bench.jobs() == []
    assert desk.bench.entries() == []


def test_a_tag_that_is_not_that_of_the_set_changes_nothing(desk: Desk) -> None:
    put(desk, [wanted("a")], 0, "singly")
    there = standing(desk, ["a"], 1)
    tag = set_rules.tag("", there.inside, there.outside)
    desk.order(PutJob(job_id="a", versions=None, revise=wanted("a", timeout=1.0).revise), 2)
    order = PutJobs(wanted=[wanted("a")], scope=DATA, tags=frozenset([tag]))
    with pytest.raises(Stale):
        desk.order(order, 3)
    there = standing(desk, ["a"], 1)
    tag = set_rules.tag("", there.inside, there.outside)
    assert whats(desk.order(attrs.evolve(order, tags=frozenset(["x", tag])), 4)) == {"a": "change"}


def test_a_narrowed_caller_puts_and_prunes_what_is_seen(desk: Desk) -> None:
    put(desk, [wanted("a"), wanted("b", task="other"), wanted("c", task="other")], 0, "staged")
    narrow = Caller(name="bob", tasks=("task",))
    for step in (
        lambda: standing(desk, ["b"], 5, narrow),
        lambda: desk.order(PutJobs(wanted=[wanted("b")]), caller=narrow),
    ):
        with pytest.raises(Taken):
            step()
    assert standing(desk, [], 5, narrow).inside == {"a": 1}
    done = desk.order(PutJobs(wanted=[], scope=DATA, prune=True), 6, caller=narrow)
    assert whats(done) == {"a": "delete"}
    assert [job.id for job in desk.bench.jobs()] == ["b", "c"]
    desk.order(DeleteJob(job_id="c"), 7)
    with pytest.raises(Taken):
        standing(desk, ["c"], 8, narrow)


def test_a_word_waits_until_every_node_knows_it(desk: Desk) -> None:
    order, group = staged(desk, [wanted("a")], 0)
    desk.know(node("old", schema=None))
    with pytest.raises(Conflict):
        standing(desk, ["a"], 1)
    with pytest.raises(Conflict):
        desk.order(order, 1, by=signature(1, id=group))
    assert desk.bench.jobs() == []


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mysql"], indirect=True)
def test_what_a_dead_node_staged_does_nothing_and_is_found(desk: Desk) -> None:
    """In MongoDB nothing is staged."""
    order, group = staged(desk, [wanted(name) for name in "abc"], 0)
    assert (desk.bench.jobs(), desk.bench.entries()) == ([], [])
    sets = desk.store.for_callers.job_sets
    desk.know(node("alpha", since=at(-100)))
    assert desk.ask(sets.abandoned(at(-1))) is None
    desk.know(node("alpha", id="the next", since=at(10**8)), node("beta", since=at(-100)))
    assert desk.ask(sets.abandoned(at(-1))) is None, "one of its name is there since before"
    desk.ask(desk.store.nodes.leave("id of alpha", at(50)))
    assert desk.ask(sets.abandoned(at(-1))) == group
    assert desk.ask(sets.abandoned(at(10**7))) == group
    assert desk.ask(sets.discard(group, 2)) == 2
    assert whats(desk.order(attrs.evolve(order, most=None), 5)) == dict.fromkeys("abc", "create"), "it is only sooner"
    discard(desk, group)
    assert desk.ask(sets.abandoned(at(10**7))) is None
    assert len(desk.bench.entries()) == 4


@pytest_twisted.ensureDeferred
async def test_of_two_at_once_one_follows_the_other(open_store: Callable[[], Store], desk: Desk) -> None:
    """Two nodes, each with a set of its own under one scope: what stands is one of them, whole."""
    put(desk, [wanted("seed")], 0, "singly")
    stores = [open_store(), open_store()]
    sets = {"first": ["a", "b", "c", "d"], "second": ["d", "c", "x", "b"]}
    for number in range(3):
        orders = []
        for name, ids in sets.items():
            jobs = [wanted(each, name=f"{name} {number}") for each in ids]
            orders.append(staged(desk, jobs, number, most=None))
        answers = DeferredList(
            [
                store.orders.perform(
                    order,
                    Issued(signature=signature(number, id=group), caller=ANYBODY, node_id="", ids=IDS),
                )
                for store, (order, group) in zip(stores, orders, strict=True)
            ]
        )
        assert all(success for success, _ in await answers), "none is refused"
        there = {job.id: job.name for job in desk.bench.jobs()}
        assert there in [dict.fromkeys(ids, f"{name} {number}") for name, ids in sets.items()]
        for _, group in orders:
            discard(desk, group)


@pytest_twisted.ensureDeferred
async def test_of_two_that_planned_the_same_one_is_told(open_store: Callable[[], Store], desk: Desk) -> None:
    put(desk, [wanted("seed")], 0, "singly")
    stores = [open_store(), open_store()]
    there = standing(desk, ["a"], 1)
    tags = frozenset([set_rules.tag("", there.inside, there.outside)])
    orders = [staged(desk, [wanted("a", name=name)], 1, tags=tags, most=None) for name in ("one", "other")]
    answers = DeferredList(
        [
            store.orders.perform(order, Issued(signature=signature(2, id=group), caller=ANYBODY, node_id="", ids=IDS))
            for store, (order, group) in zip(stores, orders, strict=True)
        ],
        consumeErrors=True,
    )
    results = await answers
    assert sorted(success for success, _ in results) == [False, True]
    (why,) = (found for success, found in results if not success)
    assert isinstance(why, Failure)
    assert why.check(Stale)
