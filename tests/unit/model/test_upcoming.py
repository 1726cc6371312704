"""What will be due, of many jobs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.model.draft import Draft
from jobsched.model.errors import Invalid
from jobsched.model.trigger import Schedule
from jobsched.model.upcoming import Place, Planned, Stop, UpcomingDue, upcoming

T0 = datetime(2026, 3, 28, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def planned(job_id: str, *, left: int | None = None, made: datetime = T0, **fields: Any) -> Planned:
    job = Draft(task="task", name=job_id, **fields).job(job_id, made)
    assert job.next_due is not None
    return Planned(
        id=job.id, name=job.name, task=job.task, schedule=job.schedule, timezone=job.timezone, next_due=job.next_due,
        left=left,
    )  # fmt: skip


def every(job_id: str, minutes: float, **fields: Any) -> Planned:
    return planned(job_id, every=timedelta(minutes=minutes), **fields)


def shown(jobs: list[Planned], begin: float, end: float, after: Place | None = None, limit: int = 99) -> list[Any]:
    """(job, minutes from T0)."""
    found = upcoming(jobs, at(begin), at(end), after, limit, lambda: None)
    return [(each.job.id, (each.utc - T0) / timedelta(minutes=1)) for each in found]


def test_dues_of_all_jobs_come_in_order() -> None:
    jobs = [every("b", 10), every("a", 15), planned("c", at=at(21)), planned("d", at=at(30))]
    assert shown(jobs, 0, 30) == [("b", 10), ("a", 15), ("b", 20), ("c", 21)]
    assert shown(jobs, 20, 31) == [("b", 20), ("c", 21), ("a", 30), ("b", 30), ("d", 30)]
    assert shown(jobs, 0, 30, limit=2) == [("b", 10), ("a", 15)]
    assert shown(jobs, 0, 10) == []
    assert shown([], 0, 10) == []


def test_a_job_is_not_due_more_often_than_it_may() -> None:
    assert shown([every("a", 10, left=3)], 0, 99) == [("a", 10), ("a", 20), ("a", 30)]
    assert shown([every("a", 10, left=3)], 25, 99) == [("a", 30)]
    assert shown([every("a", 10, left=3)], 35, 99) == []
    assert shown([every("a", 10, left=1)], 0, 99) == [("a", 10)]


def test_a_due_that_is_not_decided_yet_is_shown() -> None:
    late = every("a", 10)
    assert shown([late], 10, 11) == [("a", 10)]
    assert shown([late], 10.5, 21) == [("a", 20)]


def held(job: Planned, *until: float | None) -> Planned:
    stops = (Stop(None if end is None else at(end), f"until {end}") for end in until)
    return attrs.evolve(job, stops=tuple(stops))


@pytest.mark.parametrize(
    ("job", "all_of_them", "without"),
    [
        (held(every("a", 10), 25), "10h 20h 30 40 50", "30 40 50"),
        (held(every("a", 10), 30), "10h 20h 30 40 50", "30 40 50"),
        (held(every("a", 10), 5), "10 20 30 40 50", "10 20 30 40 50"),
        (held(every("a", 10), None), "10h 20h 30h 40h 50h", ""),
        (held(every("a", 10, left=2), 25), "10h 20h 30 40", "30 40"),
        (held(every("a", 10), 15, 35), "10h 20h 30h 40 50", "40 50"),
        (held(every("a", 10), 15, None), "10h 20h 30h 40h 50h", ""),
        (held(planned("a", at=at(21)), 22), "21h", ""),
        (held(planned("a", at=at(21)), 21), "21", "21"),
    ],
)
def test_what_is_stopped_is_told_or_left_out(job: Planned, all_of_them: str, without: str) -> None:
    def told(begin: float, *, stopped: bool) -> str:
        found = upcoming([job], at(begin), at(55), None, 99, lambda: None, held=stopped)
        assert all(each.held == bool(each.note) for each in found)
        return " ".join(f"{(each.utc - T0) / timedelta(minutes=1):g}{'h' * each.held}" for each in found)

    assert told(0, stopped=True) == all_of_them
    assert told(0, stopped=False) == without
    behind = all_of_them.split()[1:]
    assert told(21 if job.next_due == at(21) else 11, stopped=True).split()[-len(behind) :] == behind or not behind


def test_what_an_endless_hold_stops_is_not_walked() -> None:
    steps: list[None] = []
    job = held(planned("a", every=timedelta(seconds=0.1)), 60 * 24 * 365)
    found = upcoming([job], T0, at(60 * 24 * 366), None, 1, lambda: steps.append(None), held=False)
    assert (found[0].utc, len(steps) < 10) == (at(60 * 24 * 365), True)


def test_both_notes_are_told() -> None:
    job = held(planned("a", cron="30 2 * * *", timezone="Europe/Berlin"), None)
    _, second = upcoming([job], T0, T0 + timedelta(days=2), None, 9, lambda: None)
    assert second.note is not None
    assert second.note.startswith("until None; 02:30")


def test_local_times_and_what_a_change_of_clocks_did() -> None:
    job = planned("a", cron="30 2 * * *", timezone="Europe/Berlin")
    first, second = upcoming([job], T0, T0 + timedelta(days=2), None, 9, lambda: None)
    assert (first.at.isoformat(), first.note) == ("2026-03-28T02:30:00+01:00", None)
    assert second.utc == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert second.at.isoformat() == "2026-03-29T03:00:00+02:00"
    assert "02:30" in (second.note or "")


def test_who_does_not_wait_any_more_stops_it() -> None:
    class GoneError(Exception):
        """The caller has hung up."""

    steps = iter(range(50))

    def wanted() -> None:
        if next(steps, None) is None:
            raise GoneError

    with pytest.raises(GoneError):
        upcoming([every("a", 1)], T0, at(1e5), None, 10_000, wanted)


def test_of_a_job_that_has_few_runs_left_no_more_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    counted, count = list[timedelta](), Schedule.count

    def noted(schedule: Schedule, after: datetime, until: datetime) -> int:
        counted.append(until - after)
        return count(schedule, after, until)

    monkeypatch.setattr(Schedule, "count", noted)
    late = datetime(9990, 1, 1, tzinfo=UTC)
    job = planned("a", cron="0 * * * *", timezone="Europe/Berlin", left=30)
    assert upcoming([job], late, late + timedelta(days=1), None, 9, lambda: None) == []
    assert sum(counted, timedelta(0)) <= timedelta(days=3)


@given(
    st.lists(st.tuples(st.integers(1, 90), st.integers(1, 9) | st.none()), max_size=5),
    st.integers(0, 120), st.integers(0, 200), st.integers(1, 7),
)  # fmt: skip
def test_pages_together_are_the_whole(
    made: list[tuple[int, int | None]], begin: int, length: int, limit: int
) -> None:  # fmt: skip
    jobs = [every(f"job{number}", minutes, left=left) for number, (minutes, left) in enumerate(made)]
    due = sorted(
        (minutes * beat, f"job{number}")
        for number, (minutes, left) in enumerate(made)
        for beat in range(1, (left or 1000) + 1)
        if begin <= minutes * beat < begin + length
    )
    found: list[UpcomingDue] = []
    while page := upcoming(
        jobs, at(begin), at(begin + length), found[-1].place if found else None, limit, lambda: None
    ):
        found += page
    assert [((each.utc - T0) // timedelta(minutes=1), each.job.id) for each in found] == due
    assert all(one.place < other.place for one, other in pairwise(found))
    assert all(Place.of(str(each.place)) == each.place for each in found)


@pytest.mark.parametrize("text", ["", "1", "1.", ".a", "x.a", "1.a b", "9" * 18 + ".a", "-1.a"])
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(Invalid):
        Place.of(text)
