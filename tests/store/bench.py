"""What the tests need of a kind of database besides the contract, so that they know no more of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol

import pytest

from jobsched.events import Events
from jobsched.model.audit import Entry
from jobsched.model.delivery import Delivery
from jobsched.model.job import Job
from jobsched.model.node import Node
from jobsched.model.order import IdempotencyKey
from jobsched.model.run import Run, Tail
from jobsched.reactor_types import Reactor
from jobsched.store.contract.store import Store


class Bench(Protocol):
    """Puts things into a store as they are, and shows all that is in it. Nobody is told, and nothing else changes.

    Each call is a change or a question of its own, and over when it returns.
    """

    def add_jobs(self, new: Iterable[Job]) -> None:
        """Store new jobs."""

    def replace_job(self, job: Job) -> None:
        """Write a job over the one of the same id: what a caller may change of it, and when it is due."""

    def add_runs(self, new: Iterable[Run]) -> None:
        """Store new runs, all or none. Raises `refusal` where (job, due, attempt, place) is not unique."""

    def replace_run(self, run: Run) -> None:
        """Write a run over the one of the same id."""

    def forget_runs(self, run_ids: Iterable[str]) -> None:
        """These runs were never there."""

    def add_nodes(self, new: Iterable[Node]) -> None:
        """Store nodes, whoever is alive."""

    def replace_node(self, node: Node) -> None:
        """Write a node over the one of the same id."""

    def lease(self) -> timedelta | None:
        """The lease that the nodes have agreed on; None: no node has asked for one."""

    def set_lease(self, lease: timedelta | None) -> None:
        """Keep that one, however long or short, instead."""

    def add_entries(self, new: Iterable[Entry]) -> list[Entry]:
        """Write entries of the audit log, by the store's time where it has a clock; as they were written."""

    def add_deliveries(self, new: Iterable[Delivery]) -> None:
        """Store notifications."""

    def replace_delivery(self, delivery: Delivery) -> None:
        """Write a notification over the one of the same id."""

    def add_tails(self, new: Iterable[Tail]) -> None:
        """Keep the tails of runs as `Runs.record` does, of runs that are there alone."""

    def keep_success(self, job_id: str, ended: datetime) -> None:
        """The last success of a job was then, by a run that is not kept."""

    def success(self, job_id: str) -> datetime | None:
        """The last success of a job, as far as it is kept without its run."""

    def set_failing(self, job_id: str, since: datetime) -> None:
        """The receiver of a job was told that it fails since then."""

    def failing(self, job_id: str) -> datetime | None:
        """Since when a job fails, as far as its receiver was told."""

    def add_key(self, key: IdempotencyKey, target: str, created: datetime) -> None:
        """Remember what was made under a key."""

    def keys(self) -> list[IdempotencyKey]:
        """All keys that are remembered."""

    def jobs(self) -> list[Job]:
        """All jobs, by id."""

    def runs(self) -> list[Run]:
        """All runs, by due."""

    def nodes(self) -> list[Node]:
        """All nodes, by id."""

    def deliveries(self) -> list[Delivery]:
        """All notifications, by id."""

    def entries(self) -> list[Entry]:
        """The audit log, oldest first."""

    def prefer(self, monkeypatch: pytest.MonkeyPatch, few: int, little: int) -> None:
        """Until the test ends: look for runs job by job where no more than `few` jobs have a label, and one by one
        where no more than `little` runs are newer than what is asked for. A store with one way only ignores it."""

    def now(self, fallback: datetime) -> datetime:
        """What time it is for the store; `fallback` where it has no clock."""


class Engine(Protocol):
    """A kind of database, as the fixtures need it."""

    @property
    def refusal(self) -> type[Exception]:
        """What a change raises that would store the same thing twice."""

    def migrate(self, url: str) -> None:
        """Create or upgrade what is stored there."""

    def clear(self, url: str) -> None:
        """Forget all that is stored."""

    def believe(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let it be, until the test ends, the time that a caller says, and not that of the database."""

    def start(self, reactor: Reactor, url: str) -> Store:
        """A running store with threads of its own, as a node has it."""

    def open(self, url: str, events: Events, everyone: str | None) -> tuple[Store, Bench]:
        """A running store without threads: each Deferred has fired when it is given back."""
