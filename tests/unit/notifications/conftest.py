"""What the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from twisted.logger import ILogObserver, globalLogPublisher

from tests.unit.notifications.world import World
from tests.unit.scheduler.world import done


@pytest.fixture
def world(tmp_path: Path, migrated: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    world = World(tmp_path, migrated, **getattr(request, "param", {}))

    def hear(event: Any) -> None:
        if event["log_namespace"].startswith("jobsched.notifications"):
            world.log.append(event["log_format"].format(**event))

    observer = cast(ILogObserver, hear)
    globalLogPublisher.addObserver(observer)
    yield world
    globalLogPublisher.removeObserver(observer)
    if world.dispatcher.running:
        world.stop(world.dispatcher)
    done(world.store.stopService())
    assert not world.reactor.getDelayedCalls(), "a timer was left"
