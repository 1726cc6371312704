"""Who has room when many receivers do not answer."""

from __future__ import annotations

from jobsched.notifications.dispatcher import GATHER_WAKEUPS, MOST, Dispatcher
from jobsched.notifications.sender import NotTold
from tests.unit.notifications.world import World


def test_places_that_answer_have_room_of_their_own(world: World) -> None:
    world.dispatcher.startService()
    world.tell("a")
    world.reactor.walk(GATHER_WAKEUPS)
    world.sender.answer("a", 500)
    world.tell(*("b" * 50 + "c" * 50 + "d" * 50))
    world.reactor.walk(GATHER_WAKEUPS)
    assert world.sender.open() == ["b", "b", "c", "c", "d", "d"]
    world.tell(*"aaa")
    world.reactor.walk(GATHER_WAKEUPS)
    assert world.sender.open() == ["a", "a", "b", "b", "c", "c", "d", "d"]
    assert len(world.sender.open()) == MOST
    for _ in range(3):
        world.sender.answer("a")
        world.reactor.walk(0)
    assert world.states().count("delivered") == 3
    world.reactor.walk(1)
    assert world.sender.open() == ["a", "b", "b", "c", "c", "d", "d"], "what it refused is tried again"
    world.sender.answer("a", NotTold("no answer within 10 s"))
    world.tell("a")
    world.reactor.walk(GATHER_WAKEUPS)
    assert world.sender.open() == ["b", "b", "c", "c", "d", "d"], "it must prove itself anew"


def test_the_receiver_for_all_jobs_has_room_whatever_it_did(world: World) -> None:
    world.dispatcher = Dispatcher(world.reactor, world.reactor, world.store, world.sender, lambda: 0.0, "a.example:443")
    world.tell(*("b" * 50 + "c" * 50 + "d" * 50), "a")
    world.dispatcher.startService()
    for _ in range(3):
        assert world.sender.open() == ["a", "b", "b", "c", "c", "d", "d"]
        world.sender.answer("a", NotTold("no answer within 10 s"))
        world.reactor.walk(4)
