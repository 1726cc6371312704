"""Notifications on their way: taken by one node, settled, shown and forgotten."""

from __future__ import annotations

import attrs
import pytest
from sqlalchemy import update

from jobsched.model.delivery import Attempt, Delivery, News
from jobsched.model.errors import NotFound
from jobsched.store.sql import deliveries as rows
from jobsched.store.sql import outbox, prune
from jobsched.store.sql.deliveries import LEASE
from jobsched.store.sql.engine import connect, writing
from jobsched.store.sql.tables import deliveries
from jobsched.store.sql.transaction import Transaction
from tests.store.samples import at
from tests.store.sql.desk import SqlDesk
from tests.store.telling import fail, telling, told

pytestmark = pytest.mark.usefixtures("told_time")


def outside(desk: SqlDesk, *urls: str, seconds: float = 0) -> list[Delivery]:
    """One to each of these receivers."""
    for number, url in enumerate(urls):
        one = telling(url=url)
        desk.add(one)
        news = News(event="overdue", job=one, run=None, reason="why", instant=at(seconds + number / 1000))
        desk.write(outbox.tell_all, [news])
    return told(desk)[-len(urls) :]


def take(desk: SqlDesk, seconds: float, most: int = 8, of_one: int = 2, **busy: int) -> list[Delivery]:
    places = {f"{place}.example:443": number for place, number in busy.items()}
    found: list[Delivery] = desk.write(rows.take, at(seconds), most, of_one, places)
    return found


def urls(*places: str) -> list[str]:
    return [f"https://{place}.example/" for place in places]


def names(taken: list[Delivery]) -> list[str]:
    return [each.place.partition(".")[0] for each in taken]


def test_those_that_wait_longest_are_taken_and_no_place_gets_too_many(desk: SqlDesk) -> None:
    outside(desk, *urls("a", "a", "a", "a", "b", "c"))
    assert names(take(desk, 1)) == ["a", "a", "b", "c"]
    assert names(take(desk, 1, a=1)) == ["a"]
    assert names(take(desk, 1)) == ["a"]
    assert names(take(desk, 1)) == []


def test_a_full_place_does_not_hide_the_others(desk: SqlDesk) -> None:
    outside(desk, *urls(*"a" * 100, "b"))
    assert desk.read(rows.soonest, ["a.example:443"]) == at(0.1)
    assert names(take(desk, 1, a=2)) == ["b"]
    assert names(take(desk, 1, most=1)) == ["a"]


def test_what_is_taken_is_ones_own_for_the_time_of_the_lease(desk: SqlDesk) -> None:
    [one] = outside(desk, *urls("a"))
    assert take(desk, -1) == []
    [mine] = take(desk, 1)
    assert (mine.id, mine.attempts) == (one.id, 1)
    after = at(1) + LEASE
    assert desk.read(rows.soonest, []) == after
    assert take(desk, 1 + LEASE.total_seconds() - 0.001) == []
    [again] = take(desk, 1 + LEASE.total_seconds())
    assert again.attempts == 2


def test_two_nodes_do_not_take_the_same(store_url: str, kind: str) -> None:
    if kind == "sqlite":
        pytest.skip("an SQLite file has one daemon, and one that writes")
    desk = SqlDesk.at(store_url)
    outside(desk, *urls("a", "b", "c"))
    engine = writing(connect(store_url))
    with engine.connect() as one, one.begin():
        assert len(rows.take(Transaction(one), at(1), 2, 2, {})) == 2
        taken = take(desk, 1)  # without waiting for what the other has in hand
    taken += take(desk, 1)
    assert len(taken) == 1
    assert [each.attempts for each in told(desk)] == [1, 1, 1]
    engine.dispose()
    desk.close()


