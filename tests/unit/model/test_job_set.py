"""A whole set of jobs: what a plan does, and that it comes to an end."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.model.audit import Signature
from jobsched.model.draft import Draft
from jobsched.model.errors import Invalid, NotFound, Stale
from jobsched.model.ids import MICROSECOND, least
from jobsched.model.job import Job, Pause
from jobsched.model.job_set import (
    SetDone,
    SetPart,
    Standing,
    Step,
    Wanted,
    carried_out,
    is_quiet,
    let_go,
    once_each,
    plan,
    signed,
)
from jobsched.model.labels import About, Label
from jobsched.model.redaction import Redaction
from jobsched.model.set_rules import MOST_FAULTS, SetFaults, labelled, must_fit, must_go_at_once, tag
from tests.present import present

T0 = datetime(2024, 1, 1, tzinfo=UTC)
DATA = Label("team", "data")


def draft(**fields: Any) -> Draft:
    labels = fields.pop("labels", {})
    given: dict[str, Any] = {"task": "task", "name": "job", "every": timedelta(hours=1), "about": About(labels=labels)}
    return Draft(**(given | fields))


def wanted(job_id: str, number: int = 0, **fields: Any) -> Wanted:
    asked = draft(**fields)
    return Wanted(
        job_id=job_id,
        pointer=f"/jobs/{number}",
        revise=lambda job, instant: asked.job(job_id, instant) if job is None else asked.remade(job, instant),
    )


def standing(*jobs: Job, now: datetime = T0, first: Mapping[str, int] | None = None) -> Standing:
    there = {job.id: job for job in jobs}
    return Standing(now=now, jobs=there, inside={}, outside={}, first=first or {})


def words(steps: Sequence[Step]) -> list[tuple[str, str]]:
    return [(step.job.id, step.what) for step in steps]


def test_each_job_is_made_changed_kept_or_deleted() -> None:
    same, other, gone = (
        draft(labels={"team": "data"}).job(name, T0 - timedelta(days=1)) for name in ("same", "other", "gone")
    )
    hand_made = draft().job("hand-made", T0)
    ops = draft(labels={"team": "ops"}).job("ops", T0)
    asked = [
        wanted("other", labels={"team": "data"}, timeout=5.0),
        wanted("same", labels={"team": "data"}),
        wanted("new"),
    ]
    there = standing(same, other, gone, hand_made, ops, first={"new": 7})
    steps = plan(there, asked, DATA, True)
    assert words(steps) == [("gone", "delete"), ("new", "create"), ("other", "change"), ("same", "keep")]
    assert words(plan(there, asked, DATA, False)) == words(steps)[1:]
    assert [step.job.version for step in steps] == [1, 7, 2, 1]
    changed = steps[2]
    assert changed.before == other
    assert (changed.job.timeout, changed.job.updated, changed.job.next_due) == (5.0, T0, other.next_due)


def test_a_plan_says_which_dues_are_moved() -> None:
    before = draft().job("report", T0)
    (step,) = plan(standing(before), [wanted("report", every=timedelta(minutes=10))], None, False)
    part = SetPart.of(step)
    assert (part.due_before, part.due_after) == (T0 + timedelta(hours=1), T0 + timedelta(minutes=10))


def test_all_faults_are_told_at_once_with_their_places() -> None:
    def no_task(_: Job | None, __: datetime) -> Job:
        raise NotFound("there is no task 'x'")

    asked = [
        wanted("a", 0, cron="61 * * * *", every=None),
        wanted("b", 1),
        wanted("c", 2, at=T0 - timedelta(days=1), every=None),
        Wanted(job_id="d", pointer="/jobs/3", revise=no_task),
    ]
    with pytest.raises(Invalid) as refused:
        plan(standing(), asked, None, False)
    assert [each.pointer for each in refused.value.all] == ["/jobs/0/cron", "/jobs/2/at", "/jobs/3/task"]


def test_so_many_faults_are_told_as_somebody_will_read() -> None:
    asked = [wanted(f"job-{n}", n, cron="nonsense", every=None) for n in range(MOST_FAULTS + 5)]
    with pytest.raises(Invalid) as refused:
        plan(standing(), asked, None, False)
    assert len(refused.value.all) == MOST_FAULTS + 1
    assert refused.value.all[-1].detail == "5 more faults are not told"


def test_faults_that_are_not_told_are_not_kept() -> None:
    faults, made = SetFaults(), list[weakref.ref[Invalid]]()

    def fault() -> Invalid:
        first = Invalid("first")
        made.extend(map(weakref.ref, (first, more := Invalid("second"))))
        return Invalid(first.detail, more=[first, more])

    for _ in range(MOST_FAULTS):
        with faults.noting():
            raise fault()
    assert len([each for each in made if each() is not None]) < MOST_FAULTS
    with pytest.raises(Invalid) as refused:
        faults.check()
    assert len(refused.value.all) == MOST_FAULTS + 1
    assert refused.value.all[-1].detail == f"{2 * MOST_FAULTS} more faults are not told"


def test_an_id_that_is_given_twice_is_told_with_both_places() -> None:
    with pytest.raises(Invalid) as refused:
        once_each([wanted("a", 0), wanted("b", 1), wanted("a", 2)])
    assert [(each.pointer, each.detail) for each in refused.value.all] == [("/jobs/2/id", "is the id of /jobs/0 too")]


@pytest.mark.parametrize(
    ("scope", "labels", "found"),
    [
        (None, {"a": "b"}, {"a": "b"}),
        (DATA, {}, {"team": "data"}),
        (DATA, {"team": "data", "a": "b"}, {"team": "data", "a": "b"}),
        (DATA, {"team": "ops"}, "/team"),
        (Label("team"), {"team": "ops"}, {"team": "ops"}),
        (Label("team"), {"a": "b"}, "/team"),
    ],
)
def test_a_job_of_a_set_gets_the_label_of_the_scope(scope: Label | None, labels: dict[str, str], found: Any) -> None:
    if isinstance(found, dict):
        assert labelled(scope, labels) == found
        return
    with pytest.raises(Invalid) as refused:
        labelled(scope, labels)
    assert refused.value.pointer == found


def test_a_tag_stands_for_the_jobs_of_scope_and_set() -> None:
    inside, outside = {"a": 1, "b": 2}, {"c": 1}
    whole = tag("seed", inside, outside)
    listed = tag("seed", {"b": 2, "a": 1})
    must_fit(None, whole)
    must_fit({listed}, whole)
    must_fit({"other", whole}, whole)
    wrong = [tag("other", inside), tag("seed", {"a": 2, "b": 2}), tag("seed", inside, {}), tag("seed", {"a": 1}), ""]
    for other in wrong:
        with pytest.raises(Stale):
            must_fit({other}, whole)


def test_parts_are_counted() -> None:
    steps = plan(standing(draft().job("a", T0)), [wanted("a"), wanted("b"), wanted("c")], None, False)
    done = SetDone(parts=[SetPart.of(step) for step in steps], tag="")
    assert done.counts == {"create": 2, "change": 0, "keep": 1, "delete": 0}


DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
DUE = T0 + timedelta(hours=1)


def step(before: Job | None, after: Job | None) -> Step:
    return Step(
        what="create" if before is None else "delete" if after is None else "change", before=before, after=after
    )


@pytest.mark.parametrize(
    ("now", "differs", "says", "moves", "goes"),
    [
        (T0, {}, True, True, True),
        (DUE - MICROSECOND, {}, True, True, True),
        (DUE, {}, True, False, False),  # its due has come: a change of the text alone leaves that to the claims
        (T0, {"version": 2}, False, False, False),
        (T0, {"starts": 1}, True, False, True),
        (T0, {"next_due": DUE + MINUTE}, True, False, True),
        (T0, {"paused": True, "pause": Pause(by="x", at=T0 - DAY, until=T0)}, False, False, False),
        (T0, {"paused": True, "pause": Pause(by="x", at=T0 - DAY, until=DUE)}, True, True, True),
    ],
)
def test_a_job_is_quiet_while_nothing_has_moved(
    now: datetime, differs: dict[str, Any], says: bool, moves: bool, goes: bool
) -> None:
    before = draft().job("a", T0)
    assert before.next_due == DUE
    there = attrs.evolve(before, **differs)
    text, rule = (
        attrs.evolve(draft(**of).remade(before, T0), version=2) for of in ({"timeout": 1.0}, {"every": 2 * DAY})
    )
    found = [is_quiet(step(before, after), there, None, now) for after in (text, rule, None)]
    assert found == [says, moves, goes]
    assert not any(is_quiet(step(before, after), None, 1, now) for after in (text, rule, None)), "it is gone"


def test_a_new_job_is_quiet_while_its_id_is_as_free() -> None:
    new, revived = draft().job("a", T0), attrs.evolve(draft().job("a", T0), version=4)
    assert [is_quiet(step(None, new), None, last, T0) for last in (None, 3)] == [True, False]
    assert [is_quiet(step(None, revived), None, last, T0) for last in (None, 3, 4)] == [False, True, False]
    assert not is_quiet(step(None, new), new, None, T0)
    assert [is_quiet(step(None, new), None, None, now) for now in (DUE - MICROSECOND, DUE)] == [True, False]


def test_what_a_store_takes_at_once_has_an_end() -> None:
    must_go_at_once(5000, 5000)
    must_go_at_once(10**6, None)
    with pytest.raises(Invalid, match=r"at most 5,000 jobs at once, and here these are 5,001"):
        must_go_at_once(5001, 5000)


def test_entries_are_dated_when_put_and_keep_their_order() -> None:
    signature = Signature(id=least(T0), at=T0, who=None, address="", node="alpha")
    steps = signed([step(None, draft().job(name, T0)) for name in "abc"], signature)
    entries = [carried_out(present(each.entry), DUE) for each in steps]
    ids = [entry.id for entry in entries]
    assert ids == sorted(ids)
    assert {entry.at for entry in entries} == {DUE}
    assert all(least(DUE) <= each < least(DUE + timedelta(milliseconds=1)) for each in ids)


def test_a_part_that_is_planned_says_what_its_entry_would() -> None:
    signature = Signature(id=least(T0), at=T0, who=None, address="", node="alpha", redaction=Redaction(["pin"]))
    before, after = (draft(timeout=n, parameters={"pin": str(n)}).job("a", T0) for n in (1.0, 2.0))
    steps = [step(None, after), step(before, after), step(before, None), step(before, attrs.evolve(before, starts=1))]
    planned = [SetPart.planned(each, signature.redaction) for each in steps]
    assert planned == [SetPart.of(each) for each in signed(steps, signature)]
    assert planned[1].after == {"timeout": 2.0, "parameters": {"pin": "***"}}
    assert (planned[3].before, planned[3].after) == (None, None)


def test_what_is_let_go_is_empty() -> None:
    some: list[int] = list(range(200))
    other, kept = {n: n for n in range(7)}, (1, 2)
    let_go(some, other, kept)
    assert (some, other, kept) == ([], {}, (1, 2))


IDS = st.sampled_from(["a", "b", "c", "d", "e"])
DRAFTS = st.builds(
    draft,
    timeout=st.sampled_from([None, 1.0]),
    every=st.sampled_from([timedelta(hours=1), timedelta(minutes=7)]),
    max_runs=st.sampled_from([None, 3]),
    start=st.sampled_from([None, T0 - timedelta(days=1)]),
    labels=st.sampled_from([{}, {"team": "data"}, {"team": "ops"}]),
)
SETS = st.dictionaries(IDS, DRAFTS)


def asked_for(drafts: Mapping[str, Draft]) -> list[Wanted]:
    def one(job_id: str, asked: Draft) -> Wanted:
        def revise(job: Job | None, instant: datetime) -> Job:
            return asked.job(job_id, instant) if job is None else asked.remade(job, instant)

        return Wanted(job_id=job_id, pointer="", revise=revise)

    return [one(job_id, asked) for job_id, asked in drafts.items()]


def applied(there: Mapping[str, Job], steps: Sequence[Step]) -> dict[str, Job]:
    found = dict(there)
    for step in steps:
        found.pop(step.job.id, None)
        if step.after is not None:
            found[step.job.id] = step.after
    return found


@given(there=SETS, drafts=SETS, prune=st.booleans(), later=st.integers(0, 10_000))
def test_what_is_applied_again_is_kept(
    there: dict[str, Draft], drafts: dict[str, Draft], prune: bool, later: int
) -> None:  # fmt: skip
    before = {job_id: one.job(job_id, T0) for job_id, one in there.items()}
    asked, scope = asked_for(drafts), DATA if prune else None
    once = applied(before, plan(standing(*before.values(), now=T0), asked, scope, prune))
    again = plan(standing(*once.values(), now=T0 + timedelta(seconds=later)), asked, scope, prune)
    assert {step.what for step in again} <= {"keep"}
    assert applied(once, again) == once
    assert once.keys() >= drafts.keys()
    left = {job_id for job_id, job in before.items() if job_id not in drafts}
    gone = {job_id for job_id in left if DATA.fits(before[job_id].about.labels)} if prune else set()
    assert left - once.keys() == gone, "nothing goes but what has the label"
