"""Files that are read again: whatever came into force has an entry, also of an order that failed half way."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import capturedLogs, formatEvent

from jobsched.config.tokens import Token, TokenHolder, Tokens
from jobsched.daemon.reload import CatalogHolder, Reloader
from jobsched.events import Events
from jobsched.model.caller import Caller
from jobsched.model.errors import BadCatalog, BadTokens, Unavailable

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ALICE = Caller(name="alice", address="192.0.2.7")


def catalog(*names: str) -> Any:
    return SimpleNamespace(
        names=lambda: list(names), problems=lambda: [f"[{name}] no" for name in names if "bad" in name]
    )


def token(name: str, number: str = "0") -> Token:
    return Token(name=name, scopes=frozenset({"read"}), hash=number * 64)


class World:
    """What the files say, and what was written down."""

    def __init__(self) -> None:
        self.tokens: Deferred[Any] = succeed(Tokens((token("a"),)))
        self.catalog: Deferred[Any] = succeed(catalog("one"))
        self.told: list[Any] = []
        self.broken: Exception | None = None
        self.jobs: dict[str, list[str]] | Exception = {}
        self.token_holder = TokenHolder(Tokens((token("a"),)), lambda: self.tokens)
        self.catalog_holder = CatalogHolder(catalog("one"), lambda: self.catalog, Events(), self.jobs_of)
        self.reloader = Reloader(self.token_holder, self.catalog_holder, self, lambda: NOW)  # type: ignore[arg-type]  # a fake

    async def jobs_of(self, task: str) -> list[str]:
        """The jobs that have a task, as the store has it; it may be away."""
        if isinstance(self.jobs, Exception):
            raise self.jobs
        return self.jobs.get(task, [])

    async def reloaded(self, caller: Caller, instant: datetime, before: Any, after: Any) -> None:
        """As Trail does."""
        assert instant == NOW
        if self.broken is not None:
            raise self.broken
        self.told.append((caller.name, caller.address, before, after))

    def order(self) -> list[Any]:
        """What an order came to; empty while it is under way."""
        outcome: list[Any] = []
        Deferred.fromCoroutine(self.reloader.order(ALICE)).addBoth(outcome.append)
        return outcome


BEFORE = {"tasks": ["one"], "tokens": ["a"]}


@pytest.fixture
def world() -> World:
    return World()


def test_names_are_told_and_tokens_that_are_not_what_they_were(world: World) -> None:
    world.token_holder.tokens = Tokens((token("a"), token("b", "1"), token("gone", "2")))
    world.tokens = succeed(Tokens((token("a"), token("b", "3"), token("new", "4"))))
    world.catalog = succeed(catalog("one", "two"))

    assert world.order() == [None]
    before = {"tasks": ["one"], "tokens": ["a", "b", "gone"]}
    after = {"tasks": ["one", "two"], "tokens": ["a", "b", "new"], "tokens_changed": ["b"]}
    assert world.told == [("alice", "192.0.2.7", before, after)]


def test_what_was_read_is_told_although_all_names_are_the_same(world: World) -> None:
    world.order()
    assert world.told == [("alice", "192.0.2.7", BEFORE, BEFORE | {"tokens_changed": []})]


def test_an_order_that_is_refused_at_once_is_not_told(world: World) -> None:
    world.tokens = fail(BadTokens("bad"))
    [why] = world.order()
    assert why.check(BadTokens)
    assert world.told == []


def test_new_tokens_before_a_bad_catalog_are_told(world: World) -> None:
    world.tokens, world.catalog = succeed(Tokens((token("b"),))), fail(BadCatalog("bad"))
    [why] = world.order()
    assert why.check(BadCatalog)
    assert [after for *_, after in world.told] == [{"tasks": ["one"], "tokens": ["b"], "tokens_changed": []}]


def test_a_signal_is_told_as_one_and_a_bad_file_stops_no_other(world: World) -> None:
    world.tokens, world.catalog = fail(BadTokens("bad")), succeed(catalog("two"))
    world.reloader.hang_up()
    after = {"tasks": ["two"], "tokens": ["a"], "tokens_changed": []}
    assert world.told == [(None, "signal", BEFORE, after)]

    world.tokens, world.catalog = fail(BadTokens("bad")), fail(BadCatalog("bad"))
    world.reloader.hang_up()
    assert len(world.told) == 1


def test_what_is_in_force_is_answered_though_it_is_not_stored(world: World) -> None:
    world.broken = Unavailable("no store")
    world.catalog = succeed(catalog("two"))
    with capturedLogs() as logged:
        assert world.order() == [None]
    assert world.catalog_holder.catalog.names() == ["two"]
    told = [formatEvent(event) for event in logged]
    assert "the audit entry of a reload could not be stored, so only the log has it: no store" in told


def test_one_is_through_before_the_next_begins(world: World) -> None:
    first: Deferred[Any] = Deferred()
    world.tokens = first
    one = world.order()
    world.tokens = succeed(Tokens((token("c"),)))
    two = world.order()
    assert (one, two) == ([], [])
    world.catalog = succeed(catalog("one"))
    first.callback(Tokens((token("b"),)))
    assert [(before["tokens"], after["tokens"]) for *_, before, after in world.told] == [(["a"], ["b"]), (["b"], ["c"])]


def test_a_task_that_cannot_start_is_told_at_each_reading(world: World) -> None:
    world.catalog = succeed(catalog("one", "bad"))
    with capturedLogs() as logs:
        assert world.order() == [None]
    line = "catalog.cfg: [bad] no; its runs will fail until that is mended"
    assert [formatEvent(event) for event in logs if event["log_level"].name == "warn"] == [line]
    assert world.catalog_holder.sound


def test_jobs_whose_task_has_gone_are_named() -> None:
    world = World()
    world.jobs = {"one": ["a", "b", "c", "d"], "two": ["e"]}
    world.catalog = succeed(catalog("two"))
    with capturedLogs() as logs:
        world.order()
    said = [formatEvent(event) for event in logs if event["log_level"].name == "warn"]
    assert said == ["catalog.cfg has no task one any more, and jobs have it: a, b, c and more"]

    world.catalog = succeed(catalog("three"))
    with capturedLogs() as logs:
        world.jobs = Unavailable("away")
        assert world.order() == [None]
    assert not [event for event in logs if event["log_level"].name in {"warn", "critical"}]
