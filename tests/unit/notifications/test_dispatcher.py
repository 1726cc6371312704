"""The dispatcher: how many it sends at once, to whom, and what becomes of them; time and receivers are made up."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from twisted.logger import capturedLogs, formatEvent

from jobsched.model.delivery import LEASE
from jobsched.model.errors import Unavailable
from jobsched.notifications.dispatcher import EVERY, GATHER_WAKEUPS, OF_ONE, UNPROVEN, UNTOLD, Dispatcher
from jobsched.notifications.sender import NotTold
from jobsched.store.sql import deliveries as rows
from tests.unit.notifications.world import World
from tests.unit.scheduler.world import done


def test_what_is_told_is_sent_soon_and_settled(world: World) -> None:
    world.dispatcher.startService()
    world.tell("a")
    assert world.sender.sent == []
    world.reactor.walk(GATHER_WAKEUPS)
    [(delivery, _)] = world.sender.sent
    assert (delivery.place, delivery.attempts) == ("a.example:443", 1)
    world.sender.answer("a", 200)
    world.reactor.walk(0)
    [found] = world.found()
    assert (found.state, found.status, found.ended) == ("delivered", 200, world.now)
    world.reactor.walk(3600)
    assert len(world.sender.sent) == 1


def test_what_waits_from_before_is_sent_at_once(world: World) -> None:
    world.tell("a")
    world.dispatcher.startService()
    assert world.sender.open() == ["a"]


@pytest.mark.parametrize("world", [{"wakes": False}], indirect=True)
def test_what_another_node_wrote_is_found_without_a_wakeup(world: World) -> None:
    world.dispatcher.startService()
    world.tell("a")
    world.reactor.walk(EVERY)
    assert world.sender.open() == ["a"]


def test_there_are_so_many_at_once_and_to_one_place(world: World) -> None:
    world.tell(*"aaaabbbcccdddeee")
    world.dispatcher.startService()
    assert world.sender.open() == ["a", "a", "b", "b", "c", "c"]
    assert len(world.sender.open()) == UNPROVEN == 3 * OF_ONE
    world.reactor.walk(10)
    assert len(world.sender.sent) == UNPROVEN


def test_a_lease_that_ends_in_mid_attempt_makes_no_second(world: World) -> None:
    """The database's clock was set."""
    world.tell("a")
    world.dispatcher.startService()
    world.reactor.walk(LEASE.total_seconds() + EVERY)
    assert world.sender.open() == ["a"]
    world.sender.answer("a")
    world.reactor.walk(0)
    assert world.states() == ["delivered"]
    world.tell(*"aa")
    world.reactor.walk(GATHER_WAKEUPS)
    assert world.sender.open() == ["a", "a"], "there is as much room as before"


