"""The rule of `model/overdue` in SQL: on every database it suspects just those jobs of which the rule decides so."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

import attrs
import pytest

from jobsched.model.job import Job, Watch
from jobsched.model.overdue import SKEW, Facts, Late, Success, overdue
from jobsched.model.run import ENDED, STARTED, Run
from tests.present import present
from tests.store.samples import Desk, at, job, run

pytestmark = pytest.mark.usefixtures("told_time")
FORGOTTEN: dict[str, datetime] = {}  # the last success of a job, of a run that is not kept
SPANS = [None, *(timedelta(seconds=seconds) for seconds in (60, 300, 900))]


def any_job(chance: Random) -> Job:
    watch = Watch(max_late=chance.choice(SPANS), must_succeed_every=chance.choice(SPANS))
    one = job(3600, watch=watch, watched=at(chance.randrange(0, 600)) if watch.asked else None)
    return attrs.evolve(
        one,
        schedule=attrs.evolve(one.schedule, start=chance.choice([None, None, at(500)])),
        paused=chance.random() < 0.1,
        next_due=chance.choice([None, at(chance.randrange(600, 1500)), at(2000)]),
        overdue=chance.choice([None, at(900)]),
        overdue_reason="",
    )


def any_run(chance: Random, one: Job) -> Run:
    due, state = (
        chance.randrange(0, chance.choice([1000, 1000, 1000, 1600])),
        chance.choice(["waiting", *STARTED, *ENDED]),
    )
    begun = due + chance.randrange(0, 200)
    never = state in ("waiting", "skipped", "missed") or (state == "cancelled" and chance.random() < 0.5)
    stretch = at(due + chance.randrange(1, 100)) if state == "missed" and chance.random() < 0.5 else None
    return run(
        due + chance.random(),
        job_id=one.id,
        state=state,
        reason=state,
        cause=chance.choice(["schedule", "schedule", "manual"]),
        started=None if never else at(begun),
        ended=at(begun + chance.randrange(0, 200)) if state in ENDED else None,
        until=stretch,
    )


def by_hand(one: Job, record: list[Run], now: datetime) -> Facts:
    """The facts, found by looking at every run there is."""
    soon = now + SKEW  # what lies behind it has not come: a clock was wrong
    starts = [each.started for each in record if each.started is not None and each.started <= soon]
    missed = [
        each
        for each in record
        if each.state == "missed" and one.watched is not None and present(each.ended) >= one.watched
        and not any(start >= (each.until or each.due) for start in starts)
    ]  # fmt: skip
    waiting = [each for each in record if each.state == "waiting" and each.cause == "schedule"]
    ends = [each.ended for each in record if each.state == "succeeded" and each.ended is not None]
    ends = [end for end in ends if end <= soon]
    if one.id in FORGOTTEN and FORGOTTEN[one.id] <= soon:
        ends.append(FORGOTTEN[one.id])
    oldest = [min(found, key=lambda each: each.due) if found else None for found in (waiting, missed)]
    lates = [None if each is None else Late(due=each.due, why=each.reason) for each in oldest]
    return Facts(now=now, waiting=lates[0], missed=lates[1], success=Success(ended=max(ends)) if ends else None)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_suspected_is_what_the_rule_says(desk: Desk, seed: int) -> None:
    chance, instant = Random(seed), at(1200)
    made = [any_job(chance) for _ in range(200)]
    record = {one.id: [any_run(chance, one) for _ in range(chance.randrange(0, 7))] for one in made}
    desk.add(*made)
    desk.insert(*(each for some in record.values() for each in some))
    FORGOTTEN.clear()
    for one in made[::3]:
        FORGOTTEN[one.id] = at(chance.randrange(0, 1700))
        desk.bench.keep_success(one.id, FORGOTTEN[one.id])
    verdicts = {one.id: overdue(one, by_hand(one, record[one.id], instant)) for one in made}
    expected = {one.id for one in made if (one.overdue is None) != (verdicts[one.id] is None)}
    found = desk.ask(desk.store.overdue.watched(1000, instant))
    assert set(found) == expected
    assert 20 < len(expected) < 180, "of every kind"
    turns = desk.ask(desk.store.overdue.settle(found, instant))
    assert desk.ask(desk.store.overdue.watched(1000, instant)) == [], "and what is decided agrees with that"
    for turn in turns:
        verdict = verdicts[turn.job.id]
        assert (turn.event == "overdue") == (verdict is not None)
        if verdict is not None:
            assert turn.job.overdue == verdict.since
