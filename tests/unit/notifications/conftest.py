"""What the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import globalLogPublisher

from tests.unit.notifications.world import World
from tests.unit.scheduler.world import done


@pytest.fixture
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    world = World(tmp_path, **getattr(request, "param", {}))

    def hear(event: Any) -> None:
        if event["log_namespace"].startswith("jobsched.notifications"):
            world.log.append(event["log_format"].format(**event))

    globalLogPublisher.addObserver(hear)
    yield world
    globalLogPublisher.removeObserver(hear)
    if world.dispatcher.running:
        world.stop(world.dispatcher)
    done(world.store.stopService())
    assert not world.reactor.getDelayedCalls(), "a timer was left"
