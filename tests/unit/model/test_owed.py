"""What is owed: the design's rules 1 to 6 as tables, and against a slow walk that knows nothing of counting."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobsched.model import owed as owed_module
from jobsched.model.cron import Cron
from jobsched.model.downtime import Downtime
from jobsched.model.job import CATCH_UP_MOST, Overlap, Policy
from jobsched.model.owed import Owed, Situation, Stretch, owed
from jobsched.model.trigger import At, Interval, Schedule
from tests.present import present

T0 = datetime(2024, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)
SECOND = timedelta(seconds=1)
FOREVER = Policy(misfire_grace=None)

Fated = tuple[float, float, int, str]


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def every(seconds: float, **bounds: Any) -> Schedule:
    return Schedule(trigger=Interval(start=T0, every=timedelta(seconds=seconds)), **bounds)


def facts(next_due: float | None, now: float, **more: Any) -> Situation:
    """A situation in seconds after T0; somebody could run jobs all the time unless said otherwise."""
    more.setdefault("able_since", T0 - timedelta(days=1))
    return Situation(next_due=None if next_due is None else at(next_due), now=at(now), **more)


def said(answer: Owed) -> list[Fated]:
    return [
        ((each.due - T0).total_seconds(), (each.until - T0).total_seconds(), each.count, each.fate)
        for each in answer.stretches
    ]


def reasons(answer: Owed) -> list[str]:
    return [stretch.reason for stretch in answer.stretches]


def walk(schedule: Schedule, due: datetime | None, now: datetime) -> Iterator[datetime]:
    while due is not None and due <= now:
        yield due
        due = schedule.next_after(due)


# Rule 1: exactly one outcome


def test_nothing_is_owed_before_the_due() -> None:
    answer = owed(every(60), Policy(), facts(60, 59.999999))
    assert answer == Owed(stretches=(), next_due=at(60))


def test_a_due_on_time_runs_and_the_next_one_lies_ahead() -> None:
    answer = owed(every(60), Policy(), facts(60, 60))
    assert said(answer) == [(60, 60, 1, "run")]
    assert answer.next_due == at(120)
    assert answer.starts == 1


def test_a_job_without_a_next_due_is_owed_nothing() -> None:
    assert owed(every(60), Policy(), facts(None, 600)) == Owed(stretches=(), next_due=None)


def test_an_instant_runs_once_and_has_no_next_due() -> None:
    answer = owed(Schedule(trigger=At(instant=at(10))), Policy(), facts(10, 12))
    assert said(answer) == [(10, 10, 1, "run")]
    assert answer.next_due is None


def test_a_clock_set_back_owes_nothing_a_second_time() -> None:
    first = owed(every(60), Policy(), facts(3600, 3600))
    assert first.next_due == at(3660)
    again = owed(every(60), Policy(), attrs.evolve(facts(0, 0), next_due=first.next_due))
    assert again == Owed(stretches=(), next_due=at(3660))


# Rule 2: the grace


@pytest.mark.parametrize(
    ("late", "grace", "fate"),
    [
        (0, 60, "run"),
        (60, 60, "run"),
        (60.000001, 60, "missed"),
        (0, 0, "run"),
        (0.000001, 0, "missed"),
        (3599, None, "run"),
    ],
)
def test_a_due_is_acted_on_up_to_its_grace_and_not_later(late: float, grace: float | None, fate: str) -> None:
    policy = Policy(misfire_grace=None if grace is None else timedelta(seconds=grace))
    answer = owed(every(3600), policy, facts(3600, 3600 + late))
    assert said(answer) == [(3600, 3600, 1, fate)]
    assert answer.next_due == at(7200)


def test_a_due_that_is_missed_names_the_grace_it_exceeded() -> None:
    answer = owed(every(3600), Policy(misfire_grace=timedelta(seconds=1.5)), facts(3600, 3700))
    assert reasons(answer) == ["found later than misfire_grace (1.5 s) allows"]


# Rule 3: catch-up


def test_latest_runs_the_newest_in_grace_and_misses_the_older() -> None:
    answer = owed(every(60), Policy(), facts(60, 310))
    assert said(answer) == [(60, 240, 4, "missed"), (300, 300, 1, "run")]
    assert answer.next_due == at(360)


def test_latest_says_which_were_too_old_and_which_gave_way() -> None:
    answer = owed(every(60), Policy(misfire_grace=timedelta(seconds=150)), facts(60, 310))
    assert said(answer) == [(60, 120, 2, "missed"), (180, 240, 2, "missed"), (300, 300, 1, "run")]
    assert reasons(answer) == [
        "found later than misfire_grace (150 s) allows",
        "a later due was waiting too, and catch_up is latest",
        "",
    ]


def test_latest_runs_nothing_when_even_the_newest_is_too_old() -> None:
    answer = owed(every(60), Policy(misfire_grace=timedelta(seconds=5)), facts(60, 310))
    assert said(answer) == [(60, 300, 5, "missed")]
    assert answer.next_due == at(360)


def test_none_misses_what_passed_with_nobody_whatever_the_grace() -> None:
    policy = Policy(misfire_grace=None, catch_up="none")
    answer = owed(every(60), policy, facts(60, 310, able_since=at(310)))
    assert said(answer) == [(60, 300, 5, "missed")]
    assert reasons(answer) == ["nobody could run it at its due, and catch_up is none"]
    assert answer.next_due == at(360)


def test_none_runs_a_due_from_when_somebody_could_run_it() -> None:
    policy = Policy(misfire_grace=None, catch_up="none")
    answer = owed(every(60), policy, facts(60, 300, able_since=at(300)))
    assert said(answer) == [(60, 240, 4, "missed"), (300, 300, 1, "run")]


def test_none_still_minds_the_grace() -> None:
    answer = owed(every(3600), Policy(catch_up="none"), facts(3600, 3700, able_since=at(0)))
    assert said(answer) == [(3600, 3600, 1, "missed")]
    assert reasons(answer) == ["found later than misfire_grace (60 s) allows"]


def test_all_runs_each_due_within_the_grace_oldest_first() -> None:
    policy = Policy(misfire_grace=timedelta(seconds=200), catch_up="all", overlap="allow")
    answer = owed(every(60), policy, facts(60, 310))
    assert said(answer) == [(60, 60, 1, "missed"), *[(due, due, 1, "run") for due in (120, 180, 240, 300)]]


@pytest.mark.parametrize("overlap", ["skip", "queue", "replace"])
def test_all_makes_the_dues_it_catches_up_on_wait_in_turn(overlap: Overlap) -> None:
    policy = Policy(misfire_grace=None, catch_up="all", overlap=overlap)
    answer = owed(every(60), policy, facts(60, 190))
    assert said(answer) == [(60, 60, 1, "run"), (120, 120, 1, "queue"), (180, 180, 1, "queue")]
    assert answer.starts == 3


def test_all_catches_up_on_a_thousand_and_misses_the_older() -> None:
    policy = Policy(misfire_grace=None, catch_up="all", overlap="allow")
    answer = owed(every(1), policy, facts(1, 5000))
    missed, *runs = said(answer)
    assert missed == (1, 4000, 4000, "missed")
    assert runs == [(due, due, 1, "run") for due in range(4001, 5001)]
    assert reasons(answer)[0] == "older than the 1000 dues that catch_up runs at most"
    assert len(runs) == CATCH_UP_MOST


@pytest.mark.parametrize("active", [True, False])
def test_all_skips_every_due_that_passed_during_an_active_run(active: bool) -> None:
    policy = Policy(misfire_grace=None, catch_up="all", overlap="skip")
    answer = owed(every(60), policy, facts(60, 190, active=active))
    apart = [(60, 60, 1, "run"), (120, 120, 1, "queue"), (180, 180, 1, "queue")]
    assert said(answer) == ([(60, 180, 3, "skipped")] if active else apart)


# Rule 4: paused


def test_dues_of_a_paused_job_are_one_skipped_stretch() -> None:
    answer = owed(every(60), FOREVER, facts(60, 310, paused=True))
    assert said(answer) == [(60, 300, 5, "skipped")]
    assert reasons(answer) == ["paused"]
    assert answer.next_due == at(360)
    assert answer.starts == 0


def test_a_long_pause_is_one_stretch_too() -> None:
    year = 365 * 86400
    answer = owed(every(1), FOREVER, facts(1, year, paused=True))
    assert said(answer) == [(1, year, year, "skipped")]


# Rule 5: overlap


@pytest.mark.parametrize(
    ("overlap", "active", "queued", "fate", "reason"),
    [
        ("skip", False, False, "run", ""),
        ("skip", True, False, "skipped", "the run before it was still active"),
        ("skip", True, True, "skipped", "the run before it was still active"),
        ("queue", False, False, "run", ""),
        ("queue", True, False, "queue", "waits for the active run to end"),
        ("queue", True, True, "skipped", "a run was already waiting for the active one to end"),
        ("replace", False, False, "run", ""),
        ("replace", True, False, "replace", "waits for the run it replaces to be dead"),
        ("replace", True, True, "replace", "waits for the run it replaces to be dead"),
        ("allow", False, False, "run", ""),
        ("allow", True, False, "run", ""),
        ("allow", True, True, "run", ""),
    ],
)
def test_an_active_run_decides_the_fate_by_the_overlap_rule(
    overlap: Overlap, active: bool, queued: bool, fate: str, reason: str
) -> None:
    answer = owed(every(60), Policy(overlap=overlap), facts(60, 61, active=active, queued=queued))
    assert said(answer) == [(60, 60, 1, fate)]
    assert reasons(answer) == [reason]
    assert answer.next_due == at(120)


# max_runs


def test_a_job_that_used_up_max_runs_is_owed_nothing_more() -> None:
    assert owed(every(60), Policy(), facts(60, 310, starts_left=0)) == Owed(stretches=(), next_due=None)


def test_the_last_run_of_max_runs_leaves_no_next_due() -> None:
    answer = owed(every(60), Policy(), facts(60, 60, starts_left=1))
    assert said(answer) == [(60, 60, 1, "run")]
    assert answer.next_due is None


def test_a_run_before_the_last_leaves_a_next_due() -> None:
    assert owed(every(60), Policy(), facts(60, 60, starts_left=2)).next_due == at(120)


@pytest.mark.parametrize("policy", [Policy(), Policy(overlap="skip")])
def test_a_missed_or_skipped_due_does_not_use_up_max_runs(policy: Policy) -> None:
    missed = owed(every(3600), policy, facts(3600, 3700, starts_left=1))
    skipped = owed(every(3600), policy, facts(3600, 3600, starts_left=1, active=True))
    assert (missed.next_due, skipped.next_due) == (at(7200), at(7200))


def test_dues_behind_the_last_run_of_max_runs_are_not_owed() -> None:
    policy = Policy(misfire_grace=None, catch_up="all", overlap="allow")
    answer = owed(every(60), policy, facts(60, 310, starts_left=2))
    assert said(answer) == [(60, 60, 1, "run"), (120, 120, 1, "run")]
    assert answer.next_due is None


def test_dues_skipped_in_a_catch_up_leave_max_runs_as_it_was() -> None:
    policy = Policy(misfire_grace=None, catch_up="all", overlap="skip")
    answer = owed(every(60), policy, facts(60, 310, starts_left=2, active=True))
    assert said(answer) == [(60, 300, 5, "skipped")]
    assert answer.next_due == at(360)


# Rule 6 and the bounds


def test_acting_late_does_not_move_the_grid() -> None:
    answer = owed(every(60), Policy(), facts(60, 100.25))
    assert answer.next_due == at(120)


def test_no_due_lies_behind_the_end_of_the_schedule() -> None:
    answer = owed(every(60, end=at(180)), FOREVER, facts(60, 600))
    assert said(answer) == [(60, 120, 2, "missed"), (180, 180, 1, "run")]
    assert answer.next_due is None


def test_folding_stops_at_the_end_of_the_schedule() -> None:
    answer = owed(every(1, end=at(5000)), FOREVER, facts(1, 900_000))
    assert said(answer) == [(1, 4999, 4999, "missed"), (5000, 5000, 1, "run")]
    assert answer.next_due is None


@pytest.mark.parametrize("jitter", [0, 0.05, 10])
def test_a_century_of_a_short_interval_is_answered_at_once(jitter: float) -> None:
    schedule = every(0.1, jitter=timedelta(seconds=jitter), salt="job")
    century = 36525 * 86400.0
    first = schedule.next_after(T0)
    assert first is not None
    answer = owed(schedule, Policy(), attrs.evolve(facts(1, century), next_due=first))
    total = sum(stretch.count for stretch in answer.stretches)
    assert abs(total - century * 10) <= 1
    assert all(stretch.count < 2**31 for stretch in answer.stretches), "more than a database can hold"
    for before, after in pairwise(answer.stretches):
        assert schedule.next_after(before.until) == after.due
    assert answer.stretches[-1].fate == "run"
    assert answer.next_due is not None
    assert answer.next_due > at(century)


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize(
    ("expression", "zone", "span"),
    [
        ("* * * * * *", "UTC", timedelta(days=30)),
        ("* * * * * *", "America/New_York", timedelta(days=3650)),
        ("* * * * *", "Africa/Casablanca", timedelta(days=18_000)),
        ("30 2 * * *", "Australia/Lord_Howe", timedelta(days=18_000)),
    ],
)
@pytest.mark.parametrize("jitter", [0, 40, 500_000])
@pytest.mark.parametrize("paused", [False, True])
def test_a_long_stretch_of_cron_is_answered_at_once(
    expression: str, zone: str, span: timedelta, jitter: float, paused: bool
) -> None:
    schedule = Schedule(trigger=Cron(expression=expression, timezone=zone), jitter=jitter * SECOND, salt="job")
    first = schedule.first(T0)
    begun = time.process_time()
    answer = owed(schedule, FOREVER, attrs.evolve(facts(0, 0, paused=paused), next_due=first, now=T0 + span))
    assert time.process_time() - begun < 0.1
    assert [stretch.fate for stretch in answer.stretches] == (["skipped"] if paused else ["missed", "run"])
    dues = [stretch.until for stretch in answer.stretches]
    assert dues[-1] <= T0 + span < present(schedule.next_after(dues[-1])) == answer.next_due
    assert sum(stretch.count for stretch in answer.stretches) >= span // timedelta(days=1) - 1


@pytest.mark.parametrize("catch_up", ["latest", "none", "all"])
def test_only_the_newest_run_however_many_wait(
    catch_up: Literal["latest", "none", "all"], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owed_module, "CATCH_UP_MOST", 7)
    cron = Schedule(trigger=Cron(expression="* * * * *"))
    policy = Policy(misfire_grace=None, catch_up=catch_up, overlap="allow")
    answer = owed(cron, policy, facts(60, 60 * 100))
    newest = 7 if catch_up == "all" else 1
    missed, *runs = said(answer)
    assert missed == (60, 60 * (100 - newest), 100 - newest, "missed")
    assert runs == [(60 * minute, 60 * minute, 1, "run") for minute in range(101 - newest, 101)]


# Downtime


def test_what_passed_while_no_daemon_ran_says_so() -> None:
    down = Downtime(at(90), at(310.5), "no daemon ran")
    words = "no daemon ran from 2024-01-01T00:01:30Z until 2024-01-01T00:05:10Z (3 min 40 s)"
    answer = owed(every(60), Policy(misfire_grace=5 * SECOND), facts(60, 311, downtimes=[down], able_since=at(310.5)))
    assert said(answer) == [(60, 60, 1, "missed"), (120, 300, 4, "missed")]
    assert reasons(answer) == ["found later than misfire_grace (5 s) allows", words]
    none = owed(every(60), Policy(catch_up="none"), facts(60, 311, downtimes=[down], able_since=at(310.5)))
    assert reasons(none) == ["nobody could run it at its due, and catch_up is none", f"{words}, and catch_up is none"]


def test_a_due_that_gave_way_to_a_later_one_says_that() -> None:
    down = Downtime(at(30), at(310), "no daemon ran")
    answer = owed(every(60), FOREVER, facts(60, 311, downtimes=[down]))
    assert said(answer) == [(60, 240, 4, "missed"), (300, 300, 1, "run")]
    assert reasons(answer) == ["a later due was waiting too, and catch_up is latest", ""]


def test_of_two_downtimes_each_due_names_its_own() -> None:
    downs = [Downtime(at(30), at(100), "no daemon ran"), Downtime(at(200), at(310), "nothing could be scheduled")]
    answer = owed(every(60), Policy(misfire_grace=SECOND), facts(60, 311, downtimes=downs))
    assert said(answer) == [(60, 60, 1, "missed"), (120, 180, 2, "missed"), (240, 300, 2, "missed")]
    assert [reason.partition(" from ")[0] for reason in reasons(answer)] == [
        "no daemon ran",
        "found later than misfire_grace (1 s) allows",
        "nothing could be scheduled",
    ]


# Properties


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    jitter = draw(st.sampled_from([0.0, 0.0, 0.7, 25, 4000])) * timedelta(seconds=1)
    end = draw(st.none() | st.integers(1, 400_000).map(at))
    if draw(st.booleans()):
        step = draw(st.sampled_from([0.1, 1, 7.3, 59.999999, 60, 3600, 86400]))
        return every(step, jitter=jitter, end=end, salt="job")
    text = draw(
        st.sampled_from(
            ["* * * * *", "*/7 * * * *", "30 2 * * *", "1,40 0-3 * * *", "*/20 * * * * *", "0 0 29 2 *", "5 4 * * 1"]
        )
    )
    zone = draw(st.sampled_from(["UTC", "America/New_York", "Australia/Lord_Howe"]))
    return Schedule(trigger=Cron(expression=text, timezone=zone), jitter=jitter, end=end, salt="job")


policies = st.builds(
    Policy,
    overlap=st.sampled_from(["skip", "queue", "replace", "allow"]),
    misfire_grace=st.none() | st.floats(0, 100_000).map(lambda seconds: timedelta(seconds=seconds)),
    catch_up=st.sampled_from(["latest", "none", "all"]),
)


@st.composite
def situations(draw: st.DrawFn, schedule: Schedule) -> Situation:
    """A due of the schedule, and an instant by which up to some thousands of dues have passed."""
    asked = at(draw(st.floats(-100, 300_000)))
    due = schedule.next_after(asked)
    span = draw(st.sampled_from([1, 5, 20, 200, 1400]))
    second = schedule.next_after(due) if due else None
    step = second - due if due and second else timedelta(hours=1)
    now = (due or asked) + step * span * draw(st.floats(0, 1))
    return Situation(
        next_due=due,
        now=now,
        able_since=now - draw(st.sampled_from([0.0, 0.3, 1, 2])) * (now - (due or asked)),
        active=draw(st.booleans()),
        queued=draw(st.booleans()),
        paused=draw(st.sampled_from([False, False, False, True])),
        starts_left=draw(st.none() | st.none() | st.integers(1, 5)),
        downtimes=draw(st.lists(downtimes(due or asked, now), max_size=2)),
    )


def downtimes(begin: datetime, end: datetime) -> st.SearchStrategy[Downtime]:
    ends = st.floats(0, 1).map(lambda share: begin + share * (end - begin))
    return st.tuples(ends, ends).map(lambda both: Downtime(min(both), max(both), "no daemon ran"))


@pytest.mark.slow
@settings(max_examples=150)
@given(st.data())
def test_every_due_up_to_now_is_in_one_stretch_and_in_order(data: st.DataObject) -> None:
    schedule, policy = data.draw(schedules()), data.draw(policies)
    situation = data.draw(situations(schedule))
    answer = owed(schedule, policy, situation)
    dues = list(walk(schedule, situation.next_due, situation.now))
    place = 0
    for stretch in answer.stretches:
        assert dues[place] == stretch.due
        place += stretch.count
        assert dues[place - 1] == stretch.until
        assert stretch.count == 1 or stretch.fate in ("missed", "skipped")
    for before, after in pairwise(answer.stretches):
        alike = (before.fate, before.reason) == (after.fate, after.reason)
        assert not alike or before.fate in ("run", "queue", "replace"), "they share one record"
    if situation.starts_left is not None and answer.starts >= situation.starts_left:
        assert answer.starts == situation.starts_left
        assert answer.stretches[-1].fate in ("run", "queue", "replace")
        assert answer.next_due is None
    else:
        assert place == len(dues)
        following = schedule.next_after(dues[-1]) if dues else situation.next_due
        assert answer.next_due == following
        assert following is None or following > situation.now


def fate_of(due: datetime, answer: Owed) -> Stretch:
    return next(stretch for stretch in answer.stretches if stretch.due <= due <= stretch.until)


@pytest.mark.slow
@settings(max_examples=150)
@given(st.data())
def test_what_starts_is_within_the_grace_and_is_the_newest(data: st.DataObject) -> None:
    schedule, policy = data.draw(schedules()), data.draw(policies)
    situation = data.draw(situations(schedule))
    answer = owed(schedule, policy, situation)
    dues = list(walk(schedule, situation.next_due, situation.now))
    if situation.paused:
        assert [stretch.fate for stretch in answer.stretches] == (["skipped"] if dues else [])
        return
    grace = policy.misfire_grace
    allowed = [
        due
        for due in dues
        if (grace is None or situation.now - due <= grace)
        and (policy.catch_up != "none" or due >= situation.able_since)
    ]
    newest = set(allowed[-1000:] if policy.catch_up == "all" else allowed[-1:])
    for due in dues[: sum(stretch.count for stretch in answer.stretches)]:
        stretch = fate_of(due, answer)
        assert (stretch.fate == "missed") == (due not in newest)
        if stretch.fate == "missed":
            assert stretch.reason == why_missed(due, policy, situation)
        assert stretch.reason or stretch.fate == "run"


def why_missed(due: datetime, policy: Policy, situation: Situation) -> str:
    """Of one due, by itself."""
    down = [str(gap) for gap in situation.downtimes if gap.begin <= due < gap.end]
    if policy.catch_up == "none" and due < situation.able_since:
        return f"{[*down, 'nobody could run it at its due'][0]}, and catch_up is none"
    if policy.misfire_grace is not None and situation.now - due > policy.misfire_grace:
        seconds = policy.misfire_grace.total_seconds()
        return [*down, f"found later than misfire_grace ({seconds:g} s) allows"][0]
    if policy.catch_up == "all":
        return "older than the 1000 dues that catch_up runs at most"
    return f"a later due was waiting too, and catch_up is {policy.catch_up}"


@settings(max_examples=100)
@given(
    step=st.sampled_from([0.1, 0.3, 1, 90, 86400.000001]),
    late=st.lists(st.floats(0, 5000), min_size=1, max_size=30),
    policy=policies,
)
def test_however_late_it_is_asked_dues_stay_on_the_grid(step: float, late: list[float], policy: Policy) -> None:
    span = timedelta(seconds=step)
    schedule = every(step)
    due: datetime | None = T0 + span
    for seconds in late:
        assert due is not None
        now = due + timedelta(seconds=seconds)
        answer = owed(schedule, policy, Situation(next_due=due, now=now, able_since=now))
        assert sum(stretch.count for stretch in answer.stretches) == (now - due) // span + 1
        due = answer.next_due
        assert due is not None
        assert (due - T0) % span == timedelta(0)
        assert now < due <= now + span


@settings(max_examples=30)
@given(st.data())
def test_the_same_facts_give_the_same_answer(data: st.DataObject) -> None:
    schedule, policy = data.draw(schedules()), data.draw(policies)
    situation = data.draw(situations(schedule))
    assert owed(schedule, policy, situation) == owed(schedule, policy, situation)
