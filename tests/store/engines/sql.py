"""SQLite, PostgreSQL and MariaDB for the tests of the contract."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs
import pytest
from sqlalchemy import Row, Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from jobsched.events import Events
from jobsched.model.audit import Entry
from jobsched.model.delivery import Delivery
from jobsched.model.job import Job
from jobsched.model.lease import FIXED
from jobsched.model.node import Node
from jobsched.model.order import IdempotencyKey
from jobsched.model.run import Run, Tail
from jobsched.reactor_types import Reactor
from jobsched.store import job_columns, opening
from jobsched.store.contract import store as contract
from jobsched.store.sql import audit, engine, run_pages, transaction
from jobsched.store.sql import deliveries as delivery_rows
from jobsched.store.sql import jobs as job_rows
from jobsched.store.sql import nodes as node_rows
from jobsched.store.sql import runs as run_rows
from jobsched.store.sql import tails as tail_rows
from jobsched.store.sql.store import Store
from jobsched.store.sql.tables import audit as entries
from jobsched.store.sql.tables import deliveries, hold, jobs, keys, metadata, nodes, runs, settings
from jobsched.store.sql.transaction import Transaction, database_now
from tests.fakes import InlinePool, StillReactor
from tests.unit.scheduler.world import done


@attrs.frozen
class SqlBench:
    """Reads and writes the rows."""

    store: Store

    def add_jobs(self, new: Iterable[Job]) -> None:
        done(self.store.write(job_rows.add, new))

    def replace_job(self, job: Job) -> None:
        done(self.store.write(job_rows.put, job))

    def add_runs(self, new: Iterable[Run]) -> None:
        self._insert(runs, [attrs.asdict(each, recurse=False) for each in new])

    def replace_run(self, run: Run) -> None:
        self._replace(runs, attrs.asdict(run, recurse=False))

    def forget_runs(self, run_ids: Iterable[str]) -> None:
        done(self.store.write(lambda transaction: transaction.execute(delete(runs).where(runs.c.id.in_(run_ids)))))

    def add_nodes(self, new: Iterable[Node]) -> None:
        self._insert(nodes, [_node_row(each) for each in new])

    def replace_node(self, node: Node) -> None:
        self._replace(nodes, _node_row(node))

    def lease(self) -> timedelta | None:
        kept: timedelta | None = done(self.store.read(node_rows.agreed_lease))
        return kept

    def set_lease(self, lease: timedelta | None) -> None:
        done(
            self.store.write(
                lambda transaction: transaction.execute(delete(settings).where(settings.c.name == "lease"))
            )
        )
        if lease is not None:
            self._insert(settings, [{"name": "lease", "value": lease.total_seconds()}])

    def add_entries(self, new: Iterable[Entry]) -> list[Entry]:
        return [done(self.store.write(audit.write, each)) for each in new]

    def add_deliveries(self, new: Iterable[Delivery]) -> None:
        self._insert(deliveries, [attrs.asdict(each) for each in new])

    def replace_delivery(self, delivery: Delivery) -> None:
        self._replace(deliveries, attrs.asdict(delivery))

    def add_tails(self, new: Iterable[Tail]) -> None:
        done(self.store.write(tail_rows.save, new))

    def keep_success(self, job_id: str, ended: datetime) -> None:
        self._set_job(job_id, succeeded=ended)

    def success(self, job_id: str) -> datetime | None:
        ended: datetime | None = self._job(job_id).succeeded
        return ended

    def set_failing(self, job_id: str, since: datetime) -> None:
        self._set_job(job_id, failing=since)

    def failing(self, job_id: str) -> datetime | None:
        since: datetime | None = self._job(job_id).failing
        return since

    def add_key(self, key: IdempotencyKey, target: str, created: datetime) -> None:
        self._insert(keys, [attrs.asdict(key) | {"target": target, "created": created}])

    def keys(self) -> list[IdempotencyKey]:
        found = self._rows(keys, keys.c.scope, keys.c.key)
        return [IdempotencyKey(scope=row.scope, key=row.key, digest=row.digest) for row in found]

    def jobs(self) -> list[Job]:
        return [job_columns.from_row(row) for row in self._rows(jobs, jobs.c.id)]

    def runs(self) -> list[Run]:
        return [run_rows.from_row(row) for row in self._rows(runs, runs.c.due, runs.c.id)]

    def nodes(self) -> list[Node]:
        return [node_rows.from_row(row) for row in self._rows(nodes, nodes.c.id)]

    def deliveries(self) -> list[Delivery]:
        return [delivery_rows.from_row(row) for row in self._rows(deliveries, deliveries.c.id)]

    def entries(self) -> list[Entry]:
        return [Entry(**row._mapping) for row in self._rows(entries, entries.c.id)]

    def prefer(self, monkeypatch: pytest.MonkeyPatch, few: int, little: int) -> None:
        monkeypatch.setattr(run_pages, "FEW", few)
        monkeypatch.setattr(run_pages, "LITTLE", little)

    def now(self, fallback: datetime) -> datetime:
        told: datetime = done(self.store.read(database_now, fallback))
        return told

    def _insert(self, table: Table, rows: list[dict[str, Any]]) -> None:
        if rows:
            done(self.store.write(lambda transaction: transaction.execute(insert(table), rows)))

    def _replace(self, table: Table, row: dict[str, Any]) -> None:
        changed = update(table).where(table.c.id == row["id"]).values(row)
        done(self.store.write(lambda transaction: transaction.execute(changed)))

    def _job(self, job_id: str) -> Row[Any]:
        (row,) = (row for row in self._rows(jobs, jobs.c.id) if row.id == job_id)
        return row

    def _set_job(self, job_id: str, **values: Any) -> None:
        changed = update(jobs).where(jobs.c.id == job_id).values(values)
        done(self.store.write(lambda transaction: transaction.execute(changed)))

    def _rows(self, table: Table, *order: Any) -> Sequence[Row[Any]]:
        def all_of_them(transaction: Transaction) -> Sequence[Row[Any]]:
            return transaction.execute(select(table).order_by(*order)).all()

        found: Sequence[Row[Any]] = done(self.store.read(all_of_them))
        return found


def _node_row(node: Node) -> dict[str, Any]:
    row = node_rows.to_row(node)
    if node.lease_asked is None and node.lease == FIXED:
        row["lease"] = None  # as a node of a release without the option leaves it
    return row


@attrs.frozen
class SqlEngine:
    """Any of the three."""

    refusal: type[Exception] = IntegrityError

    def migrate(self, url: str) -> None:
        opening.migrate(url)

    def clear(self, url: str) -> None:
        connected = engine.connect(url)
        with engine.writing(connected).begin() as connection:
            for table in metadata.sorted_tables:
                if table is hold:  # whose one row is always there
                    nothing = {column.name: None for column in hold.c if column.name != "id"}
                    connection.execute(update(hold).values(nothing))
                else:
                    connection.execute(delete(table))
        connected.dispose()

    def believe(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(transaction, "_ASK_TIME", {})

    def start(self, reactor: Reactor, url: str) -> contract.Store:
        store = opening.open_store(reactor, url)
        store.startService()
        return store

    def open(self, url: str, events: Events, everyone: str | None) -> tuple[Store, SqlBench]:
        store = Store(StillReactor(), url, InlinePool, events=events, everyone=everyone)  # type: ignore[arg-type]  # a fake
        store.startService()
        return store, SqlBench(store)
