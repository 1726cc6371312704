"""MongoDB for the tests of the contract."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, cast

import attrs
import pytest
from pymongo.errors import BulkWriteError
from twisted.internet.defer import Deferred

from jobsched.events import Events
from jobsched.model.audit import Entry
from jobsched.model.delivery import Delivery
from jobsched.model.job import Job
from jobsched.model.node import Node
from jobsched.model.order import IdempotencyKey
from jobsched.model.run import Run, Tail
from jobsched.reactor_types import Reactor
from jobsched.store.contract import store as contract
from jobsched.store.mongo import audit, jobs, nodes, ordering, runs, schema, transaction
from jobsched.store.mongo.client import connect, database
from jobsched.store.mongo.documents import (
    Document,
    from_document,
    instant_of,
    instant_to_number,
    span_to_number,
    to_document,
)
from jobsched.store.mongo.store import Store
from jobsched.store.mongo.transaction import Transaction
from tests.fakes import InlinePool, StillReactor
from tests.store.bench import Bench
from tests.unit.scheduler.world import done


@attrs.frozen
class MongoBench:
    """Reads and writes the documents."""

    store: Store

    def add_jobs(self, new: Iterable[Job]) -> None:
        done(self.store.write(jobs.add, new))

    def replace_job(self, job: Job) -> None:
        done(self.store.write(jobs.put, job))

    def add_runs(self, new: Iterable[Run]) -> None:
        self._insert("runs", [to_document(each) for each in new])

    def replace_run(self, run: Run) -> None:
        self._replace("runs", to_document(run))

    def forget_runs(self, run_ids: Iterable[str]) -> None:
        done(self.store.write(lambda change: change.delete("runs", {"_id": {"$in": list(run_ids)}})))

    def add_tails(self, new: Iterable[Tail]) -> None:
        done(self.store.write(runs.save_tails, new))

    def keep_success(self, job_id: str, ended: datetime) -> None:
        self._set_job(job_id, succeeded=ended)

    def success(self, job_id: str) -> datetime | None:
        return self._instant(job_id, "succeeded")

    def set_failing(self, job_id: str, since: datetime) -> None:
        self._set_job(job_id, failing=since)

    def failing(self, job_id: str) -> datetime | None:
        return self._instant(job_id, "failing")

    def add_entries(self, new: Iterable[Entry]) -> list[Entry]:
        return [entry for each in new for entry in done(self.store.write(audit.write_all, [each]))]

    def entries(self) -> list[Entry]:
        return [from_document(Entry, each) for each in self._all("audit")]

    def add_key(self, key: IdempotencyKey, target: str, created: datetime) -> None:
        done(self.store.write(lambda change: ordering.Records(change).remember([(key, target, created)])))

    def keys(self) -> list[IdempotencyKey]:
        found = sorted(self._all("keys"), key=lambda each: (each["scope"], each["key"]))
        return [IdempotencyKey(scope=each["scope"], key=each["key"], digest=each["digest"]) for each in found]

    def jobs(self) -> list[Job]:
        return [jobs.from_document(each) for each in self._all("jobs")]

    def prefer(self, monkeypatch: pytest.MonkeyPatch, few: int, little: int) -> None:
        """There is one way only."""

    def runs(self) -> list[Run]:
        return sorted((from_document(Run, each) for each in self._all("runs")), key=lambda run: (run.due, run.id))

    def add_nodes(self, new: Iterable[Node]) -> None:
        self._insert("nodes", [to_document(each) for each in new])

    def replace_node(self, node: Node) -> None:
        self._replace("nodes", to_document(node))

    def lease(self) -> timedelta | None:
        kept: timedelta | None = done(self.store.read(nodes.agreed_lease))
        return kept

    def set_lease(self, lease: timedelta | None) -> None:
        done(self.store.write(lambda change: change.delete("settings", {"_id": nodes.LEASE})))
        if lease is not None:
            self._insert("settings", [{"_id": nodes.LEASE, "value": span_to_number(lease)}])

    def add_deliveries(self, new: Iterable[Delivery]) -> None:
        self._insert("deliveries", [to_document(each) for each in new])

    def replace_delivery(self, delivery: Delivery) -> None:
        self._replace("deliveries", to_document(delivery))

    def nodes(self) -> list[Node]:
        return [from_document(Node, each) for each in self._all("nodes")]

    def deliveries(self) -> list[Delivery]:
        return [from_document(Delivery, each) for each in self._all("deliveries")]

    def now(self, fallback: datetime) -> datetime:
        told: datetime = done(self.store.read(Transaction.now, fallback))
        return told

    def _set_job(self, job_id: str, **values: datetime) -> None:
        said: Document = {name: instant_to_number(value) for name, value in values.items()}
        done(self.store.write(lambda change: change.update("jobs", {"_id": job_id}, said)))

    def _instant(self, job_id: str, name: str) -> datetime | None:
        (found,) = (each.get(name) for each in self._all("jobs") if each["_id"] == job_id)
        return None if found is None else instant_of(found)

    def _insert(self, name: str, documents: list[Document]) -> None:
        done(self.store.write(lambda change: change.insert(name, documents)))

    def _replace(self, name: str, document: Document) -> None:
        done(self.store.write(lambda change: change.update(name, {"_id": document["_id"]}, document)))

    def _all(self, name: str) -> list[Document]:
        asked: Deferred[list[Document]] = self.store.read(lambda question: question.find(name, {}, [("_id", 1)]))
        found: list[Document] = done(asked)
        return found


@attrs.frozen
class MongoEngine:
    """A server that speaks MongoDB's protocol."""

    refusal: type[Exception] = BulkWriteError

    def migrate(self, url: str) -> None:
        schema.migrate(url)

    def clear(self, url: str) -> None:
        client = connect(url)
        place = database(client)
        for name in place.list_collection_names():
            place[name].delete_many({"_id": {"$ne": schema.VERSION}})
        client.close()

    def believe(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(transaction, "_HAS_CLOCK", [False])

    def start(self, reactor: Reactor, url: str) -> contract.Store:
        store = Store(reactor, url)
        store.startService()
        return store

    def open(self, url: str, events: Events, everyone: str | None) -> tuple[contract.Store, Bench]:
        pool = cast(Any, InlinePool)  # a fake
        store = Store(cast(Any, StillReactor()), url, pool, events=events, everyone=everyone)
        store.startService()
        return store, MongoBench(store)
