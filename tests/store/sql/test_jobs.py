"""Jobs in the store: what was put in comes out, in order, page by page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobsched.model.draft import Draft
from jobsched.model.job import Due, Job, JobFilter, Policy
from jobsched.model.page import Page
from jobsched.store.sql import commands
from jobsched.store.sql import jobs as job_rows
from tests.store.samples import IDS, T0, at, job
from tests.store.sql.desk import SqlDesk, job_count

few = settings(max_examples=25)


def asked(**fields: Any) -> Job:
    return Draft(task="task", name="name", **fields).job(IDS.make(T0), T0)


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
                placement="every", require={"ä/\U0001f600 'x'": "y" * 200} | {f"{n:064}": "1" for n in range(31)}
            ),
        ),
    ],
)
def test_a_job_comes_out_as_it_was_put_in(desk: SqlDesk, new: Job) -> None:
    desk.add(new)
    assert desk.read(job_rows.get, new.id) == new


# pytest-twisted wraps what `given` wraps once a parameter: so the property stands inside the test.


def test_instants_and_spans_come_back_to_the_microsecond(desk: SqlDesk) -> None:
    @few
    @given(
        st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999), timezones=st.just(UTC)),
        st.timedeltas(timedelta(0), timedelta(days=36525)),
    )
    def come_back(instant: datetime, span: timedelta) -> None:
        policy = Policy(misfire_grace=span, retry_delay=span)
        new = attrs.evolve(job(), next_due=instant, created=instant, policy=policy)
        desk.add(new)
        assert desk.read(job_rows.get, new.id) == new

    come_back()


def test_a_name_comes_back_letter_by_letter_and_is_found_by_no_other(desk: SqlDesk) -> None:
    @few
    @given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=255))
    def comes_back(name: str) -> None:
        new = job(name=name)
        desk.add(new)
        assert desk.read(job_rows.get, new.id).name == name
        found = desk.read(job_rows.page, 9999, "", JobFilter(name=name))
        assert new in found
        assert {each.name for each in found} == {name}

    comes_back()


def test_there_is_no_job_of_an_unknown_id(desk: SqlDesk) -> None:
    assert desk.read(job_rows.get, "nobody") is None


def test_a_job_that_was_changed_comes_out_changed(desk: SqlDesk) -> None:
    one, other = job(), job()
    desk.add(one, other)
    changed = attrs.evolve(one, name="new", next_due=None, paused=True, version=2)
    desk.write(job_rows.put, changed)
    assert desk.read(job_rows.get, one.id) == changed
    assert desk.read(job_rows.get, other.id) == other


def test_pages_follow_each_other_in_the_order_of_creation(desk: SqlDesk) -> None:
    jobs = [job(made=number) for number in range(7)]
    desk.add(*reversed(jobs))
    assert desk.read(job_count) == 7
    seen: list[Job] = []
    while page := desk.read(job_rows.page, 3, seen[-1].id if seen else ""):
        assert len(page) <= 3
        seen += page
    assert seen == jobs


def test_a_page_shows_only_what_was_asked_for(desk: SqlDesk) -> None:
    jobs = {
        "scheduled": job(name="a"),
        "paused": job(name="a", paused=True),
        "ended": job(name="b", task="other", next_due=None),
    }
    desk.add(*jobs.values())
    for state, expected in jobs.items():
        assert desk.read(job_rows.page, 9, "", JobFilter(state=state)) == [expected]  # type: ignore[arg-type]
        assert expected.state == state
    assert desk.read(job_rows.page, 9, "", JobFilter(name="a")) == [jobs["scheduled"], jobs["paused"]]
    assert desk.read(job_rows.page, 9, "", JobFilter(name="a", state="paused")) == [jobs["paused"]]
    assert desk.read(job_rows.page, 9, "", JobFilter(task="other")) == [jobs["ended"]]
    assert desk.read(job_rows.page, 9, "", JobFilter(task="none")) == []


def test_a_removed_job_is_gone_and_its_neighbour_is_not(desk: SqlDesk) -> None:
    one, other = job(), job()
    desk.add(one, other)
    desk.write(commands.remove, one.id, IDS, at(1))
    assert desk.read(job_rows.get, one.id) is None
    assert desk.read(job_rows.page, 9) == [other]


def test_jobs_due_are_read_soonest_first_page_by_page_and_each_once(desk: SqlDesk) -> None:
    jobs = [job(every=due) for due in (30, 10, 20, 20, 20, 10, 40)]
    desk.add(*jobs)
    seen: list[Due] = []
    while page := desk.read(job_rows.due_before, at(40), 2, seen[-1] if seen else None):
        seen += page
    expected = sorted(jobs[:-1], key=lambda each: (each.next_due, each.id))
    assert [(due.id, due.next_due, due.every) for due in seen] == [
        (each.id, each.next_due, each.schedule.trigger.every)  # type: ignore[attr-defined]
        for each in expected
    ]


def test_paused_and_ended_jobs_are_not_due(desk: SqlDesk) -> None:
    one = asked(cron="* * * * *")
    desk.add(one, job(paused=True), job(next_due=None))
    due = Due(id=one.id, next_due=at(60), every=None, task=one.task, require={})
    assert desk.read(job_rows.due_before, at(1e6), 9) == [due]


def test_of_jobs_asked_for_those_that_will_be_due_are_named_with_their_dues(desk: SqlDesk) -> None:
    later, now, paused = job(90), job(60), job(90, paused=True)
    desk.add(later, now, paused, job(90), ended := job(next_due=None))
    found = desk.read(job_rows.dues_of, [later.id, now.id, paused.id, ended.id, "nobody"])
    assert [(due.id, due.next_due) for due in found] == [(now.id, at(60)), (later.id, at(90))]


def test_a_job_that_moved_on_keeps_its_definition(desk: SqlDesk) -> None:
    one, other = job(), job()
    desk.add(one, other)
    desk.write(job_rows.move_on, [(one, at(120), 2), (other, None, 0)])
    assert desk.read(job_rows.get, one.id) == attrs.evolve(one, next_due=at(120), starts=2)
    assert desk.read(job_rows.get, other.id) == attrs.evolve(other, next_due=None)


def test_a_page_ends_where_there_is_no_more_room_and_the_next_one_goes_on(desk: SqlDesk) -> None:
    """Weighed by the database: what is in no page is not read."""
    sizes = [10, 5000, 10, 90_000, 10, 10, 3000]
    jobs = [job(made=number, parameters={"text": "ä" * size}) for number, size in enumerate(sizes)]
    desk.add(*jobs)
    room = 60_000
    seen: list[Job] = []
    lengths = []
    while True:
        page = desk.read(job_rows.fitting, 4, seen[-1].id if seen else "", JobFilter(), room)
        seen += page.values
        lengths.append(len(page.values))
        if not page.more:
            break
    assert seen == jobs
    assert lengths == [3, 1, 3]  # the fourth is too heavy for any page, and has one of its own
    assert desk.read(job_rows.fitting, 4, seen[-1].id, JobFilter(), room) == Page([], False)
    assert desk.read(job_rows.fitting, 2, "", JobFilter(name="job"), room) == Page(jobs[:2], True)
    assert desk.read(job_rows.fitting, 2, "", JobFilter(task="none"), room) == Page([], False)