def test_what_came_of_an_attempt_is_written_unless_it_is_over(desk: SqlDesk) -> None:
    [one] = outside(desk, *urls("a"))
    later = Attempt(id=one.id, number=0, state="waiting", not_before=at(9), status=500, error="status 500")
    desk.write(rows.settle, [later])
    [found] = told(desk)
    assert (found.state, found.not_before, found.status, found.error) == ("waiting", at(9), 500, "status 500")
    done = Attempt(id=one.id, number=0, state="delivered", not_before=at(10), ended=at(10), status=204)
    desk.write(rows.settle, [done, attrs.evolve(later, id="unknown")])
    desk.write(rows.settle, [later])
    [found] = told(desk)
    assert (found.state, found.ended, found.status, found.error) == ("delivered", at(10), 204, None)
    assert desk.read(rows.soonest, []) is None
    assert take(desk, 1e6) == []


def test_what_came_of_an_attempt_does_not_end_the_lease_of_a_newer_one(desk: SqlDesk) -> None:
    [one] = outside(desk, *urls("a"))
    take(desk, 1)
    take(desk, 1 + LEASE.total_seconds())
    late = Attempt(id=one.id, number=1, state="waiting", not_before=at(2), error="too late")
    desk.write(rows.settle, [late])
    [found] = told(desk)
    assert (found.not_before, found.error) == (at(1) + 2 * LEASE, None)
    desk.write(rows.settle, [attrs.evolve(late, state="delivered", ended=at(70))])
    assert told(desk)[0].state == "delivered", "told is told"


# Shown, and forgotten.


def settled(desk: SqlDesk, *which: Delivery) -> None:
    ids = [each.id for each in which]
    desk.write(
        lambda transaction: transaction.execute(
            update(deliveries).where(deliveries.c.id.in_(ids)).values(state="delivered")
        )
    )


def test_they_are_shown_newest_first_and_in_pages(desk: SqlDesk) -> None:
    one = telling()
    desk.add(one)
    began = [fail(desk, one, seconds=1000 + number) for number in range(5)]
    found = desk.read(rows.of_job, one.id, 3, None, None)
    assert [each.run_id for each in found] == [each.id for each in began[:1:-1]]
    rest = desk.read(rows.of_job, one.id, 3, found[-1].id, None)
    assert [each.run_id for each in rest] == [each.id for each in began[1::-1]]
    assert desk.read(rows.of_run, began[0].id, 9, None) == ("task", [rest[-1]])
    assert desk.read(rows.of_run, fail(desk, one, "succeeded", 2000).id, 9, None) == ("task", [])


def test_of_what_nobody_heard_there_is_nothing(desk: SqlDesk) -> None:
    one = telling()
    desk.add(one)
    assert desk.read(rows.of_job, one.id, 9, None, None) == []
    assert desk.read(rows.of_job, one.id, 9, None, ("ta*",)) == []
    fail(desk, one)
    for asked in (("nosuch", None), (one.id, ("other",))):
        with pytest.raises(NotFound):
            desk.read(rows.of_job, asked[0], 9, None, asked[1])
    with pytest.raises(NotFound):
        desk.read(rows.of_run, "nosuch", 9, None)


def test_they_go_with_their_runs_but_not_before_they_are_told(desk: SqlDesk) -> None:
    one = telling()
    desk.add(one)
    began = [fail(desk, one, seconds=1000 + number) for number in range(3)]
    settled(desk, *told(desk)[:2])
    desk.write(prune.beyond, one.id, 1, 100)
    assert [each.run_id for each in told(desk)] == [began[2].id]
    settled(desk, *told(desk))
    fail(desk, one, seconds=2000)
    waiting = told(desk)[-1]
    desk.write(prune.old, at(1e9), 100)  # ids never go back, so those of other tests count
    assert [each.id for each in told(desk)] == [waiting.id]


def test_those_of_jobs_as_such_go_by_age(desk: SqlDesk) -> None:
    old, waits, new = outside(desk, *urls("a", "b")) + outside(desk, *urls("c"), seconds=100)
    settled(desk, old, new)
    assert desk.write(rows.forget, at(50), 100) == 1
    assert [each.id for each in told(desk)] == [waits.id, new.id]
    assert desk.write(rows.forget, at(1000), 100) == 1
    assert [each.id for each in told(desk)] == [waits.id]
