"""Uses of tokens are gathered, and stored at most once a minute."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from jobsched.config.tokens import fingerprint, hashed
from jobsched.model.errors import Unavailable
from jobsched.rest.token_uses import TokenUses
from tests.unit.rest.test_auth import BEARER, OLD, SECRET, SecuredSite


class World:
    """Uses at instants of a clock, and what was stored of them."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.stored: list[dict[str, float]] = []
        self.away = False
        self.uses = TokenUses(self.clock, lambda: datetime.fromtimestamp(self.clock.seconds(), UTC), self._write)
        self.uses.startService()

    def _write(self, uses: Mapping[str, datetime]) -> Deferred[None]:
        if self.away:
            return fail(Unavailable("the store is away"))
        self.stored.append({name: at.timestamp() for name, at in uses.items()})
        return succeed(None)

    def used(self, *names: str, later: float = 0) -> None:
        for name in names:
            self.uses.note(name)
        self.clock.advance(0)
        self.clock.advance(later)


def test_the_first_is_stored_at_once_and_the_rest_by_the_minute() -> None:
    world = World()
    world.used("x", later=1)
    assert world.stored == [{"x": 0}]
    for _ in range(58):
        world.used("x", "y", later=1)
    assert world.stored == [{"x": 0}]
    world.clock.advance(1)
    assert world.stored[1:] == [{"x": 58, "y": 58}]
    world.clock.advance(1000)
    assert len(world.stored) == 2, "nothing is stored where nothing was used"


def test_what_is_left_is_stored_at_the_end() -> None:
    world = World()
    world.used("x", later=1)
    world.used("x", later=1)
    done = world.uses.stopService()
    assert world.stored == [{"x": 0}, {"x": 1}]
    assert done.called
    world.used("x", later=100)
    assert len(world.stored) == 2


def test_a_store_that_is_away_gets_them_later(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.away = True
    world.used("x", "y", later=1)
    world.used("y", later=58)
    world.away = False
    world.clock.advance(1)
    assert world.stored == [{"x": 0, "y": 1}]


def test_a_token_that_is_let_in_is_noted_and_no_other() -> None:
    noted: list[str] = []
    site = SecuredSite(used=noted.append)
    assert site.get(BEARER).status == 200
    assert site.get(BEARER, "/open").status == 200
    assert noted == [fingerprint(hashed(SECRET.encode()))] * 2
    for other in ("", f"Bearer {OLD}", "Bearer other", f"Bearer {'c' * 40}"):
        site.get(other)
    assert len(noted) == 2
