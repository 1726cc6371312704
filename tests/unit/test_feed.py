"""Changes that are read for those who follow."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from jobsched.feed import EVERY, RARELY, Feed
from jobsched.model.change import Change

SECONDS = 12


class Looks:
    """Changes of a store, of which each look finds one more."""

    def __init__(self) -> None:
        self.count = 0

    def after(self, number: int, most: int) -> Deferred[tuple[list[Change], bool]]:
        self.count += 1
        return succeed(([Change(kind="hold", what="made", number=number + 1)], False))


@pytest.fixture
def looks() -> Looks:
    return Looks()


@pytest.fixture
def feed(looks: Looks, clock: Clock) -> Iterator[Feed]:
    held = SimpleNamespace(current=lambda now: succeed(None))
    made = Feed(cast(Any, clock), cast(Any, clock), cast(Any, SimpleNamespace(changes=looks, holds=held)))
    made.startService()
    yield made
    made.stopService()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize(("followers", "apart"), [(1, EVERY), (100, RARELY)])
def test_many_who_follow_are_told_less_often(
    feed: Feed, looks: Looks, clock: Clock, followers: int, apart: float
) -> None:
    heard: list[int] = []
    for _ in range(followers):
        feed.follow(0, lambda told: heard.append(told[-1].change.number or 0), lambda: None)
    clock.pump([0.1] * (10 * SECONDS))
    assert looks.count == pytest.approx(SECONDS / apart, abs=2)
    assert len(heard) == followers * looks.count


def test_nothing_is_looked_for_when_nobody_follows(feed: Feed, looks: Looks, clock: Clock) -> None:
    def hear(told: object) -> None:
        """Nobody asks what."""

    feed.follow(0, hear, lambda: None)
    clock.pump([0.1] * 10)
    feed.leave(hear)
    before = looks.count
    clock.pump([0.1] * 10)
    assert looks.count == before > 0
