"""The last released schema, and a daemon that knows no other: for upgrades, and two versions side by side."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, MetaData, Table, insert, select, update

from jobsched.store.sql import schema
from jobsched.store.sql.engine import connect, writing
from tests.store.samples import T0

RELEASED = "0001"
SECOND = 1_000_000  # microseconds: these tables know no other time
BEGIN = int(T0.timestamp()) * SECOND


def make_older(url: str, schema_: str = RELEASED) -> None:
    """Give an empty database the schema of the last release, or a given one."""
    engine = connect(url, patient=True)
    config = Config()
    config.set_main_option("script_location", str(schema.HERE).replace("%", "%%"))
    with writing(engine).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, schema_)
    engine.dispose()


def job_row(job_id: str, **fields: Any) -> dict[str, Any]:
    """A job as the last release stored it: each hour, first due an hour after T0."""
    row: dict[str, Any] = {
        "id": job_id, "name": "job", "task": "task", "every": 3600 * SECOND, "anchor": BEGIN, "cron": None, "at": None,
        "timezone": "UTC", "start": None, "end": None, "jitter": 0, "overlap": "skip", "misfire_grace": 60 * SECOND,
        "catch_up": "latest", "retries": 0, "retry_delay": 60 * SECOND, "timeout": None, "parameters": "{}",
        "max_runs": None, "paused": False, "next_due": BEGIN + 3600 * SECOND, "starts": 0, "version": 1,
        "created": BEGIN, "updated": BEGIN,
    }  # fmt: skip
    assert not fields.keys() - row.keys()
    return row | fields


def run_row(run_id: str, **fields: Any) -> dict[str, Any]:
    """A run as the last release stored it; it waits."""
    row: dict[str, Any] = {
        "id": run_id, "job_id": "job", "job_name": "job", "task": "task", "due": BEGIN, "until": None, "count": 1,
        "attempt": 1, "cause": "schedule", "state": "waiting", "reason": "", "not_before": None, "overlaps": False,
        "parameters": "{}", "timeout": None, "node": None, "node_id": None, "pid": None, "pid_started": None,
        "created": BEGIN, "started": None, "ended": None, "exit_code": None, "signal": None, "output_bytes": 0,
        "output_kept": 0, "output_truncated": False,
    }  # fmt: skip
    assert not fields.keys() - row.keys()
    return row | fields


def key_row(key: str, **fields: Any) -> dict[str, Any]:
    """An Idempotency-Key as the last release stored it."""
    return {"scope": "/jobs", "key": key, "digest": "same", "target": "job", "created": BEGIN} | fields


@attrs.frozen
class Older:
    """A daemon of the last release on node `older`. Its tables are those that it found; make it before an upgrade."""

    engine: Engine
    jobs: Table
    runs: Table
    keys: Table

    @classmethod
    def at(cls, url: str) -> Older:
        engine = connect(url)
        found = MetaData()
        found.reflect(engine, only=["jobs", "runs", "keys"])
        return cls(writing(engine), *(found.tables[name] for name in ("jobs", "runs", "keys")))

    def close(self) -> None:
        self.engine.dispose()

    def insert(self, table: Table, *rows: dict[str, Any]) -> None:
        with self.engine.begin() as connection:
            connection.execute(insert(table), list(rows))

    def rows(self, table: Table) -> list[dict[str, Any]]:
        """All that it can see, in order."""
        with self.engine.begin() as connection:
            asked = connection.execute(select(table).order_by(*table.primary_key.columns))
            return [dict(row._mapping) for row in asked]

    def claim(self, ids: Iterable[str], now: int) -> list[tuple[str, int]]:
        """Start the first due of each of those jobs that is due by then; (job, due) of those it got."""
        with self.engine.begin() as connection:
            return [self._start(connection, job, now) for job in self._lock_due(connection, ids, now)]

    def _lock_due(self, connection: Connection, ids: Iterable[str], now: int) -> list[Any]:
        jobs = self.jobs.c
        due = jobs.id.in_(list(ids)) & (jobs.next_due <= now) & jobs.paused.is_(False)
        return list(connection.execute(select(self.jobs).where(due).with_for_update(skip_locked=True)))

    def _start(self, connection: Connection, job: Any, now: int) -> tuple[str, int]:
        run = run_row(
            f"older {job.id}", job_id=job.id, job_name=job.name, task=job.task, due=job.next_due, state="running",
            reason="is running", node="older", node_id="older", created=now, started=now,
        )  # fmt: skip
        connection.execute(insert(self.runs).values(run))
        moved = {"next_due": job.next_due + job.every, "starts": job.starts + 1}
        connection.execute(update(self.jobs).where(self.jobs.c.id == job.id).values(moved))
        return job.id, job.next_due

    def record(self, run_id: str, state: str, now: int) -> bool:
        """Write what became of a run, if it is its own and has no outcome."""
        runs = self.runs.c
        mine = (runs.id == run_id) & (runs.node_id == "older") & runs.state.in_(["running", "stopping"])
        values = {"state": state, "reason": state, "ended": now, "exit_code": 0}
        with self.engine.begin() as connection:
            return connection.execute(update(self.runs).where(mine).values(values)).rowcount == 1

    def change(self, job_id: str, **fields: Any) -> None:
        """Replace a job by itself with other `fields`: every column that it knows is written."""
        with self.engine.begin() as connection:
            one = self.jobs.c.id == job_id
            row = dict(connection.execute(select(self.jobs).where(one).with_for_update()).one()._mapping)
            connection.execute(update(self.jobs).where(one).values(row | fields))


@attrs.frozen
class OlderNode:
    """A daemon of schema 0003 among nodes, which knows a lease of 10 s and no other. Make it before an upgrade."""

    engine: Engine
    nodes: Table

    @classmethod
    def at(cls, url: str) -> OlderNode:
        engine = connect(url)
        found = MetaData()
        found.reflect(engine, only=["nodes"])
        return cls(writing(engine), found.tables["nodes"])

    def close(self) -> None:
        self.engine.dispose()

    def join(self, node_id: str, now: int) -> None:
        row: dict[str, Any] = {"id": node_id, "name": "older", "url": None, "tags": None}
        row |= {"tasks": "[]", "version": "0.1.0", "since": now, "seen": now}
        row |= {"state": "alive", "running": 0, "slots": 9, "tried": 0, "won": 0}
        with self.engine.begin() as connection:
            connection.execute(insert(self.nodes).values(row))

    def beat(self, node_id: str, now: int) -> dict[str, bool]:
        """Say that it lives; of each node that is not dead, whether it takes it for alive."""
        nodes = self.nodes.c
        mine = (nodes.id == node_id) & (nodes.state == "alive")
        with self.engine.begin() as connection:
            assert connection.execute(update(self.nodes).where(mine).values(seen=now, running=1)).rowcount == 1
            living = connection.execute(select(self.nodes).where(nodes.state == "alive")).all()
        return {row.id: row.seen >= now - 10 * SECOND for row in living}

    def declare_dead(self, now: int) -> None:
        """Declare dead whatever is late for it."""
        nodes = self.nodes.c
        late = (nodes.state == "alive") & (nodes.seen < now - 10 * SECOND)
        with self.engine.begin() as connection:
            connection.execute(update(self.nodes).where(late).values(state="dead", running=0, slots=0))

    def leave(self, node_id: str, now: int) -> None:
        with self.engine.begin() as connection:
            mine = self.nodes.c.id == node_id
            connection.execute(update(self.nodes).where(mine).values(state="stopped", seen=now, running=0, slots=0))
