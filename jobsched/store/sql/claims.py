"""Claiming in SQL: row locks are what holds. The decisions are in `store.claiming`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import case, update

from ...model.claim import Claimant, Claimed
from ...model.hold import Hold
from ...model.job import Due, Job
from ...model.node import Node
from ...model.owed import Stretch
from ...model.run import Run, State
from ...model.trigger import Schedule
from .. import claim_records, claiming
from . import backlog, holds, listen_notify, outbox, start_counts, stretches, wrong_clock
from . import jobs as job_rows
from . import nodes as node_rows
from . import runs as run_rows
from .tables import runs
from .transaction import Transaction, database_now


def claim(transaction: Transaction, who: Claimant, job_ids: Sequence[str]) -> Claimed:
    """As `Claims.claim`."""
    return claiming.claim(_Records(transaction), who, job_ids)


class _Records(start_counts.Giving, claim_records.Records):
    """Each method is one function of this package."""

    def now(self, local: datetime) -> datetime:
        return database_now(self._in, local)

    def standing_now(self, local: datetime) -> tuple[datetime, Hold | None]:
        return holds.standing_now(self._in, local)

    def declared_dead(self, node_id: str, instant: datetime) -> bool:
        return node_rows.declared_dead(self._in, node_id, instant)

    def lock_due(self, job_ids: Sequence[str], now: datetime) -> list[Job]:
        return job_rows.lock_due(self._in, job_ids, now)

    def dues_of(self, job_ids: Iterable[str]) -> list[Due]:
        return job_rows.dues_of(self._in, job_ids)

    def ripe_of(self, job_ids: Sequence[str], now: datetime) -> list[Run]:
        return run_rows.ripe_of(self._in, job_ids, now)

    def any_waiting(self) -> bool:
        return run_rows.any_waiting(self._in)

    def every_node(self) -> Sequence[Node]:
        return node_rows.every(self._in)

    def settled(self, job: Job, instant: datetime) -> tuple[Job, Stretch | None]:
        return wrong_clock.settled(self._in, job, instant)

    def add(self, new: Sequence[Run], schedules: Mapping[str, Schedule], now: datetime) -> None:
        stretches.add(self._in, new, schedules, now)

    def startable(
        self, now: datetime, most: int, node: Node | None, *, any_task: bool, hold: Hold | None
    ) -> tuple[list[Run], bool]:
        return backlog.startable(self._in, now, most, node, any_task=any_task, hold=hold)

    def start(self, started: Sequence[Run]) -> None:
        one = started[0]  # all are started by one node, at one instant
        values = {name: getattr(one, name) for name in ("state", "reason", "node", "node_id", "started")}
        waiting = runs.c.id.in_([run.id for run in started]), runs.c.state == "waiting"
        waited = [run.id for run in started if run.waited_for is not None]
        why = case((runs.c.id.in_(waited), runs.c.reason), else_=None)  # MariaDB has the old reason until it is set
        said = [("waited_for", why)] if waited else []
        self._in.execute(update(runs).where(*waiting).ordered_values(*said, *values.items()))
        self._in.have_changed(started)

    def end_waiting(self, active: list[Run], state: State, reason: str, now: datetime) -> tuple[list[Run], list[Run]]:
        return run_rows.end_waiting(self._in, active, state, reason, now)

    def move_on(self, moved: Iterable[tuple[Job, datetime | None, int]]) -> None:
        job_rows.move_on(self._in, moved)

    def ask_to_end(self, wanted: Iterable[Run], reason: str, asker: str) -> list[Run]:
        return run_rows.ask_to_end(self._in, wanted, reason, asker)

    def tell_started(self, started: Sequence[Run], known: Iterable[Job]) -> None:
        outbox.tell_started(self._in, started, known)

    def wake(self, asker: str) -> None:
        listen_notify.tell(self._in, asker)
