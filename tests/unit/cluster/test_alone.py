"""The one daemon of a store of its own: when it gives a sign of life, and what the next one makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from shutil import copyfile

import attrs
import pytest
from sqlalchemy import select
from twisted.logger import capturedLogs, formatEvent

from jobsched.clock import now
from jobsched.cluster.alone import IDLE, Alone
from jobsched.model.errors import Unavailable
from jobsched.model.job import Job
from jobsched.model.membership import Heartbeat
from jobsched.model.node import Node
from jobsched.store.sign_of_life import OFTEN, SignOfLife
from jobsched.store.sql import jobs as job_rows
from jobsched.store.sql.store import Store
from jobsched.store.sql.tables import nodes
from tests.fakes import InlinePool, StillReactor
from tests.unit.scheduler.world import T0, done

SECOND = timedelta(seconds=1)


@attrs.define
class One:
    """A daemon, its store and its time; elapsed time is that of the clock unless the clock is set."""

    clock: StillReactor
    store: Store
    alone: Alone
    set_by: list[float]

    def signs(self) -> list[tuple[str, datetime, str]]:
        """(node, last sign, state) of every daemon that the store knows."""
        query = select(nodes.c.id, nodes.c.seen, nodes.c.state)
        return [tuple(row) for row in done(self.store.read(lambda connection: connection.execute(query).all()))]

    @property
    def seen(self) -> float:
        """Seconds since T0 of the last sign."""
        ((_, seen, _),) = self.signs()
        return (seen - T0).total_seconds()

    def change(self) -> None:
        done(self.store.write(job_rows.add, [_job()]))


def _job() -> Job:
    from tests.store.samples import job

    return job()


@pytest.fixture
def url(tmp_path: Path, migrated: Path) -> str:
    copyfile(migrated, tmp_path / "jobsched.sqlite")
    return f"sqlite:///{tmp_path}/jobsched.sqlite"


def begin(url: str, seconds: float = 0, name: str = "one") -> One:
    clock = StillReactor(T0.timestamp() + seconds)
    set_by: list[float] = []

    def elapsed() -> float:
        return clock.seconds() - sum(set_by) - T0.timestamp() + 1000

    sign = SignOfLife(lambda: now(clock), elapsed)
    store = Store(clock, url, InlinePool, sign=sign.take)  # type: ignore[arg-type]  # a fake
    store.startService()
    node = Node(id=name, name="node", since=now(clock), seen=now(clock))
    heartbeat = Heartbeat(id="", tasks=("task",), running=0, slots=1, tried=0, won=0)
    alone = Alone(clock, store, node, lambda: heartbeat, sign, elapsed)
    alone.startService()
    done(alone.entered)
    return One(clock, store, alone, set_by)


@pytest.fixture
def one(url: str) -> Iterator[One]:
    one = begin(url)
    yield one
    if one.alone.running:
        done(one.alone.stopService())
    one.store.stopService()


def test_the_first_daemon_knows_of_no_other(one: One) -> None:
    assert one.signs() == [("one", T0, "alive")]
    assert (one.alone.downtime, one.alone.last_sign) == (None, None)


def test_an_idle_daemon_gives_a_sign_now_and_then(one: One) -> None:
    one.clock.walk(IDLE - 1)
    assert one.seen == 0
    one.clock.walk(1)
    assert one.seen == IDLE
    one.clock.walk(10 * IDLE)
    assert one.seen == 11 * IDLE


def test_a_sign_goes_with_other_changes_but_not_with_each(one: One) -> None:
    changes = []
    for _ in range(10):
        one.clock.walk(OFTEN / 4)
        one.change()
        changes.append(one.seen)
    assert changes == [0.25, 0.25, 0.25, 0.25, 1.25, 1.25, 1.25, 1.25, 2.25, 2.25]


def test_with_other_changes_none_goes_by_itself(one: One, monkeypatch: pytest.MonkeyPatch) -> None:
    one.clock.walk(IDLE - 1)
    one.change()
    asked: list[object] = []
    monkeypatch.setattr(one.store, "write", lambda *args: asked.append(args))
    one.clock.walk(1)
    assert asked == []


def test_the_next_daemon_knows_from_when_to_when_there_was_none(one: One, url: str) -> None:
    one.clock.walk(IDLE + 3)
    one.alone._loop.stop()  # it is killed
    next_one = begin(url, 634.25, "two")
    assert str(next_one.alone.downtime) == (
        "no daemon ran from 2024-01-01T00:00:30Z until 2024-01-01T00:10:34Z (10 min 4 s)"
    )
    assert next_one.signs() == [("two", T0 + 634.25 * SECOND, "alive")]
    done(next_one.alone.stopService())
    next_one.store.stopService()


def test_one_that_ends_says_when(one: One, url: str) -> None:
    one.clock.walk(7.5)
    done(one.alone.stopService())
    assert one.signs() == [("one", T0 + 7.5 * SECOND, "stopped")]
    one.change()
    assert one.seen == 7.5


def test_a_clock_set_back_leaves_no_time_without_a_daemon(one: One, url: str) -> None:
    one.clock.walk(100)
    one.alone._loop.stop()
    next_one = begin(url, 50, "two")
    assert next_one.alone.downtime is None
    assert next_one.alone.last_sign == T0 + 90 * SECOND
    next_one.store.stopService()


def test_signs_go_by_elapsed_time(one: One) -> None:
    one.set_by.append(-86_400)
    one.clock.step(-86_400)
    one.clock.walk(IDLE)
    assert one.seen == -86_400 + IDLE


def test_an_unwritable_store_is_told_once_and_keeps_nobody_out(url: str) -> None:
    with capturedLogs() as logs:
        one = begin(url)
        for pool in (one.store._writers, one.store._readers):
            pool.broken = Unavailable("the disk is full")  # type: ignore[attr-defined]  # of InlinePool
        one.clock.walk(5 * IDLE)
        done(one.alone.stopService())
        said = [formatEvent(event) for event in logs if event["log_level"].name == "warn"]
    assert said
    assert "no sign of life could be stored" in said[0]
    assert len(said) <= 5
    one.store.stopService()
