"""Every due with one outcome: which dues are computed again, and which cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from jobsched.model.draft import Draft
from jobsched.model.due_coverage import DueCoverage
from jobsched.model.job import Job
from jobsched.model.run import Run
from tests.present import present

T0 = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def made(**fields: Any) -> Job:
    """A job as it was made at T0, every minute unless said otherwise."""
    kind = {} if fields.keys() & {"cron", "at"} else {"every": MINUTE}
    return Draft(task="task", name="job", **kind | fields).job("job", T0)


def at(minutes: float) -> datetime:
    return T0 + minutes * MINUTE


def outcome(due: datetime, until: datetime | None = None, count: int = 1, ended: datetime | None = None) -> Run:
    """What became of one due, at once unless said otherwise."""
    return Run(
        id=due.isoformat(), job_id="job", job_name="job", task="task", due=due, until=until, count=count,
        created=until or due, state="missed", reason="r", ended=ended or until or due,
    )  # fmt: skip


def active(due: datetime) -> Run:
    return attrs.evolve(outcome(due), state="running", ended=None)


def dues(job: Job, count: int) -> list[datetime]:
    """The first so many."""
    found = [present(job.next_due)]
    while len(found) < count:
        found.append(present(job.schedule.next_after(found[-1])))
    return found


def complaints(job: Job | None, record: Sequence[Run], *, whole: bool = True) -> list[str]:
    looked = DueCoverage(job, whole)
    said = [words for run in record for words in looked.take(run.due, [run])]
    return said + list(looked.end())


def moved(job: Job, next_due: datetime | None, **fields: Any) -> Job:
    return attrs.evolve(job, next_due=next_due, **fields)


KINDS: dict[str, dict[str, Any]] = {
    "interval": {},
    "jitter": {"jitter": timedelta(seconds=300)},
    "start": {"start": at(90.5)},
    "past start": {"start": at(-90.25), "every": 7 * MINUTE},
    "cron": {"cron": "*/7 * * * *"},
    "cron with jitter": {"cron": "*/7 * * * *", "jitter": timedelta(seconds=100)},
    "cron in a zone": {"cron": "30 2 * * *", "timezone": "Europe/Berlin"},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("whole", [True, False])
def test_a_full_record_of_any_schedule_is_right_each_hole_found(kind: str, whole: bool) -> None:
    job = made(**KINDS[kind])
    when = dues(job, 80)
    record = [outcome(due) for due in when[:10]]
    record += [outcome(when[10], when[59], 50)]
    record += [outcome(due) for due in when[60:79]]
    job = moved(job, when[79])
    assert complaints(job, record, whole=whole) == []
    for hole in range(len(record)):
        said = complaints(job, record[:hole] + record[hole + 1 :], whole=whole)
        assert len(said) == (0 if hole == 0 and not whole else 1), hole
        assert all("has no outcome" in words for words in said)
    short = [*record[:10], attrs.evolve(record[10], count=49), *record[11:]]
    assert complaints(job, short, whole=whole) == [
        f"from {when[10].isoformat()} to {when[59].isoformat()} there are 50 dues, and 49 have an outcome"
    ]


@pytest.mark.parametrize("jitter", [0, 30])
def test_a_stretch_of_any_length_is_counted(jitter: float) -> None:
    job = made(cron="* * * * * *", timezone="America/New_York", jitter=timedelta(seconds=jitter))
    first = job.next_due
    assert first is not None
    until = job.schedule.newest(first, T0 + timedelta(days=7305), 1)[0]
    count = 1 + job.schedule.count(first, until)
    assert count > 600_000_000
    job = moved(job, job.schedule.next_after(until))
    assert complaints(job, [outcome(first, until, count)]) == []
    assert len(complaints(job, [outcome(first, until, count - 1)])) == 1
    assert "is no due of the job" in complaints(job, [outcome(first, until - MINUTE / 7, count)])[0]


def test_the_end_of_a_schedule_is_an_end() -> None:
    job = made(end=at(3))
    record = [outcome(at(n)) for n in (1, 2, 3)]
    assert complaints(moved(job, None), record) == []
    assert complaints(moved(job, at(4)), record) == [f"{at(4).isoformat()} is no due of the job"]
    assert complaints(moved(job, None), record[:2]) == [
        f"due {at(3).isoformat()} has no outcome, and the job has no next due"
    ]
    once = made(at=at(5))
    assert complaints(once, []) == []
    assert complaints(moved(once, None), [outcome(at(5))]) == []
    assert len(complaints(moved(once, None), [])) == 1


def test_with_its_last_start_a_job_ends_where_it_is() -> None:
    job = made(max_runs=2)
    record = [outcome(at(1)), outcome(at(2))]
    assert complaints(moved(job, None, starts=2), record) == []
    assert len(complaints(moved(job, None, starts=1), record)) == 1


def test_a_next_due_that_has_an_outcome_is_found() -> None:
    assert complaints(moved(made(), at(2)), [outcome(at(1)), outcome(at(2))]) == [
        f"next due {at(2).isoformat()} has an outcome already"
    ]
    assert len(complaints(moved(made(), at(2)), [outcome(at(1), at(4), 4)])) == 1


# Old runs are pruned


def pruned(job: Job, record: Sequence[Run]) -> list[str]:
    """What is said of a record that may have lost its beginning; one that cannot have is always complained of."""
    assert complaints(job, record) != []
    return complaints(job, record, whole=False)


def test_the_record_may_begin_late_but_not_between_two_dues() -> None:
    job = moved(made(), at(12))
    assert pruned(job, [outcome(at(10)), outcome(at(11))]) == []
    assert pruned(job, []) == []
    assert pruned(job, [outcome(at(9.5)), outcome(at(10)), outcome(at(11))]) == [
        f"{at(9.5).isoformat()} is no due of the job"
    ]
    assert pruned(moved(job, at(12.5)), []) == [f"{at(12.5).isoformat()} is no due of the job"]


def test_one_active_as_later_ones_were_pruned_may_stand_apart() -> None:
    job = moved(made(), at(12))
    tail = [outcome(at(10)), outcome(at(11))]
    assert pruned(job, [active(at(1)), *tail]) == []
    assert pruned(job, [active(at(1)), active(at(5)), *tail]) == []
    assert pruned(job, [outcome(at(1), ended=at(8)), *tail]) == []
    assert pruned(job, [active(at(1))]) == []
    assert pruned(moved(job, None), [active(at(1))]) == []


def test_after_a_run_that_pruning_would_take_no_due_is_missing() -> None:
    job = moved(made(), at(12))
    tail = [outcome(at(10)), outcome(at(11))]
    assert len(pruned(job, [outcome(at(1), ended=at(1.5)), *tail])) == 1
    assert len(pruned(job, [outcome(at(1)), active(at(2)), *tail])) == 1
    assert len(pruned(job, [active(at(1)), outcome(at(2)), *tail])) == 1
    assert len(pruned(job, [outcome(at(1))])) == 1
    assert len(pruned(moved(job, None), [outcome(at(1))])) == 1


def test_of_what_went_by_its_number_older_ones_may_stand_apart() -> None:
    record = [outcome(at(1)), outcome(at(2)), outcome(at(5)), outcome(at(6)), outcome(at(7))]
    job = moved(made(), at(8))
    assert len(pruned(job, record)) == 1
    assert pruned(attrs.evolve(job, forgotten=at(4)), record) == []
    assert len(pruned(attrs.evolve(job, forgotten=at(3)), record)) == 1, "the one at 4 was not forgotten"
    assert len(pruned(attrs.evolve(job, forgotten=at(2)), record)) == 1
    assert pruned(attrs.evolve(job, forgotten=at(7)), record[:2]) == []
    assert len(pruned(attrs.evolve(job, forgotten=at(6)), record[:2])) == 1


# Changes make stretches


def test_after_a_change_only_later_dues_are_computed() -> None:
    before = [outcome(at(n / 3)) for n in (1, 2, 3)]
    settled = [outcome(at(1.1), at(9.9), 5)]
    job = moved(made(), at(13), version=2, updated=at(10))
    assert complaints(job, [*before, *settled, outcome(at(11)), outcome(at(12))]) == []
    assert len(complaints(job, [*before, *settled, outcome(at(12))])) == 1
    assert len(complaints(job, [*before, *settled, outcome(at(11))])) == 1
    assert len(complaints(job, [*before, *settled, outcome(at(11)), outcome(at(12.5))])) == 1
    assert complaints(moved(job, at(11)), [*before, *settled]) == []
    assert len(complaints(moved(job, at(12)), [])) == 1


def test_no_due_before_a_change_has_two_outcomes() -> None:
    job = moved(made(), at(11), version=2, updated=at(10))
    assert len(complaints(job, [outcome(at(1), at(4), 4), outcome(at(3.5))])) == 1


def test_a_stretch_over_the_change_counts_for_what_it_is() -> None:
    job = moved(made(), at(13), version=2, updated=at(10.5))
    assert complaints(job, [outcome(at(9), at(12), 4)]) == []
    assert len(complaints(job, [outcome(at(9), at(11), 3)])) == 1


def test_a_new_trigger_begins_at_its_first_beat_with_jitter_too() -> None:
    job = made(jitter=timedelta(seconds=3000))
    schedule, late = job.schedule, None
    for minute in range(1, 200):  # a change in mid-beat, where the due before it is still to come
        if schedule.first(at(minute / 7)) != schedule.next_after(at(minute / 7)):
            late = at(minute / 7)
            break
    assert late is not None
    for first in (schedule.first(late), schedule.next_after(late)):
        assert complaints(moved(job, first, version=2, updated=late), []) == []
    after = schedule.next_after(present(schedule.first(late)))
    assert len(complaints(moved(job, after, version=2, updated=late), [])) == 1


def test_a_paused_job_stands_at_the_due_that_it_stood_at() -> None:
    job = moved(made(), at(10), version=2, updated=at(10.2), paused=True)
    assert complaints(job, [outcome(at(1), at(9), 9)]) == []
    assert len(complaints(job, [outcome(at(1), at(10), 10)])) == 1


def test_of_a_deleted_job_dues_are_not_computed() -> None:
    assert complaints(None, [outcome(at(1.5)), outcome(at(99))]) == []
    assert len(complaints(None, [outcome(at(1), at(4), 4), outcome(at(3))])) == 1
