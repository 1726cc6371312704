"""What is due next, asked of the jobs that are due soonest: the same as of all of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from jobsched.model.draft import Draft
from jobsched.model.errors import Invalid
from jobsched.model.upcoming import Place, Planned, PlannedFilter, Stop, upcoming
from jobsched.registry import jobs as registry_jobs
from jobsched.registry.registry import Registry
from tests.unit.model.test_upcoming import T0, at

MOST = 7  # in place of registry_jobs.FEW


@attrs.frozen
class Store:
    """Jobs that will be due, and how many were asked for."""

    all: list[Planned]
    asked: list[int] = attrs.field(factory=list)

    def planned(self, only: PlannedFilter, most: int) -> Deferred[list[Planned]]:
        self.asked.append(most)
        soon = sorted(self.all, key=lambda job: (job.next_due, job.id))
        return succeed([job for job in soon if job.next_due < only.end][:most])


def registry(store: Store) -> Registry:
    def in_thread(work: Callable[[Callable[[], None]], Any]) -> Deferred[Any]:
        return succeed(work(lambda: None))

    parts = SimpleNamespace(in_thread=in_thread)
    nothing = cast(Any, None)
    return Registry(nothing, nothing, cast(Any, SimpleNamespace(jobs=store)), nothing, cast(Any, parts), nothing)


def answer(
    store: Store, end: datetime, held: bool, limit: int, after: Place | None = None
) -> list[tuple[str, datetime]]:
    asking = registry(store).upcoming(PlannedFilter(end=end), T0, held, after, limit, 1 << 20)
    found: list[Any] = []
    Deferred.fromCoroutine(asking).addBoth(found.append)
    if isinstance(found[0], Failure):
        found[0].raiseException()
    return [(due.job.id, due.utc) for due in found[0].values]


def made(number: int, minutes: int, first: int, stopped: int | None) -> Planned:
    job = Draft(task="task", name="", every=timedelta(minutes=minutes)).job(f"job {number:04}", T0)
    stops = () if stopped is None else (Stop(None if stopped == 0 else at(stopped), "paused"),)
    return Planned(id=job.id, name=job.name, task=job.task, schedule=job.schedule, timezone=job.timezone,
                   next_due=at(first * minutes), left=None, stops=stops)  # fmt: skip


PLANS = st.lists(
    st.tuples(st.sampled_from([1, 5, 60]), st.integers(1, 3), st.sampled_from([None, None, 0, 7, 90])), max_size=30
)


@pytest.fixture(autouse=True, scope="module")
def few() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry_jobs, "FEW", MOST)
        yield


@example(
    [(1, 1, 90)] * (MOST - 1) + [(60, 1, None), (61, 1, None)], False, 2, 200
)  # the last is not asked for at first
@given(PLANS, st.booleans(), st.integers(1, 5), st.sampled_from([3, 60, 200]))
def test_the_soonest_dues_are_those_of_all_jobs(
    plans: list[tuple[int, int, int | None]], held: bool, limit: int, minutes: int
) -> None:
    jobs = [made(number, *plan) for number, plan in enumerate(plans)]
    due = upcoming([job for job in jobs if job.next_due < at(minutes)], T0, at(minutes), None, limit, lambda: None,
                   held=held)  # fmt: skip
    assert answer(Store(jobs), at(minutes), held, limit) == [(each.job.id, each.utc) for each in due]


def test_few_jobs_are_asked_for_where_thousands_are_due_at_once() -> None:
    store = Store([made(number, 60, 1, None) for number in range(2000)])
    assert answer(store, at(120), False, 3) == [(f"job {number:04}", at(60)) for number in range(3)]
    assert store.asked == [MOST]


def test_pages_go_on_where_more_jobs_are_due_than_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_jobs, "MOST", 1500)
    store = Store([made(number, 1, number + 1, None) for number in range(2000)])
    page = answer(store, at(10_000), False, 3)
    for _ in range(5):
        more = answer(store, at(10_000), False, 3, Place(page[-1][1], page[-1][0]))
        assert Place(page[-1][1], page[-1][0]) < min(Place(due, job) for job, due in more)
        page = more
    with pytest.raises(Invalid, match="more than 1,500 jobs are due before then"):
        answer(store, at(10_000), False, 3, Place(at(1600), ""))
