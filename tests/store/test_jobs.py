"""Jobs in the store: what was put in comes out, in order, page by page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobsched.model.draft import Draft
from jobsched.model.errors import NotFound
from jobsched.model.job import Due, Job, JobFilter, Policy
from jobsched.model.order import DeleteJob
from jobsched.model.page import Page
from jobsched.model.trigger import Interval
from tests.store.samples import IDS, T0, Desk, at, job

few = settings(max_examples=25)


def asked(**fields: Any) -> Job:
    return Draft(task="task", name="name", **fields).job(IDS.make(T0), T0)


def fitting(desk: Desk, limit: int, after: str, room: int, **only: Any) -> Page[Job]:
    """A page of jobs that have room for so many bytes."""
    found = desk.ask(desk.store.jobs.page(limit, after, JobFilter(**only), room, T0))
    return Page([view.job for view in found.values], found.more)


def page(desk: Desk, limit: int, after: str = "", **only: Any) -> list[Job]:
    """One with room for all."""
    return list(fitting(desk, limit, after, 1 << 40, **only).values)


@pytest.mark.parametrize(
    "new",
    [
        asked(every=timedelta(seconds=0.1)),
        asked(every=timedelta(days=36525), start=T0 - timedelta(days=9)),
        asked(cron="30 2 L * 1#2", timezone="America/New_York", end=at(1e9), jitter=timedelta(microseconds=1)),
        asked(at=datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        asked(
            every=timedelta(hours=1),
            max_runs=2**31 - 1,
            timeout=0.1,
            parameters={"text": "ä\U0001f600\n'\"\\", "number": 1.5, "whole": 7, "yes": True},
            policy=Policy(
                overlap="replace", misfire_grace=None, catch_up="none", retries=9, retry_delay=timedelta(seconds=0.25)
            ),
        ),
        asked(
            every=timedelta(hours=1),
            policy=Policy(
                placement="every",
                on_isolation="keep",
                require={"ä/\U0001f600 'x'": "y" * 200} | {f"{n:064}": "1" for n in range(31)},
            ),
        ),
    ],
)
def test_a_job_comes_out_as_it_was_put_in(desk: Desk, new: Job) -> None:
    desk.add(new)
    assert desk.job(new.id) == new


# pytest-twisted wraps what `given` wraps once a parameter: so the property stands inside the test.


def test_instants_and_spans_come_back_to_the_microsecond(desk: Desk) -> None:
    @few
    @given(
        st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999), timezones=st.just(UTC)),
        st.timedeltas(timedelta(0), timedelta(days=36525)),
    )
    def come_back(instant: datetime, span: timedelta) -> None:
        policy = Policy(misfire_grace=span, retry_delay=span)
        new = attrs.evolve(job(), next_due=instant, created=instant, policy=policy)
        desk.add(new)
        assert desk.job(new.id) == new

    come_back()


def test_a_name_comes_back_by_the_letter_and_no_other_finds_it(desk: Desk) -> None:
    @few
    @given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=255))
    def comes_back(name: str) -> None:
        new = job(name=name)
        desk.add(new)
        assert desk.job(new.id).name == name
        found = page(desk, 9999, name=name)
        assert new in found
        assert {each.name for each in found} == {name}

    comes_back()


def test_there_is_no_job_of_an_unknown_id(desk: Desk) -> None:
    with pytest.raises(NotFound):
        desk.job("nobody")


def test_a_job_that_was_changed_comes_out_changed(desk: Desk) -> None:
    one, other = job(), job()
    desk.add(one, other)
    changed = attrs.evolve(one, name="new", next_due=None, paused=True, version=2)
    desk.bench.replace_job(changed)
    assert desk.job(one.id) == changed
    assert desk.job(other.id) == other


def test_pages_follow_each_other_in_the_order_of_creation(desk: Desk) -> None:
    jobs = [job(made=number) for number in range(7)]
    desk.add(*reversed(jobs))
    assert len(desk.bench.jobs()) == 7
    seen: list[Job] = []
    while some := page(desk, 3, seen[-1].id if seen else ""):
        assert len(some) <= 3
        seen += some
    assert seen == jobs


def test_a_page_shows_only_what_was_asked_for(desk: Desk) -> None:
    jobs = {
        "scheduled": job(name="a"),
        "paused": job(name="a", paused=True),
        "ended": job(name="b", task="other", next_due=None),
    }
    desk.add(*jobs.values())
    for state, expected in jobs.items():
        assert page(desk, 9, state=state) == [expected]
        assert expected.state == state
    assert page(desk, 9, name="a") == [jobs["scheduled"], jobs["paused"]]
    assert page(desk, 9, name="a", state="paused") == [jobs["paused"]]
    assert page(desk, 9, task="other") == [jobs["ended"]]
    assert page(desk, 9, task="none") == []


def test_a_removed_job_is_gone_and_its_neighbour_is_not(desk: Desk) -> None:
    one, other = job(), job()
    desk.add(one, other)
    desk.order(DeleteJob(job_id=one.id), 1)
    with pytest.raises(NotFound):
        desk.job(one.id)
    assert page(desk, 9) == [other]


def test_jobs_due_are_read_soonest_first_by_pages_each_once(desk: Desk) -> None:
    jobs = [job(every=due) for due in (30, 10, 20, 20, 20, 10, 40)]
    desk.add(*jobs)
    seen: list[Due] = []
    while page := desk.ask(desk.store.jobs.due_before(at(40), 2, seen[-1] if seen else None)):
        seen += page
    expected = sorted(jobs[:-1], key=lambda each: (each.next_due, each.id))
    assert [(due.id, due.next_due) for due in seen] == [(each.id, each.next_due) for each in expected]
    triggers = [each.schedule.trigger for each in expected]
    assert [due.every for due in seen] == [each.every for each in triggers if isinstance(each, Interval)]


def test_paused_and_ended_jobs_are_not_due(desk: Desk) -> None:
    one = asked(cron="* * * * *")
    desk.add(one, job(paused=True), job(next_due=None))
    due = Due(id=one.id, next_due=at(60), every=None, task=one.task, require={})
    assert desk.ask(desk.store.jobs.due_before(at(1e6), 9, None)) == [due]


def test_of_jobs_asked_for_those_that_are_due_are_named(desk: Desk) -> None:
    later, now, paused = job(90), job(60), job(90, paused=True)
    desk.add(later, now, paused, job(90), ended := job(next_due=None))
    found = desk.ask(desk.store.jobs.dues_of([later.id, now.id, paused.id, ended.id, "nobody"]))
    assert [(due.id, due.next_due) for due in found] == [(now.id, at(60)), (later.id, at(90))]


def test_a_page_ends_where_it_is_full_and_the_next_goes_on(desk: Desk) -> None:
    """Weighed by the database: what is in no page is not read."""
    sizes = [10, 5000, 10, 90_000, 10, 10, 3000]
    jobs = [job(made=number, parameters={"text": "ä" * size}) for number, size in enumerate(sizes)]
    desk.add(*jobs)
    room = 60_000
    seen: list[Job] = []
    lengths = []
    while True:
        page = fitting(desk, 4, seen[-1].id if seen else "", room)
        seen += page.values
        lengths.append(len(page.values))
        if not page.more:
            break
    assert seen == jobs
    assert lengths == [3, 1, 3]  # the fourth is too heavy for any page, and has one of its own
    assert fitting(desk, 4, seen[-1].id, room) == Page([], False)
    assert fitting(desk, 2, "", room, name="job") == Page(jobs[:2], True)
    assert fitting(desk, 2, "", room, task="none") == Page([], False)
