"""When a job is due: grids, bounds, and a jitter that is the same at every asking."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from jobsched.model.cron import Cron
from jobsched.model.errors import BadTrigger
from jobsched.model.trigger import LONGEST, SHORTEST, At, Interval, Schedule, Trigger

T0 = datetime(2024, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)

steps = st.timedeltas(SHORTEST, timedelta(days=400))
shifts = st.timedeltas(timedelta(days=-4000), timedelta(days=4000))
jitters = st.sampled_from([0.000002, 0.5, 1, 30, 3600, 86400, 3155760000]).map(
    lambda seconds: timedelta(seconds=seconds)
)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def every(seconds: float) -> Interval:
    return Interval(start=T0, every=timedelta(seconds=seconds))


def dues(schedule: Schedule, instant: datetime, most: int) -> list[datetime]:
    found: list[datetime] = []
    due = schedule.next_after(instant)
    while due is not None and len(found) < most:
        found.append(due)
        due = schedule.next_after(due)
    return found


@pytest.mark.parametrize(
    ("asked", "due"), [(-1000, 0), (-0.000001, 0), (0, 60), (59.999999, 60), (60, 120), (60.000001, 120)]
)
def test_an_interval_is_due_on_its_grid_not_before_its_start(asked: float, due: float) -> None:
    assert every(60).next_after(at(asked)) == at(due)


@given(step=steps, shift=shifts)
def test_the_next_due_of_an_interval_is_the_first_of_its_grid(step: timedelta, shift: timedelta) -> None:
    trigger = Interval(start=T0, every=step)
    due = trigger.next_after(T0 + shift)
    assert due is not None
    assert (due - T0) % step == timedelta(0)
    assert due > T0 + shift
    assert due == T0 or due - step <= T0 + shift


def test_an_interval_behind_the_last_year_has_no_due() -> None:
    trigger = Interval(start=datetime(9999, 12, 31, tzinfo=UTC), every=timedelta(days=2))
    assert trigger.next_after(datetime(9999, 12, 31, 12, tzinfo=UTC)) is None


@pytest.mark.parametrize("step", [timedelta(0), timedelta(seconds=-1), SHORTEST - TICK, LONGEST + TICK])
def test_an_interval_out_of_bounds_is_refused_at_its_field(step: timedelta) -> None:
    with pytest.raises(BadTrigger, match=r"at least 0\.1 seconds and at most 100 years") as refusal:
        Interval(start=T0, every=step)
    assert refusal.value.pointer == "/interval"


@pytest.mark.parametrize("step", [SHORTEST, LONGEST])
def test_the_shortest_and_the_longest_interval_are_followed(step: timedelta) -> None:
    assert Interval(start=T0, every=step).next_after(T0) == T0 + step


def test_an_instant_is_due_once() -> None:
    trigger = At(instant=at(10))
    assert [trigger.next_after(at(asked)) for asked in (0, 9.999999, 10, 11)] == [at(10), at(10), None, None]


def test_a_schedule_keeps_to_its_start_and_end_included() -> None:
    schedule = Schedule(trigger=Cron(expression="* * * * *"), start=at(120), end=at(240))
    assert dues(schedule, T0, 10) == [at(120), at(180), at(240)]


def test_a_schedule_ends_before_a_due_that_lies_behind_its_end() -> None:
    assert Schedule(trigger=every(60), end=at(59)).next_after(T0) is None


@pytest.mark.parametrize(("now", "first"), [(-10, 60), (60, 120), (59, 60), (1000, 1020)])
def test_a_start_still_to_come_is_due_itself(now: float, first: float) -> None:
    schedule = Schedule(trigger=Interval(start=at(60), every=timedelta(seconds=60)), start=at(60))
    assert schedule.first(at(now)) == at(first)


@pytest.mark.parametrize("jitter", [0, 5, 1000])
def test_an_interval_without_start_is_due_one_after_the_making(jitter: float) -> None:
    schedule = Schedule(trigger=every(60), jitter=timedelta(seconds=jitter), salt="job")
    first = schedule.first(T0)
    assert first is not None
    assert at(60) <= first < at(120)


def test_a_start_at_the_calendars_beginning_is_as_good_as_any() -> None:
    start = datetime.min.replace(tzinfo=UTC)
    schedule = Schedule(trigger=Interval(start=start, every=timedelta(hours=1)), start=start)
    assert schedule.first(at(1)) == at(3600)


# Jitter


def test_a_jitter_spreads_the_dues_over_its_width() -> None:
    schedule = Schedule(trigger=every(60), jitter=timedelta(seconds=10), salt="job")
    late = [(due - T0).total_seconds() % 60 for due in dues(schedule, T0, 400)]
    assert all(0 <= seconds <= 10 for seconds in late)
    assert min(late) < 0.5
    assert max(late) > 9.5
    assert 4.2 < sum(late) / len(late) < 5.8


def test_two_jobs_of_one_trigger_are_put_off_differently() -> None:
    one, other = (Schedule(trigger=every(60), jitter=timedelta(seconds=10), salt=salt) for salt in ("a", "b"))
    assert not set(dues(one, T0, 50)) & set(dues(other, T0, 50))


def test_a_jitter_never_leads_past_the_end_of_the_calendar() -> None:
    last = datetime.max.replace(tzinfo=UTC)
    schedule = Schedule(trigger=At(instant=last - TICK), jitter=timedelta(days=1), salt="job")
    due = schedule.next_after(T0)
    assert due is not None
    assert due >= last - TICK


def test_an_instant_with_a_jitter_is_due_once() -> None:
    schedule = Schedule(trigger=At(instant=at(10)), jitter=timedelta(seconds=30), salt="job")
    (due,) = dues(schedule, T0, 10)
    assert at(10) <= due <= at(40)


class Counting:
    """A trigger that is asked, and how often."""

    def __init__(self, trigger: Trigger) -> None:
        self.trigger = trigger
        self.asked = 0

    def next_after(self, instant: datetime) -> datetime | None:
        self.asked += 1
        return self.trigger.next_after(instant)

    def count(self, after: datetime, until: datetime) -> int:
        raise AssertionError("nobody asked how many there are")


@pytest.mark.parametrize("jitter", [timedelta(seconds=30), timedelta(days=1), LONGEST])
@pytest.mark.parametrize(
    ("trigger", "least"),
    [
        (every(0.1), 5),
        (every(86_400 * 365), 5),
        (Cron(expression="0 0 0 29 2 *", timezone="Africa/Casablanca"), 5),
        (Cron(expression="* * * 1 1 *"), 70),  # 86,400 beats in a row, and then none for a year
        (Cron(expression="0 0 29 2 *"), 5),
    ],
)
def test_a_jitter_costs_no_walk_however_wide_or_uneven(trigger: Trigger, least: int, jitter: timedelta) -> None:
    counting = Counting(trigger)
    Schedule(trigger=counting, jitter=jitter, salt="job").next_after(datetime(2025, 7, 1, tzinfo=UTC))
    assert counting.asked <= least + 3


def test_a_row_of_dues_costs_one_look_at_the_trigger_for_each() -> None:
    counting = Counting(Cron(expression="0 0 0 29 2 *", timezone="Africa/Casablanca"))
    schedule = Schedule(trigger=counting, jitter=LONGEST)
    found = list(islice(schedule.dues(T0), 1000))
    assert counting.asked == 1001
    assert found == [schedule.next_after(due - TICK) for due in found]


def test_the_first_due_without_jitter_costs_one_look() -> None:
    counting = Counting(Cron(expression="0 3 * * *", timezone="Europe/Berlin"))
    schedule = Schedule(trigger=counting)
    first = schedule.first(T0)
    assert counting.asked == 1
    assert first == datetime(2024, 1, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize("year", [1, 2, 50, 9998, 9999])
def test_a_jitter_wider_than_the_calendar_is_there_is_followed(year: int) -> None:
    schedule = Schedule(trigger=Cron(expression="@daily"), jitter=LONGEST)
    found = list(islice(schedule.dues(datetime(year, 1, 1, tzinfo=UTC)), 3))
    assert len(found) == (0 if year > 9997 else 3)
    assert found == [schedule.next_after(due - TICK) for due in found]


@st.composite
def jittered(draw: st.DrawFn) -> Schedule:
    trigger: Trigger = draw(
        st.one_of(
            st.sampled_from([0.1, 1, 45.5, 3600]).map(every),
            st.sampled_from(["* * * * *", "*/5 3 * * *", "*/15 * * * * *", "0 0 * * 1", "* 0-1 3 * * *"]).map(
                lambda text: Cron(expression=text, timezone="Europe/Berlin")
            ),
        )
    )
    start = draw(st.none() | st.integers(-1000, 1000).map(at))
    end = draw(st.none() | st.integers(2000, 300_000).map(at))
    salt = draw(st.sampled_from(["", "job", "other"]))
    return Schedule(trigger=trigger, start=start, end=end, jitter=draw(jitters), salt=salt)


def plain(schedule: Schedule) -> Schedule:
    return Schedule(trigger=schedule.trigger, start=schedule.start, end=schedule.end)


@pytest.mark.slow
@settings(max_examples=80)
@given(schedule=jittered(), asked=st.integers(-2000, 250_000).map(at))
def test_each_due_is_late_by_its_jitter_and_before_the_next(schedule: Schedule, asked: datetime) -> None:
    beats = dues(plain(schedule), asked, 40)
    found = dues(schedule, asked, 40)
    assume(beats)
    if found and found[0] < beats[0]:
        found = found[1:]  # the beat before `asked`, put off past it
    assert len(beats) - len(found) in (0, 1)
    for beat, due in zip(beats, found, strict=False):
        assert beat <= due <= beat + schedule.jitter
    for (_, following), due in zip(pairwise(beats), found, strict=False):
        assert due < following
    if schedule.end is not None:
        assert all(due <= schedule.end for due in found)


@settings(max_examples=80)
@given(schedule=jittered(), asked=st.integers(-2000, 250_000).map(at), share=st.floats(0, 1, exclude_max=True))
def test_a_due_is_the_same_from_whichever_instant_one_asks(schedule: Schedule, asked: datetime, share: float) -> None:
    found = dues(schedule, asked, 20)
    for before, due in pairwise(found):
        between = min(before + (due - before) * share, due - TICK)
        assert schedule.next_after(between) == due
        assert schedule.next_after(due - TICK) == due


@settings(max_examples=80)
@given(schedule=jittered(), asked=st.integers(-2000, 250_000).map(at))
def test_dues_in_a_row_are_those_asked_for_one_by_one(schedule: Schedule, asked: datetime) -> None:
    row = list(islice(schedule.dues(asked), 20))
    assert row == dues(schedule, row[0] - TICK, 20) if row else schedule.next_after(asked) is None or schedule.jitter


@settings(max_examples=80)
@given(schedule=jittered(), asked=st.integers(-2000, 250_000).map(at))
def test_no_due_is_passed_over(schedule: Schedule, asked: datetime) -> None:
    back = timedelta(seconds=1)
    while back < timedelta(days=16) and next(plain(schedule).dues(asked - back), asked) >= asked:
        back *= 2
    following = next((due for due in schedule.dues(asked - back) if due > asked), None)
    assert schedule.next_after(asked) == following


@pytest.mark.slow
@settings(max_examples=150)
@given(
    schedule=jittered() | jittered().map(plain) | st.builds(lambda jitter: Schedule(
        trigger=At(instant=at(1000)), jitter=jitter, salt="job"), jitters),
    asked=st.integers(-2000, 250_000).map(at),
    many=st.integers(1, 60),
    most=st.integers(1, 70),
)  # fmt: skip
def test_dues_that_are_counted_are_those_that_are_walked(
    schedule: Schedule, asked: datetime, many: int, most: int
) -> None:
    walked = dues(schedule, asked, many)
    for place, due in enumerate(walked, 1):
        assert schedule.count(asked, due) == place
        assert schedule.count(asked, due - TICK) == place - 1
        assert schedule.count(due, walked[-1]) == len(walked) - place
    if walked:
        assert schedule.count_up_to(most, asked, walked[-1]) == min(most, len(walked))
        assert schedule.newest(asked, walked[-1], most) == walked[-most:]
        assert schedule.newest(asked, walked[-1] - TICK, most) == walked[:-1][-most:]
    assert schedule.newest(asked, asked, most) == []
    if len(walked) < many:
        assert schedule.count(asked, datetime.max.replace(tzinfo=UTC)) == len(walked)
