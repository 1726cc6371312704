"""Claiming in MongoDB: the jobs are held by being written. The decisions are in `store.claiming`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from ...model.claim import Claimant, Claimed
from ...model.hold import Hold
from ...model.job import Due, Job
from ...model.node import Node
from ...model.owed import Stretch
from ...model.run import Run, State
from ...model.trigger import Schedule
from .. import claim_records, claiming, news
from . import backlog, holds, jobs, nodes, ordering, outcomes, runs, stretches, wrong_clock
from .documents import values
from .outbox import Records as Outbox
from .transaction import Transaction


def claim(transaction: Transaction, who: Claimant, job_ids: Sequence[str]) -> Claimed:
    """As `Claims.claim`."""
    return claiming.claim(_Records(transaction), who, job_ids)


class _Records(claim_records.Records):
    """Each method is one function of this package."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def now(self, local: datetime) -> datetime:
        return self._in.now(local)

    def standing_now(self, local: datetime) -> tuple[datetime, Hold | None]:
        return self._in.now(local), holds.last(self._in)

    def declared_dead(self, node_id: str, instant: datetime) -> bool:
        return nodes.declared_dead(self._in, node_id, instant)

    def lock_due(self, job_ids: Sequence[str], now: datetime) -> list[Job]:
        return jobs.hold_due(self._in, job_ids, now)

    def dues_of(self, job_ids: Iterable[str]) -> list[Due]:
        return jobs.dues_of(self._in, job_ids)

    def ripe_of(self, job_ids: Sequence[str], now: datetime) -> list[Run]:
        return runs.ripe_of(self._in, job_ids, now)

    def any_waiting(self) -> bool:
        return runs.any_waiting(self._in)

    def every_node(self) -> Sequence[Node]:
        return nodes.every(self._in)

    def settled(self, job: Job, instant: datetime) -> tuple[Job, Stretch | None]:
        return wrong_clock.settled(self._in, job, instant)

    def add(self, new: Sequence[Run], schedules: Mapping[str, Schedule], now: datetime) -> None:
        stretches.add(self._in, new, schedules, now)

    def startable(
        self, now: datetime, most: int, node: Node | None, *, any_task: bool, hold: Hold | None
    ) -> tuple[list[Run], bool]:
        """Nothing is held up: a claim that collides with another change is made again."""
        return backlog.startable(self._in, now, most, node, any_task=any_task, hold=hold), False

    def start(self, started: Sequence[Run]) -> None:
        said = values(started[0])  # all are started by one node, at one instant
        begun = {name: said[name] for name in ("state", "reason", "node", "node_id", "started")}
        for why in {run.waited_for for run in started}:
            same = [run.id for run in started if run.waited_for == why]
            self._in.update("runs", {"_id": {"$in": same}}, begun | {"waited_for": why})
        self._in.have_changed(started)

    def end_waiting(self, active: list[Run], state: State, reason: str, now: datetime) -> tuple[list[Run], list[Run]]:
        return outcomes.end_waiting(self._in, active, state, reason, now)

    def move_on(self, moved: Iterable[tuple[Job, datetime | None, int]]) -> None:
        jobs.move_on(self._in, moved)

    def ask_to_end(self, wanted: Iterable[Run], reason: str, asker: str) -> list[Run]:
        return runs.ask_to_end(self._in, wanted, reason, asker)

    def tell_started(self, started: Sequence[Run], known: Iterable[Job]) -> None:
        news.tell_started(Outbox(self._in), started, known)

    def wake(self, asker: str) -> None:
        self._in.wake(asker)

    def begun(self, dues: Collection[tuple[str, datetime]], besides: Sequence[Run]) -> set[tuple[str, datetime]]:
        return ordering.begun(self._in, dues, besides)
