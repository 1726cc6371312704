"""Lists of jobs: in each order, found by words, and what each does and has done lately."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from jobsched.model.cron import Cron
from jobsched.model.errors import Invalid
from jobsched.model.job import Job, JobFilter, JobView
from jobsched.model.job_list import IDLE, LOOKED_AT, RECENT, SORTS, JobOrder, Sort, words
from jobsched.model.labels import About
from jobsched.model.run import State
from jobsched.model.trigger import At, Schedule
from tests.store.samples import Desk, at, job, run

LATE = at(1e6)


def page(desk: Desk, limit: int = 99, after: str = "", **only: Any) -> list[JobView]:
    return list(desk.ask(desk.store.jobs.page(limit, after, JobFilter(**only), 1 << 30, LATE)).values)


def listed(desk: Desk, order: JobOrder, limit: int) -> list[str]:
    """Page by page."""
    seen: list[JobView] = []
    while some := page(desk, limit, seen[-1].place if seen else "", order=order):
        assert len(some) <= limit
        seen += some
    return [each.job.name for each in seen]


def ended(its: Job, second: float, state: State = "succeeded", **fields: Any) -> Any:
    given: dict[str, Any] = {"job_id": its.id, "state": state, "started": at(second), "ended": at(second + 2)}
    return run(second, **given | fields)


@pytest.fixture
def fleet(desk: Desk) -> dict[str, Job]:
    """Jobs of every kind, by name; made in this order."""

    def one(name: str, **fields: Any) -> Job:
        return job(name=name, **{"next_due": at(5000)} | fields)

    jobs = [
        one("failed", next_due=at(9000)),
        one("good", next_due=at(100)),
        one("Lost"),
        one("missed"),
        one("overdue", overdue=at(300)),
        one("overdue since long", overdue=at(200)),
        one("new", next_due=at(7000), every=30, task="other"),
        one("paused", paused=True, next_due=at(50), schedule=Schedule(trigger=Cron.parse("30 2 * * *"))),
        one("over", next_due=None, schedule=Schedule(trigger=At(instant=at(90)))),
        one("recovered", next_due=at(200)),
        one("failed later"),
    ]
    desk.add(*jobs)
    fleet = {each.name: each for each in jobs}
    desk.insert(
        ended(fleet["failed"], 10, "failed"),
        run(15, job_id=fleet["failed"].id, state="skipped", ended=at(15)),  # it was under way then, say
        run(16, job_id=fleet["failed"].id, state="cancelled", ended=at(16)),
        ended(fleet["good"], 20, ended=at(25)),
        ended(fleet["Lost"], 30, "lost"),
        ended(fleet["missed"], 40, "missed", started=None),
        ended(fleet["recovered"], 50, "failed"),
        ended(fleet["recovered"], 60),
        ended(fleet["failed later"], 70, "timed_out"),
        run(80, job_id=fleet["failed later"].id),  # it runs again
        ended(fleet["over"], 90),
        run(95, job_id=fleet["over"].id, state="skipped", ended=at(95)),  # it did not start
    )
    return fleet


@pytest.mark.parametrize("limit", [1, 4, 99])
@pytest.mark.parametrize(
    ("sort", "first"),
    [
        ("created", ["failed", "good", "Lost"]),
        ("name", ["Lost", "failed", "failed later", "good", "missed", "new", "over", "overdue", "overdue since long"]),
        ("next_due", ["paused", "good", "recovered", "Lost"]),
        ("state", ["good", "recovered", "Lost"]),
        ("task", ["new", "Lost", "failed", "failed later", "good"]),
        (
            "when",
            ["new", "failed", "good", "Lost", "missed", "overdue", "overdue since long", "recovered", "failed later",
             "paused", "over"],
        ),
        (
            "took",
            ["missed", "overdue", "overdue since long", "new", "paused", "failed", "Lost", "over", "recovered",
             "failed later", "good"],
        ),
        ("last_ended", ["overdue", "overdue since long", "new", "paused", "failed", "good", "Lost", "missed"]),
        (
            "attention",
            ["overdue", "overdue since long", "Lost", "failed later", "failed", "missed", "paused", "good", "recovered",
             "new", "over"],
        ),
    ],
)  # fmt: skip
def test_jobs_come_in_order_page_by_page(
    desk: Desk, fleet: dict[str, Job], sort: Sort, first: list[str], limit: int
) -> None:
    found = listed(desk, JobOrder(sort=sort), limit)
    assert found[: len(first)] == first
    assert sorted(found) == sorted(fleet)
    assert listed(desk, JobOrder(sort=sort, back=True), limit) == found[::-1]


def test_ended_and_paused_jobs_come_last_where_state_counts(desk: Desk, fleet: dict[str, Job]) -> None:
    assert listed(desk, JobOrder(sort="state"), 99)[-2:] == ["paused", "over"]
    assert listed(desk, JobOrder(sort="next_due"), 99)[-1] == "over"
    assert listed(desk, JobOrder(sort="last_ended", back=True), 99)[:2] == ["over", "failed later"]


def test_those_that_fail_now_can_be_asked_for(desk: Desk, fleet: dict[str, Job]) -> None:
    found = page(desk, failing=True, order=JobOrder(sort="attention"))
    assert [each.job.name for each in found] == ["Lost", "failed later", "failed", "missed"]
    needy = page(desk, needy=True, order=JobOrder(sort="attention"))
    late = ["overdue", "overdue since long"]
    assert sorted(each.job.name for each in needy[:2]) == late
    assert [each.job.name for each in needy[2:]] == [each.job.name for each in found]


@pytest.mark.parametrize("sort", SORTS)
def test_pages_stay_as_they_are_while_jobs_come_and_go(desk: Desk, fleet: dict[str, Job], sort: Sort) -> None:
    order = JobOrder(sort=sort)
    before = page(desk, order=order)
    third = before[2].place
    desk.bench.replace_job(attrs.evolve(before[2].job, name="~ not here any more", next_due=at(9999), paused=True))
    rest = [each.job.id for each in page(desk, after=third, order=order)]
    assert [each for each in rest if each != before[2].job.id] == [each.job.id for each in before[3:]]


@pytest.mark.parametrize("place", ["x", "[1]", "[1,2]", '[1,2,"a"]', '[null,"a"]', '[[],"a"]', "{}", '[1e999,"a"]'])
def test_a_place_that_is_none_is_refused(desk: Desk, place: str) -> None:
    with pytest.raises(Invalid) as refused:
        page(desk, after=place, order=JobOrder(sort="name"))
    assert refused.value.pointer == "?after"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("backup", ["db backup", "other"]),
        ("BACKUP db", ["db backup"]),
        ("team=data", ["labelled"]),
        ("data", ["labelled"]),
        ("night", ["described"]),
        ("100%", ["described"]),
        ("1%0", []),
        ("_", ["described"]),
        ("", ["db backup", "other", "labelled", "described"]),
        ("Ärger", ["described"]),
        ("äRGER", ["described"]),
        ("nothing", []),
    ],
)
def test_jobs_are_found_by_words(desk: Desk, text: str, names: list[str]) -> None:
    desk.add(
        job(name="db backup"),
        job(name="other", task="Backup"),
        job(name="labelled", about=About(labels={"team": "data"})),
        job(name="described", about=About(description="What to do at Night:\n100% of under_scores and Ärger")),
    )
    assert [each.job.name for each in page(desk, words=words(text))] == names


def test_what_a_job_does_and_has_done_lately(desk: Desk) -> None:
    busy, idle, quiet = job(name="busy"), job(name="idle"), job(name="quiet")
    desk.add(busy, idle, quiet)
    desk.insert(run(-10, job_id=busy.id))
    for second in range(23):
        desk.insert(ended(busy, second * 10, "failed" if second % 2 else "succeeded", ended=at(second * 10 + second)))
    desk.insert(run(300, job_id=busy.id, state="waiting"), ended(quiet, 5, "skipped"))
    views = {each.job.name: each for each in page(desk)}
    found = views["busy"].activity
    assert found.active == 2
    assert [(each.due, each.state) for each in found.recent] == [
        (at(second * 10), "failed" if second % 2 else "succeeded") for second in range(22, 22 - RECENT, -1)
    ]
    assert found.recent[0].duration == 22
    assert found.median == 13  # of 22, 20 and so on to 4: of 20 outcomes, more than are shown
    assert views["idle"].activity == IDLE
    assert IDLE.median is None
    assert [each.state for each in views["quiet"].activity.recent] == ["skipped"]
    assert desk.ask(desk.store.jobs.get(busy.id, LATE)).activity == found
    assert page(desk, activity=False)[0].activity.recent == ()


def test_of_many_runs_that_are_active_it_is_not_looked_behind(desk: Desk) -> None:
    one = job()
    desk.add(one)
    desk.insert(ended(one, 1), *(run(10 + number, job_id=one.id) for number in range(LOOKED_AT)))
    found = page(desk)[0].activity
    assert (found.active, found.recent) == (LOOKED_AT, ())


def test_the_places_say_what_they_are(desk: Desk) -> None:
    new = job(name='a "name",\nwith a line ä')
    desk.add(new)
    (view,) = page(desk, order=JobOrder(sort="name"))
    assert page(desk, after=view.place, order=JobOrder(sort="name")) == []


def test_a_page_of_a_thousand_jobs_has_what_each_has_done(desk: Desk) -> None:
    """SQLite nests conditions 1,000 deep at most."""
    jobs = [job(name=f"job {number}", made=number / 1000) for number in range(1000)]
    desk.add(*jobs)
    desk.insert(ended(jobs[0], 10), ended(jobs[-1], 20))
    found = page(desk, 1000, order=JobOrder())
    assert [len(view.activity.recent) for view in found] == [1, *([0] * 998), 1]


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("fail*", ["failed", "failed later"]),
        ("*o*t", ["Lost"]),
        ("?ost", ["Lost"]),
        ("lost", []),
        ("over", ["over"]),
        ("%", []),
    ],
)
def test_jobs_are_found_by_a_glob_of_their_names(
    desk: Desk, fleet: dict[str, Job], glob: str, expected: list[str]
) -> None:
    assert [each.job.name for each in page(desk, names=glob)] == expected
    assert [each.job.id for each in page(desk, names=fleet["good"].id)] == [fleet["good"].id]
