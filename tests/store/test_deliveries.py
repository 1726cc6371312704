"""Notifications on their way: taken by one node, settled, shown and forgotten."""

from __future__ import annotations

import attrs
import pytest

from jobsched.model.delivery import LEASE, Attempt, Delivery
from jobsched.model.errors import NotFound
from jobsched.model.ids import Ids
from jobsched.model.receiver import place_of
from tests.store.samples import Desk, at
from tests.store.telling import fail, telling, told

pytestmark = pytest.mark.usefixtures("told_time")


def outside(desk: Desk, *urls: str, seconds: float = 0) -> list[Delivery]:
    """One to each of these receivers."""
    for number, url in enumerate(urls):
        instant = at(seconds + number / 1000)
        desk.add(one := telling(url=url))
        desk.bench.add_deliveries([
            Delivery(
                id=Ids().make(instant), job_id=one.id, run_id=None, task=one.task, event="overdue", url=url,
                place=place_of(url), body={}, created=instant, not_before=instant,
            )
        ])  # fmt: skip
    return told(desk)[-len(urls) :]


def take(desk: Desk, seconds: float, most: int = 8, of_one: int = 2, **busy: int) -> list[Delivery]:
    places = {f"{place}.example:443": number for place, number in busy.items()}
    found: list[Delivery] = desk.ask(desk.store.deliveries.take(at(seconds), most, of_one, places, None))
    return found


def urls(*places: str) -> list[str]:
    return [f"https://{place}.example/" for place in places]


def names(taken: list[Delivery]) -> list[str]:
    return [each.place.partition(".")[0] for each in taken]


def test_the_oldest_are_taken_and_no_place_gets_too_many(desk: Desk) -> None:
    outside(desk, *urls("a", "a", "a", "a", "b", "c"))
    assert names(take(desk, 1)) == ["a", "a", "b", "c"]
    assert names(take(desk, 1, a=1)) == ["a"]
    assert names(take(desk, 1)) == ["a"]
    assert names(take(desk, 1)) == []


def test_a_full_place_does_not_hide_the_others(desk: Desk) -> None:
    outside(desk, *urls(*"a" * 100, "b"))
    assert desk.ask(desk.store.deliveries.soonest(["a.example:443"], None)) == at(0.1)
    assert names(take(desk, 1, a=2)) == ["b"]
    assert names(take(desk, 1, most=1)) == ["a"]


def test_what_is_taken_is_ones_own_for_the_time_of_the_lease(desk: Desk) -> None:
    [one] = outside(desk, *urls("a"))
    assert take(desk, -1) == []
    [mine] = take(desk, 1)
    assert (mine.id, mine.attempts) == (one.id, 1)
    after = at(1) + LEASE
    assert desk.ask(desk.store.deliveries.soonest([], None)) == after
    assert take(desk, 1 + LEASE.total_seconds() - 0.001) == []
    [again] = take(desk, 1 + LEASE.total_seconds())
    assert again.attempts == 2


def test_what_came_of_an_attempt_is_written_unless_it_is_over(desk: Desk) -> None:
    [one] = outside(desk, *urls("a"))
    later = Attempt(id=one.id, number=0, state="waiting", not_before=at(9), status=500, error="status 500")
    desk.ask(desk.store.deliveries.settle([later]))
    [found] = told(desk)
    assert (found.state, found.not_before, found.status, found.error) == ("waiting", at(9), 500, "status 500")
    done = Attempt(id=one.id, number=0, state="delivered", not_before=at(10), ended=at(10), status=204)
    desk.ask(desk.store.deliveries.settle([done, attrs.evolve(later, id="unknown")]))
    desk.ask(desk.store.deliveries.settle([later]))
    [found] = told(desk)
    assert (found.state, found.ended, found.status, found.error) == ("delivered", at(10), 204, None)
    assert desk.ask(desk.store.deliveries.soonest([], None)) is None
    assert take(desk, 1e6) == []


def test_the_end_of_an_attempt_leaves_the_lease_of_a_newer_one(desk: Desk) -> None:
    [one] = outside(desk, *urls("a"))
    take(desk, 1)
    take(desk, 1 + LEASE.total_seconds())
    late = Attempt(id=one.id, number=1, state="waiting", not_before=at(2), error="too late")
    desk.ask(desk.store.deliveries.settle([late]))
    [found] = told(desk)
    assert (found.not_before, found.error) == (at(1) + 2 * LEASE, None)
    desk.ask(desk.store.deliveries.settle([attrs.evolve(late, state="delivered", ended=at(70))]))
    assert told(desk)[0].state == "delivered", "told is told"


# Shown, and forgotten.


def settled(desk: Desk, *which: Delivery) -> None:
    for each in which:
        desk.bench.replace_delivery(attrs.evolve(each, state="delivered"))


def test_they_are_shown_newest_first_and_in_pages(desk: Desk) -> None:
    one = telling()
    desk.add(one)
    began = [fail(desk, one, seconds=1000 + number) for number in range(5)]
    found = desk.ask(desk.store.deliveries.of_job(one.id, 3, None, None))
    assert [each.run_id for each in found] == [each.id for each in began[:1:-1]]
    rest = desk.ask(desk.store.deliveries.of_job(one.id, 3, found[-1].id, None))
    assert [each.run_id for each in rest] == [each.id for each in began[1::-1]]
    assert desk.ask(desk.store.deliveries.of_run(began[0].id, 9, None)) == ("task", [rest[-1]])
    assert desk.ask(desk.store.deliveries.of_run(fail(desk, one, "succeeded", 2000).id, 9, None)) == ("task", [])


def test_of_what_nobody_heard_there_is_nothing(desk: Desk) -> None:
    one = telling()
    desk.add(one)
    assert desk.ask(desk.store.deliveries.of_job(one.id, 9, None, None)) == []
    assert desk.ask(desk.store.deliveries.of_job(one.id, 9, None, ("ta*",))) == []
    fail(desk, one)
    for asked in (("nosuch", None), (one.id, ("other",))):
        with pytest.raises(NotFound):
            desk.ask(desk.store.deliveries.of_job(asked[0], 9, None, asked[1]))
    with pytest.raises(NotFound):
        desk.ask(desk.store.deliveries.of_run("nosuch", 9, None))


def test_they_go_with_their_runs_but_not_before_they_are_told(desk: Desk) -> None:
    one = telling()
    desk.add(one)
    began = [fail(desk, one, seconds=1000 + number) for number in range(3)]
    settled(desk, *told(desk)[:2])
    desk.ask(desk.store.retention.forget_runs_beyond(one.id, 1, 100, True, at(1e6)))
    assert [each.run_id for each in told(desk)] == [began[2].id]
    settled(desk, *told(desk))
    fail(desk, one, seconds=2000)
    waiting = told(desk)[-1]
    desk.ask(desk.store.retention.forget_runs_before(at(1e9), 100))  # ids never go back, so those of other tests count
    assert [each.id for each in told(desk)] == [waiting.id]


def test_those_of_jobs_as_such_go_by_age(desk: Desk) -> None:
    old, waits, new = outside(desk, *urls("a", "b")) + outside(desk, *urls("c"), seconds=100)
    settled(desk, old, new)
    assert desk.ask(desk.store.retention.forget_deliveries(at(50), 100)) == 1
    assert [each.id for each in told(desk)] == [waits.id, new.id]
    assert desk.ask(desk.store.retention.forget_deliveries(at(1000), 100)) == 1
    assert [each.id for each in told(desk)] == [waits.id]
