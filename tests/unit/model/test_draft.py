"""What a caller asks a job to be: exactly one rule, bounds that make sense, and at least one due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from jobsched.model.cron import Cron
from jobsched.model.draft import Draft
from jobsched.model.errors import BadTrigger, Invalid
from jobsched.model.job import Policy
from jobsched.model.trigger import At, Interval

T0 = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def draft(**fields: Any) -> Draft:
    return Draft(task="runfoo", name="name", **fields)


def refused(asked: Draft) -> tuple[str, str]:
    """The sentence and the field with which `asked` is refused."""
    with pytest.raises(Invalid) as refusal:
        asked.job("id", T0)
    return refusal.value.detail, refusal.value.pointer


def test_a_job_takes_over_everything_that_was_asked_for() -> None:
    policy = Policy(overlap="queue", misfire_grace=None, catch_up="all", retries=3)
    job = draft(
        cron="0 * * * *",
        timezone="Europe/Berlin",
        start=T0 + HOUR,
        end=T0 + 24 * HOUR,
        jitter=timedelta(seconds=5),
        max_runs=7,
        policy=policy,
        timeout=1.5,
        parameters={"a": 1},
    ).job("the id", T0)
    assert (job.id, job.name, job.task, job.timezone) == ("the id", "name", "runfoo", "Europe/Berlin")
    assert job.schedule.trigger == Cron(expression="0 * * * *", timezone="Europe/Berlin")
    assert (job.schedule.start, job.schedule.end, job.schedule.jitter) == (
        T0 + HOUR,
        T0 + 24 * HOUR,
        timedelta(seconds=5),
    )
    assert (job.policy, job.timeout, job.parameters, job.max_runs) == (policy, 1.5, {"a": 1}, 7)
    assert (job.created, job.updated, job.starts, job.version, job.paused) == (T0, T0, 0, 1, False)
    assert job.next_due == job.schedule.first(T0)


def test_the_jitter_of_a_job_is_its_own() -> None:
    asked = draft(every=HOUR, jitter=timedelta(minutes=30))
    assert asked.job("one", T0).next_due != asked.job("other", T0).next_due


def test_an_interval_without_start_counts_from_the_jobs_making() -> None:
    job = draft(every=HOUR).job("id", T0)
    assert job.schedule.trigger == Interval(start=T0, every=HOUR)
    assert job.next_due == T0 + HOUR


@pytest.mark.parametrize(("start", "first"), [(2, 2), (-1.5, 0.5), (-3, 1), (0, 1)])
def test_an_interval_is_first_due_at_start_or_next_on_its_grid(start: float, first: float) -> None:
    assert draft(every=HOUR, start=T0 + start * HOUR).job("id", T0).next_due == T0 + first * HOUR


def test_an_instant_is_the_only_due_of_its_job() -> None:
    job = draft(at=T0 + HOUR).job("id", T0)
    assert job.schedule.trigger == At(instant=T0 + HOUR)
    assert job.next_due == T0 + HOUR


@pytest.mark.parametrize("rule", [{"every": HOUR}, {"cron": "0 * * * *"}, {"at": T0 + HOUR}])
def test_a_job_keeps_the_rule_it_was_asked_for_and_no_other(rule: dict[str, Any]) -> None:
    trigger = draft(**rule).job("id", T0).schedule.trigger
    others: list[dict[str, Any]] = [{"every": 2 * HOUR}, {"cron": "1 * * * *"}, {"at": T0 + 2 * HOUR}]
    assert draft(**rule).same_rule(trigger)
    assert not any(draft(**other).same_rule(trigger) for other in others)


def test_a_cron_rule_in_another_zone_is_another_rule() -> None:
    assert not draft(cron="0 * * * *").same_rule(Cron(expression="0 * * * *", timezone="Europe/Berlin"))


def test_an_interval_on_another_grid_is_the_same_rule() -> None:
    assert draft(every=HOUR).same_rule(Interval(start=T0 + timedelta(seconds=7), every=HOUR))


@pytest.mark.parametrize(
    ("rules", "pointer"),
    [
        ({}, "/interval"),
        ({"every": HOUR, "cron": "* * * * *"}, "/cron"),
        ({"every": HOUR, "at": T0 + HOUR}, "/at"),
        ({"cron": "* * * * *", "at": T0 + HOUR}, "/at"),
        ({"every": HOUR, "cron": "* * * * *", "at": T0 + HOUR}, "/cron"),
    ],
)
def test_a_job_with_no_rule_or_several_is_refused(rules: dict[str, Any], pointer: str) -> None:
    assert refused(draft(**rules)) == ("give exactly one of interval, cron and at", pointer)


def test_an_end_before_the_start_is_refused() -> None:
    assert refused(draft(every=HOUR, start=T0 + HOUR, end=T0)) == ("end lies before start", "/end")


@pytest.mark.parametrize(
    "bounds", [{"every": HOUR, "end": T0 + timedelta(minutes=59)}, {"cron": "0 0 29 2 *", "end": T0 + HOUR}]
)
def test_a_schedule_without_any_due_before_its_end_is_refused(bounds: dict[str, Any]) -> None:
    assert refused(draft(**bounds)) == ("no due lies between start and end", "/end")


@pytest.mark.parametrize(
    "fields",
    [
        {"at": T0},
        {"at": T0 - HOUR},
        {"at": T0 + HOUR, "end": T0 + timedelta(minutes=59)},
        {"at": T0 + HOUR, "start": T0 + 2 * HOUR},
    ],
)
def test_an_instant_in_the_past_or_out_of_bounds_is_refused(fields: dict[str, Any]) -> None:
    assert refused(draft(**fields)) == ("lies in the past, or outside start and end", "/at")


@pytest.mark.parametrize("rule", [{"cron": "0 0 * * *"}, {"at": T0 + HOUR}, {"every": HOUR}])
def test_an_unknown_zone_is_refused_whatever_the_rule(rule: dict[str, Any]) -> None:
    _, pointer = refused(draft(timezone="Mars/Olympus", **rule))
    assert pointer == "/timezone"


def test_a_cron_that_cannot_be_followed_is_refused_at_its_field() -> None:
    with pytest.raises(BadTrigger) as refusal:
        draft(cron="61 * * * *").job("id", T0)
    assert refusal.value.pointer == "/cron"


@pytest.mark.parametrize("span", [timedelta(0), timedelta(milliseconds=99), timedelta(days=36526)])
def test_an_interval_out_of_bounds_is_refused(span: timedelta) -> None:
    assert refused(draft(every=span))[1] == "/interval"


def test_a_changed_job_is_what_is_asked_and_keeps_its_past() -> None:
    job = attrs.evolve(draft(every=HOUR).job("id", T0), starts=3, version=2, paused=True, updated=T0 + HOUR)
    asked = Draft(task="other", name="new", every=HOUR, timeout=5, parameters={"a": 1}, max_runs=9)
    changed = asked.remade(job, T0 + 2.5 * HOUR)
    assert (changed.task, changed.name, changed.timeout, changed.parameters, changed.max_runs) == (
        "other", "new", 5, {"a": 1}, 9,
    )  # fmt: skip
    for kept in ("id", "created", "updated", "starts", "version", "paused", "next_due", "schedule"):
        assert getattr(changed, kept) == getattr(job, kept), kept


def test_a_change_of_the_schedule_alone_starts_dues_anew() -> None:
    job = draft(every=HOUR).job("id", T0)
    late = T0 + 2.5 * HOUR
    assert draft(every=HOUR).remade(job, late).next_due == T0 + HOUR
    assert draft(every=2 * HOUR).remade(job, late).next_due == late + 2 * HOUR
    assert draft(every=HOUR, start=T0 + 9 * HOUR).remade(job, late).next_due == T0 + 9 * HOUR
    with pytest.raises(BadTrigger, match="between start and end"):
        draft(every=HOUR, end=late + HOUR / 4).remade(job, late)


def test_a_job_ends_and_lives_again_with_its_max_runs() -> None:
    job = attrs.evolve(draft(every=HOUR).job("id", T0), starts=3)
    ended = draft(every=HOUR, max_runs=3).remade(job, T0 + 3.5 * HOUR)
    assert ended.next_due is None
    assert draft(every=HOUR, max_runs=4).remade(ended, T0 + 5.5 * HOUR).next_due == T0 + 6 * HOUR


def test_what_is_put_unchanged_is_the_job_itself() -> None:
    asked = draft(every=HOUR, timeout=5.0, parameters={"text": "a"})
    job = asked.job("id", T0)
    assert asked.put(job, T0 + HOUR) is job
    others = [
        draft(every=HOUR, timeout=6.0),
        draft(every=2 * HOUR),
        draft(cron="@daily"),
        draft(every=HOUR, max_runs=1),
    ]
    for other in others:
        assert other.put(job, T0 + HOUR) == other.remade(job, T0 + HOUR) != job
