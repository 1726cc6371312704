"""Whether a daemon can do its work, as those hear who follow it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from twisted.internet.task import Clock

from jobsched.model.caller import ANYBODY
from jobsched.model.change import ChangeFilter
from jobsched.model.health import HealthProblem
from jobsched.rest.readiness import EVERY, Readiness, Seen


class World:
    """A daemon that has troubles."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.troubles: list[str] = []
        self.looks = 0
        self.readiness = Readiness(self.clock, self.ask, lambda: "alpha")

    async def ask(self) -> Sequence[HealthProblem]:
        self.looks += 1
        return [HealthProblem(words) for words in self.troubles]


def data(seen: Seen) -> object:
    head, _, rest = seen.text.decode().partition("\n")
    assert head == "event: ready", "and no number"
    return json.loads(rest.removeprefix("data: "))


def test_who_follows_hears_how_it_is_once_a_second() -> None:
    world, first, second = World(), list[Seen](), list[Seen]()
    world.readiness.follow(first.append)
    assert [data(seen) for seen in first] == [{"node": "alpha", "ready": True, "problems": []}]
    world.readiness.follow(second.append)
    world.troubles = ["the store refused a change 3 s ago"]
    world.clock.advance(EVERY)
    assert (world.looks, len(first), len(second)) == (2, 2, 1)
    assert data(second[0]) == {"node": "alpha", "ready": False, "problems": world.troubles}


def test_only_time_that_passes_is_nothing_new() -> None:
    world, heard = World(), list[Seen]()
    world.troubles = ["the store refused a change 3 s ago"]
    world.readiness.follow(heard.append)
    world.troubles = ["the store refused a change 14 s ago"]
    world.clock.advance(EVERY)
    world.troubles = ["the store does not answer"]
    world.clock.advance(EVERY)
    keys = [seen.key for seen in heard]
    assert keys[0] == keys[1] != keys[2]


def test_nobody_looks_when_nobody_follows() -> None:
    world, heard = World(), list[Seen]()
    world.readiness.follow(heard.append)
    world.readiness.leave(heard.append)
    world.readiness.leave(heard.append)
    world.clock.advance(EVERY)
    assert (world.looks, world.clock.getDelayedCalls()) == (1, [])


def test_it_is_followed_where_it_is_asked_for() -> None:
    def wants(**fields: object) -> bool:
        return ChangeFilter(caller=ANYBODY, **fields).wants_ready  # type: ignore[arg-type]

    assert wants(kinds=frozenset({"ready"}))
    assert not wants()
    assert wants(kinds=frozenset({"ready", "run"}))
    assert not wants(kinds=frozenset({"run"}))
    assert not any(
        wants(kinds=frozenset({"ready"}), **{name: value})
        for name, value in (("job_id", "a"), ("task", "a"), ("states", {"failed"}))
    )
