"""The overdue watch at its edges: when it looks, what it says, what it leaves to other nodes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import attrs
import pytest
from sqlalchemy import update
from twisted.logger import LogEvent, LogLevel, capturedLogs, formatEvent

from jobsched.model.draft import Draft
from jobsched.model.errors import Unavailable
from jobsched.model.job import Job, Watch
from jobsched.model.node import Node
from jobsched.scheduler import overdue as module
from jobsched.scheduler.overdue import EVERY, OverdueWatch
from jobsched.store.sql.tables import jobs as rows
from tests.unit.scheduler.world import T0, World, done, every

LATE = Watch(max_late=timedelta(seconds=20))
UNLUCKY = Watch(must_succeed_every=timedelta(seconds=20))


@attrs.define
class Lease:
    """Peers that are none but this node, whose lease can be lost."""

    held: bool = True
    alone: bool = True
    downtime: None = None
    last_sign: None = None
    node: Node = attrs.field(factory=lambda: Node(id="here", name="node", since=T0, seen=T0))

    @property
    def alive(self) -> Sequence[Node]:
        return (self.node,)

    def holds(self) -> bool:
        return self.held


@attrs.define
class WebhookSender:
    """An overdue watch in a world, and what it said."""

    world: World
    overdue_watch: OverdueWatch
    lease: Lease
    events: Sequence[LogEvent] = attrs.field(factory=list)

    def add(self, watch: Watch = UNLUCKY) -> Job:
        return self.world.add(every(3600, watch=watch))

    def overdue(self, job: Job) -> float | None:
        """Since how many seconds after T0, as it is stored."""
        found = self.world.job(job)
        return None if found is None or found.overdue is None else (found.overdue - T0).total_seconds()

    def said(self) -> list[str]:
        """Warnings and worse, and that a job has recovered."""
        return [
            formatEvent(event)
            for event in self.events
            if event["log_level"] > LogLevel.info or "recovered" in event["log_format"]
        ]


@pytest.fixture
def post(tmp_path: Path, empty: Path) -> Iterator[WebhookSender]:
    world, lease = World.new(tmp_path, empty), Lease()
    post = WebhookSender(world, OverdueWatch(world.clock, world.store, lease), lease)
    with capturedLogs() as post.events:
        post.overdue_watch.startService()
        yield post
        done(post.overdue_watch.stopService())
        world.stop()  # which looks for timers that were left


def test_it_looks_first_when_what_it_found_at_start_is_claimed(post: WebhookSender) -> None:
    job = post.add(Watch(must_succeed_every=timedelta(seconds=1)))
    post.world.walk(EVERY - 0.1)
    assert post.overdue(job) is None
    post.world.walk(0.2)
    assert post.overdue(job) == 1


def test_a_job_that_has_had_no_success_is_told_once(post: WebhookSender) -> None:
    job = post.add()
    post.world.walk(19)
    assert post.overdue(job) is None
    post.world.walk(30)
    assert post.overdue(job) == 20
    reason = "no success within 20 s: none since 2024-01-01T00:00:00Z"
    assert post.said() == [f"job {job.id} (job) is overdue: {reason}"]


@pytest.mark.slow
def test_a_due_that_found_no_slot_is_late_until_it_starts(post: WebhookSender) -> None:
    post.world.most = 0
    job = post.add(LATE)
    post.world.walk(3600 + 19)
    assert post.overdue(job) is None
    post.world.walk(EVERY + 1)
    assert post.overdue(job) == 3620
    post.world.most = 1
    post.world.scheduler.slots_free()
    post.world.walk(EVERY)
    assert post.overdue(job) is None
    overdue, recovered = post.said()
    assert overdue.endswith(": no free slot: max_running runs are active")
    assert recovered == f"job {job.id} (job) has recovered: run {post.world.starts[0].id} has succeeded"


def test_more_jobs_than_one_batch_are_overdue_in_one_look(post: WebhookSender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 4)
    monkeypatch.setattr(module, "MOST", 3)
    jobs = [post.add() for _ in range(10)]
    post.world.walk(20 + EVERY - 0.1)
    assert [post.overdue(job) for job in jobs] == [20] * 10
    assert len(post.said()) == 10


def test_a_node_whose_lease_is_over_says_nothing(post: WebhookSender) -> None:
    job = post.add()
    post.lease.held = False
    post.world.walk(60)
    assert post.overdue(job) is None
    post.lease.held = True
    post.world.walk(EVERY)
    assert post.overdue(job) == 20


def test_a_node_that_loses_its_lease_in_a_look_stores_nothing(post: WebhookSender) -> None:
    job = post.add()
    post.world.walk(19)
    post.world.readers.holding = True
    post.world.walk(EVERY)
    post.lease.held = False
    post.world.readers.release()
    post.world.walk(EVERY)
    assert post.overdue(job) is None


def test_a_store_that_fails_is_told_once_and_asked_again(post: WebhookSender) -> None:
    job = post.add()
    post.world.writers.broken = Unavailable("the store is full")
    post.world.walk(20 + 4 * EVERY)
    told = [words for words in post.said() if "overdue" in words]
    assert told == ["overdue jobs could not be looked for, trying again in 5.0 s: the store is full"]
    post.world.writers.broken = None
    post.world.walk(EVERY)
    assert post.overdue(job) == 20


@pytest.mark.slow
def test_a_job_beyond_understanding_keeps_no_other_untold(post: WebhookSender) -> None:
    jobs = [post.add() for _ in range(5)]
    broken = post.world.add(Draft(task="task", name="job", cron="@hourly", watch=UNLUCKY))
    post.world.write(lambda c: c.execute(update(rows).where(rows.c.id == broken.id).values(timezone="Nowhere/Land")))
    post.world.walk(20 + EVERY)
    assert [post.overdue(job) for job in jobs] == [20] * 5
    told = [words for words in post.said() if "could not be checked for overdue dues" in words]
    assert told[0] == f"job {broken.id} could not be checked for overdue dues, trying again in 2 s"
    before = len(post.said())
    post.world.walk(600)
    assert 8 <= len(post.said()) - before <= 12, "more and more rarely"
    post.world.write(lambda c: c.execute(update(rows).where(rows.c.id == broken.id).values(timezone="UTC")))
    post.world.walk(60 + EVERY)
    assert post.overdue(broken) == 20


@pytest.mark.parametrize("seconds", [-86_400, 86_400])
def test_it_goes_on_when_the_wall_clock_was_stepped(post: WebhookSender, seconds: float) -> None:
    post.world.step(seconds)
    job = post.add()
    made = (job.created - T0).total_seconds()
    post.world.walk(20 + EVERY)
    assert post.overdue(job) == made + 20


def test_a_look_that_takes_long_is_not_joined_by_another(post: WebhookSender) -> None:
    post.add()
    post.world.walk(19)
    post.world.writers.holding = True
    post.world.walk(EVERY)
    assert len(post.world.writers.held) == 1
    post.world.walk(4 * EVERY)
    assert len(post.world.writers.held) == 1
    post.world.writers.release()
    assert len(post.said()) == 1


def test_it_stops_when_the_look_under_way_is_over(post: WebhookSender) -> None:
    post.add()
    post.world.walk(19)
    post.world.writers.holding = True
    post.world.walk(EVERY)
    over: list[None] = []
    post.overdue_watch.stopService().addCallback(over.append)
    assert over == []
    post.world.writers.release()
    assert over == [None]
    post.world.walk(4 * EVERY)
    assert len(post.said()) == 1


def test_one_that_never_began_stops(post: WebhookSender) -> None:
    done(OverdueWatch(post.world.clock, post.world.store, post.lease).stopService())
