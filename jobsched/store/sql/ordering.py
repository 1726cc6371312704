"""What orders ask of a transaction in SQL, and write in it: each method is one function of this package."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import attrs
from sqlalchemy import ColumnElement, insert, select, tuple_

from ...model.audit import Entry
from ...model.hold import Hold
from ...model.job import Job, JobView
from ...model.node import Node
from ...model.order import IdempotencyKey
from ...model.run import Run, State
from .. import job_columns, ordering
from ..ordering import Known
from ..placement import LivingNodes
from . import audit, holds, job_ids, job_keys, queries, settling, start_counts, wrong_clock
from . import jobs as job_rows
from . import nodes as node_rows
from . import runs as run_rows
from .tables import jobs, keys, runs

_WRITE_KEYS = insert(keys)  # built once: building costs more than asking


class Records(
    settling.Settling, start_counts.Giving, job_ids.Records, job_keys.Records, holds.Holding, ordering.Records
):
    """Asks and writes in one transaction."""

    def hold_job(self, job_id: str) -> Job | None:
        row = self._in.execute(select(jobs).where(jobs.c.id == job_id).with_for_update()).one_or_none()
        return None if row is None else job_columns.from_row(row)

    def hold_job_of(self, run_id: str) -> None:
        run_rows.hold_job_of(self._in, run_id)

    def add_jobs(self, new: Sequence[Job], new_ids: set[str]) -> None:
        job_rows.add(self._in, new, new_ids=new_ids)

    def remove_job(self, job_id: str) -> None:
        job_rows.remove(self._in, job_id)

    def view(self, job_id: str, now: datetime) -> JobView:
        return queries.job(self._in, job_id, now)

    def get_run(self, run_id: str) -> Run | None:
        return run_rows.get(self._in, run_id)

    def hold_run(self, run_id: str) -> Run | None:
        self._in.execute(select(runs.c.id).where(runs.c.id == run_id).with_for_update())
        return run_rows.get(self._in, run_id)

    def active_of(self, job_ids: Sequence[str]) -> list[Run]:
        return run_rows.active_of(self._in, job_ids)

    def ripe_of(self, job_ids: Sequence[str], now: datetime) -> list[Run]:
        return run_rows.ripe_of(self._in, job_ids, now)

    def end_waiting(self, active: list[Run], state: State, reason: str, now: datetime) -> tuple[list[Run], list[Run]]:
        return run_rows.end_waiting(self._in, active, state, reason, now)

    def ask_to_end(self, wanted: Iterable[Run], reason: str, asker: str) -> list[Run]:
        return run_rows.ask_to_end(self._in, wanted, reason, asker)

    def has_run_at(self, job_id: str, due: datetime) -> bool:
        its = select(runs.c.id).where(runs.c.job_id == job_id, runs.c.due == due)
        return self._in.execute(its).first() is not None

    def decided(self, job_id: str, instant: datetime) -> tuple[datetime | None, datetime | None]:
        return wrong_clock.decided(self._in, job_id, instant)

    def living_nodes(self, last_heard: Sequence[Node], own: str, local: datetime) -> LivingNodes:
        return node_rows.living_nodes(self._in, last_heard, own, local)

    def standing_hold(self) -> Hold | None:
        return holds.standing(self._in)

    def recall(self, asked: Sequence[IdempotencyKey]) -> Known:
        if not asked:
            return Known({})
        if len(asked) == 1:  # by far the most, and each database goes by the index
            its: ColumnElement[bool] = (keys.c.scope == asked[0].scope) & (keys.c.key == asked[0].key)
        else:
            its = tuple_(keys.c.scope, keys.c.key).in_([(key.scope, key.key) for key in asked])
        found = self._in.execute(select(keys.c.scope, keys.c.key, keys.c.digest, keys.c.target).where(its))
        return Known({(row.scope, row.key): (row.digest, row.target) for row in found})

    def remember(self, made: Sequence[tuple[IdempotencyKey, str, datetime]]) -> None:
        if made:
            rows = [{**attrs.asdict(key), "target": target, "created": now} for key, target, now in made]
            self._in.execute(_WRITE_KEYS, rows)

    def enter(self, entries: Sequence[Entry]) -> list[Entry]:
        return audit.write_all(self._in, entries)

    def task_of_job(self, job_id: str) -> str | None:
        return self._in.execute(select(jobs.c.task).where(jobs.c.id == job_id).with_for_update()).scalar()

    def task_of_run(self, run_id: str) -> str | None:
        return self._in.execute(select(runs.c.task).where(runs.c.id == run_id)).scalar()
