"""Years of one scheduler, with downtime, crashes, clock steps, a blocked reactor and too many runs.

Whatever happens, every due that a grid computed here by itself says a job had is in exactly one record.
"""

from __future__ import annotations

import bisect
import contextlib
import random
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from twisted.logger import capturedLogs

from jobsched.cluster import alone as alone_module
from jobsched.model import owed as owed_module
from jobsched.model.draft import Draft
from jobsched.model.errors import Unavailable
from jobsched.model.ids import BACK
from jobsched.model.job import Job, Policy
from jobsched.model.run import Run
from jobsched.scheduler import availability as ability_module
from jobsched.scheduler import scheduler as scheduler_module
from jobsched.scheduler import sweeps
from jobsched.verify import verify
from tests.unit.scheduler.world import T0, World

HOUR = 3600.0
DAY = 24 * HOUR
YEAR = 365 * DAY
NEW_YORK = ZoneInfo("America/New_York")
NEVER_RAN = ("skipped", "missed")
QUICK = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)  # to explain would trace every line


# Which dues a job has, computed without a line of Jobsched


def grid(anchor: datetime, step: timedelta, until: datetime) -> list[datetime]:
    return [anchor + beat * step for beat in range((until - anchor) // step + 2)] if until >= anchor else [anchor]


def noons(until: datetime) -> list[datetime]:
    """Half past twelve in New York, each day."""
    days = (datetime(2023, 12, 31) + timedelta(days=day) for day in range((until - T0).days + 4))
    return [day.replace(hour=12, minute=30, tzinfo=NEW_YORK).astimezone(UTC) for day in days]


def dues_of(job: Job, until: datetime) -> list[datetime]:
    """Every due of `job` to the first one after `until`."""
    rule: Any = job.schedule.trigger
    if hasattr(rule, "every"):
        if rule.every < timedelta(seconds=30):
            raise AssertionError("counted, not listed: see `tiled`")
        found = grid(rule.start, rule.every, until)
    elif rule.expression == "0 * * * *":
        found = grid(T0, timedelta(hours=1), until)
    elif rule.expression == "15 3 * * *":
        found = grid(T0 + timedelta(hours=3, minutes=15), timedelta(days=1), until)
    else:
        assert rule.expression == "30 12 * * *"
        found = noons(until)
    first = (
        job.created if job.schedule.start is None else max(job.created, job.schedule.start - timedelta(seconds=1e-6))
    )
    end = job.schedule.end
    return [due for due in found if first < due and (end is None or due <= end)]


def in_one_record_each(job: Job, after: Job, record: list[Run], until: datetime) -> None:
    """The records of a job's dues follow each other without a gap and without a repetition, up to its next due."""
    rule: Any = job.schedule.trigger
    if hasattr(rule, "every") and rule.every < timedelta(seconds=30):
        expected: datetime | None = job.next_due
        for run in record:
            assert run.due == expected
            assert (run.until or run.due) == run.due + (run.count - 1) * rule.every
            expected = run.due + run.count * rule.every
            if job.schedule.end is not None and expected > job.schedule.end:
                expected = None
    else:
        dues = dues_of(job, max([until, job.created, *(run.until or run.due for run in record)]))
        place = 0
        for run in record:
            assert run.due == dues[place]
            place = bisect.bisect_left(dues, run.until or run.due) + 1
            assert place - dues.index(run.due) == run.count
        expected = dues[place] if place < len(dues) else None
    started = [run for run in record if run.state not in NEVER_RAN]
    if job.max_runs is not None and len(started) >= job.max_runs:
        assert len(started) == job.max_runs
        expected = None
    assert after.next_due == expected
    assert after.starts == len(started)
    assert expected is None or expected > until


# What may happen


def spans(*most: float) -> st.SearchStrategy[float]:
    """Seconds: short and long ones alike."""
    return st.one_of(*(st.floats(0.01, longest) for longest in most))


policies = st.builds(
    Policy,
    overlap=st.sampled_from(["skip", "queue", "replace", "allow"]),
    misfire_grace=st.sampled_from([None, 0.5, 60, 7200]).map(
        lambda seconds: None if seconds is None else timedelta(seconds=seconds)
    ),
    catch_up=st.sampled_from(["latest", "latest", "none", "all"]),
)


@st.composite
def drafts(draw: st.DrawFn, steps: list[float]) -> Draft:
    fields: dict[str, Any] = {"task": "task", "name": "job", "policy": draw(policies)}
    fields["max_runs"] = draw(st.sampled_from([None, None, None, 1, 3]))
    fields["end"] = draw(st.sampled_from([None, None, None, T0 + timedelta(seconds=90), T0 + timedelta(days=500)]))
    kind = draw(st.sampled_from(["every", "every", "cron"]))
    if kind == "every":
        fields["every"] = timedelta(seconds=draw(st.sampled_from(steps)))
        fields["start"] = draw(st.sampled_from([None, None, T0 + timedelta(seconds=7), T0 - timedelta(days=400.3)]))
        return Draft(**fields)
    expression, zone = draw(
        st.sampled_from([("0 * * * *", "UTC"), ("15 3 * * *", "UTC"), ("30 12 * * *", "America/New_York")])
    )
    return Draft(cron=expression, timezone=zone, **fields)


def events(walks: st.SearchStrategy[float], gaps: st.SearchStrategy[float]) -> st.SearchStrategy[tuple[str, Any]]:
    return st.one_of(
        st.tuples(st.just("walk"), walks),
        st.tuples(st.just("walk"), walks),
        st.tuples(st.just("jump"), gaps),
        st.tuples(st.just("step"), st.sampled_from([-HOUR, HOUR]) | st.floats(-HOUR, HOUR)),
        st.tuples(st.just("restart"), gaps),
        st.tuples(st.just("crash"), gaps),
        st.tuples(st.just("slots"), st.integers(0, 3)),
        st.tuples(st.just("blind"), st.floats(0.1, 30)),
        st.tuples(st.just("pause"), st.integers(0, 3)),
        st.tuples(st.just("resume"), st.integers(0, 3)),
    )


def happen(world: World, event: str, value: Any) -> None:
    if event == "walk":
        world.walk(value)
    elif event == "jump":
        world.jump(value)
    elif event == "step":
        world.step(value, told_after=abs(value) % 0.5)
    elif event in ("restart", "crash"):
        world.restart(value, cleanly=event == "restart")
    elif event == "slots":
        world.most = value
    elif event == "blind":
        for pool in world.pools:
            pool.broken = Unavailable("the store cannot be asked")
        world.clock.walk(value)
        for pool in world.pools:
            pool.broken = None
        world.elapsed += value
    else:
        job = world.jobs[value % len(world.jobs)]
        if world.job(job) is not None:
            getattr(world, event)(job)


def settle(world: World, set_back: bool) -> datetime:
    """Everything that was paused or waits gets its turn, and every run ends; the instant up to which all is decided.

    The auditor says the same of it as is said here, unless the clock was `set_back`, of which it cannot know.
    """
    world.most = 64
    for job in world.jobs:
        world.resume(job)
    world.walk(sweeps.EVERY * 1.1)
    decided = world.now - timedelta(milliseconds=2)
    if not set_back:
        for whole in (True, False):
            assert [str(fault) for fault in verify(f"sqlite:///{world.path}", whole=whole)] == []
    for job in world.jobs:
        world.pause(job)
    for _ in range(500):
        if not any(run.active for run in world.record()):
            return decided
        for run_id in list(world.active):
            world.end(run_id)
        world.walk(0.01)
    raise AssertionError("runs wait for ever")


def check(world: World, decided: datetime) -> None:
    for job in world.jobs:
        after = world.job(job)
        assert after is not None
        record = world.record(job)
        in_one_record_each(job, after, record, decided)
        for run in record:
            assert not run.active
            assert run.reason or run.state not in NEVER_RAN
            grace = job.policy.misfire_grace
            if run.state not in NEVER_RAN and grace is not None:
                assert run.created - run.due <= grace
    nothing_twice(world.starts)
    for job in world.jobs:
        in_order([run for run in world.starts if run.job_id == job.id])


def nothing_twice(starts: list[Run]) -> None:
    keys = [(run.job_id, run.due, run.attempt) for run in starts]
    assert len(set(keys)) == len(keys)


def in_order(starts: list[Run]) -> None:
    assert [run.due for run in starts] == sorted(run.due for run in starts)


def live(empty: Path, jobs: list[Draft], story: list[tuple[str, Any]], seed: int, longest: float) -> World:
    """Let `story` happen to `jobs`; the world as it is when everything has come to its end."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder, capturedLogs():
        world = World.new(Path(folder), empty, most=3, signs=True, lasts=lambda: chance.random() ** 4 * longest)
        for draft in jobs:
            if draft.end is None or draft.end > world.now + timedelta(days=1.1) or draft.cron is None:
                try:
                    world.add(draft)
                except ValueError:
                    continue  # it has no due at all
        if world.jobs:
            for event, value in story:
                happen(world, event, value)
            set_back = any(event == "step" and value < 0 for event, value in story)
            check(world, settle(world, set_back))
        world.stop()
    return world


@pytest.mark.slow
@settings(max_examples=90, phases=QUICK)
@given(
    jobs=st.lists(drafts([0.5, 1, 2.5, 20, 60, 86400]), min_size=1, max_size=3),
    story=st.lists(events(spans(1, 12), spans(2, 100, 5000, YEAR)), max_size=12),
    seed=st.integers(0, 2**32),
)
def test_every_due_has_one_outcome_by_the_second(
    empty: Path, jobs: list[Draft], story: list[tuple[str, Any]], seed: int
) -> None:
    live(empty, jobs, story, seed, longest=10)


@pytest.fixture(scope="module", autouse=True)
def small_answers() -> Iterator[None]:
    """So that what takes several answers happens soon."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owed_module, "CATCH_UP_MOST", 12)
        patch.setattr(scheduler_module, "MOST", 2)
        yield


# A clock that is wrong by days


wild = st.one_of(
    st.tuples(st.just("walk"), spans(1, 20)),
    st.tuples(st.just("walk"), spans(1, 20)),
    st.tuples(st.just("step"), st.sampled_from([-400 * DAY, 400 * DAY, -2 * DAY, 2 * DAY, -4 * HOUR, 4 * HOUR, -HOUR])),
    st.tuples(st.just("wrong"), st.tuples(st.sampled_from([400 * DAY, 2 * DAY, 5 * HOUR]), spans(1, 20))),
    st.tuples(st.just("wrong"), st.tuples(st.sampled_from([400 * DAY, -30 * DAY]), spans(1, 20))),
    st.tuples(st.just("crash"), spans(2, 5000)),
    st.tuples(st.just("slots"), st.integers(0, 3)),
    st.tuples(st.just("pause"), st.integers(0, 3)),
    st.tuples(st.just("resume"), st.integers(0, 3)),
)


@pytest.mark.slow
@settings(max_examples=40, phases=QUICK)
@given(
    jobs=st.lists(drafts([0.5, 1, 20, 60, 86400]), min_size=1, max_size=3),
    story=st.lists(wild, max_size=10),
    seed=st.integers(0, 2**32),
)
def test_no_wrong_clock_starts_anything_twice_or_silences_a_job(
    empty: Path, jobs: list[Draft], story: list[tuple[str, Any]], seed: int
) -> None:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder, capturedLogs() as logs:
        world = World.new(Path(folder), empty, most=3, lasts=lambda: chance.random() ** 4 * 5, signs=True)
        for draft in jobs:
            with contextlib.suppress(ValueError):  # it has no due at all
                world.add(draft)
        if world.jobs:
            for event, value in story:
                if event == "wrong":  # and set right after a while
                    for step, seconds in ((value[0], value[1]), (-value[0], 0.1)):
                        world.step(step, told_after=0.3)
                        world.walk(seconds)
                else:
                    happen(world, event, value)
            settle(world, set_back=True)
            nothing_twice(world.starts)
            for job in world.jobs:
                goes_on(world, job)
        world.stop()
    assert [event for event in logs if "log_failure" in event] == []


def goes_on(world: World, job: Job) -> None:
    """It is due no later than its schedule says, but for the hours that a clock may be set back."""
    after = world.job(job)
    assert after is not None
    first = after.schedule.first(world.now)
    used_up = job.max_runs is not None and after.starts >= job.max_runs
    if used_up or first is None:
        return
    assert after.next_due is not None
    decided = max((run.created for run in world.record(job)), default=world.now)
    assert after.next_due <= max(first, world.now + BACK) or decided <= world.now + BACK


# Years: what comes before must not come after it


@pytest.fixture(scope="module")
def slow_sweeps() -> Iterator[None]:
    """A sweep each half day that looks a day ahead: the same scheduler, and years pass in a moment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scheduler_module, "EVERY", DAY / 2)
        patch.setattr(scheduler_module, "AHEAD", timedelta(days=1))
        patch.setattr(ability_module, "GAP", timedelta(days=1.5))
        patch.setattr(alone_module, "IDLE", DAY / 2)
        yield


@pytest.mark.slow
@pytest.mark.usefixtures("slow_sweeps")
@settings(max_examples=25, phases=QUICK)
@given(
    jobs=st.lists(drafts([7 * HOUR, DAY, 36.5 * DAY]), min_size=1, max_size=3),
    story=st.lists(events(spans(2 * DAY, 8 * DAY), spans(HOUR, 10 * DAY, 2 * YEAR)), max_size=10),
    seed=st.integers(0, 2**32),
)
def test_every_due_has_one_outcome_over_the_years(
    empty: Path, jobs: list[Draft], story: list[tuple[str, Any]], seed: int
) -> None:
    live(empty, jobs, story, seed, longest=30 * HOUR)