def test_a_place_where_nothing_is_under_way_is_forgotten(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a store with many receivers would fill the memory, and each look would ask with all of them."""
    busy: list[dict[str, int]] = []
    take = rows.take

    def watched(connection: Any, local: Any, most: int, of_one: int, there: dict[str, int], *more: Any) -> Any:
        busy.append(there)
        return take(connection, local, most, of_one, there, *more)

    monkeypatch.setattr(rows, "take", watched)
    world.dispatcher.startService()
    for number in range(20):
        world.tell(f"place{number}")
        world.reactor.walk(GATHER_WAKEUPS)
        world.sender.answer(f"place{number}", NotTold("no") if number % 2 else 200)
        world.reactor.walk(0)
    assert len(busy) >= 20
    assert all(there == {} for there in busy)


def test_as_one_ends_the_next_goes_out(world: World) -> None:
    world.tell(*"aaaab")
    world.dispatcher.startService()
    assert world.sender.open() == ["a", "a", "b"]
    world.sender.answer("a")
    world.reactor.walk(0)
    assert world.sender.open() == ["a", "a", "b"]
    world.sender.answer("b", 500)
    world.reactor.walk(0)
    assert world.sender.open() == ["a", "a"]


@pytest.mark.slow
def test_a_place_that_never_answers_keeps_nobody_else_waiting(world: World) -> None:
    world.tell(*"a" * 200)
    world.dispatcher.startService()
    for _ in range(50):
        world.tell("b")
        world.reactor.walk(GATHER_WAKEUPS)
        world.sender.answer("b")
        world.reactor.walk(0)
    assert world.states().count("delivered") == 50
    assert world.sender.open() == ["a", "a"]


def test_what_failed_is_tried_again_after_its_pause(world: World) -> None:
    world.tell("a")
    world.dispatcher.startService()
    for pause in (1, 2, 4, 8):
        world.sender.answer("a", NotTold("nobody listens there"))
        world.reactor.walk(0)
        [found] = world.found()
        assert (found.state, found.error) == ("waiting", "nobody listens there")
        world.reactor.walk(pause - 0.01)
        assert world.sender.open() == []
        world.reactor.walk(0.02)
        assert world.sender.open() == ["a"]
    assert len({delivery.id for delivery, _ in world.sender.sent}) == 1


def test_after_a_day_it_is_given_up_and_the_log_says_so(world: World) -> None:
    world.tell("a", ago=timedelta(hours=24))
    world.tell("b", ago=timedelta(hours=24, seconds=-30))
    world.dispatcher.startService()
    world.sender.answer("a", 503)
    world.sender.answer("b", 503)
    world.reactor.walk(0)
    assert [each.state for each in world.found()] == ["failed", "waiting"]
    assert world.log.count("a.example:443 was not told of overdue of a job, and will not be: status 503") == 1
    world.reactor.walk(40)
    world.sender.answer("b", 503)
    world.reactor.walk(0)
    assert world.states() == ["failed", "failed"]
    assert len(world.sender.sent) == 3


def test_what_is_final_is_not_tried_again(world: World) -> None:
    world.tell("a")
    world.dispatcher.startService()
    world.sender.answer("a", NotTold("10.0.0.1 is private", final=True))
    world.reactor.walk(0)
    [found] = world.found()
    assert (found.state, found.attempts, found.error) == ("failed", 1, "10.0.0.1 is private")


def test_a_fault_of_ours_frees_the_place(world: World) -> None:
    world.tell("a")
    world.dispatcher.startService()
    world.sender.answer("a", ZeroDivisionError("ours"))
    world.reactor.walk(1)
    assert world.sender.open() == ["a"]
    assert "a receiver could not be told of overdue of a job" in world.log


def test_at_the_end_attempts_are_broken_off_and_free_at_once(world: World) -> None:
    world.tell("a", "b")
    world.dispatcher.startService()
    world.stop(world.dispatcher)
    assert world.sender.open() == []
    assert [(each.state, each.not_before) for each in world.found()] == [("waiting", world.now)] * 2
    after = Dispatcher(world.reactor, world.reactor, world.store, world.sender, lambda: 0.0)
    after.startService()
    assert world.sender.open() == ["a", "b"]
    world.stop(after)


def test_what_a_dead_daemon_took_is_sent_when_its_lease_is_over(world: World) -> None:
    world.tell("a")
    assert done(world.store.write(rows.take, world.now, 8, 2, {}))
    world.dispatcher.startService()
    world.reactor.walk(LEASE.total_seconds() - 1)
    assert world.sender.open() == []
    world.reactor.walk(1 + EVERY)
    assert world.sender.open() == ["a"]


@pytest.mark.parametrize("seconds", [7200, -7200])
def test_a_step_of_the_clock_holds_nothing_up(world: World, seconds: float) -> None:
    world.dispatcher.startService()
    world.reactor.walk(1)
    world.reactor.step(seconds)
    world.tell("a")
    world.reactor.walk(GATHER_WAKEUPS)
    assert world.sender.open() == ["a"]


def test_a_store_that_is_away_is_said_once_and_waited_for(world: World) -> None:
    world.tell("a")
    pool: Any = world.store._readers
    pool.broken = Unavailable("away")
    world.dispatcher.startService()
    world.reactor.walk(20)
    assert world.log == ["notifications cannot be looked for, trying again in 5.0 s: away"]
    pool.broken = None
    world.reactor.walk(EVERY)
    assert world.sender.open() == ["a"]


def test_a_result_that_could_not_be_stored_is_kept(world: World) -> None:
    world.tell("a")
    world.dispatcher.startService()
    pool: Any = world.store._writers
    pool.broken = Unavailable("away")
    world.sender.answer("a")
    world.reactor.walk(10)
    assert world.states() == ["waiting"]
    pool.broken = None
    world.reactor.walk(2)
    assert world.states() == ["delivered"]
    assert len(world.sender.sent) == 1


def test_a_receivers_word_that_is_refused_is_settled_without_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    settle = rows.settle

    def picky(connection: Any, attempts: Any) -> None:
        if any(attempt.error == "odd words" for attempt in attempts):
            raise ValueError("not those")
        settle(connection, attempts)

    monkeypatch.setattr(rows, "settle", picky)
    world.tell("a", "b")
    world.dispatcher.startService()
    world.sender.answer("a", NotTold("odd words", final=True))
    world.sender.answer("b", 204)
    with capturedLogs() as logs:
        world.reactor.walk(0)
        assert world.states() == ["delivered", "waiting"]
        world.reactor.walk(2)
    assert world.states() == ["delivered", "failed"]
    assert [each.error for each in world.found()] == [UNTOLD, None]
    assert any("the store refused the result of attempt" in formatEvent(event) for event in logs)
