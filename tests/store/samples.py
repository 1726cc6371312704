"""Jobs and runs to store, and a way to ask a database without a thread."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
from sqlalchemy import Connection, func, insert, select

from jobsched.events import Events
from jobsched.model.claim import Claimant, Claimed
from jobsched.model.draft import Draft
from jobsched.model.ids import Ids
from jobsched.model.job import Job, Policy
from jobsched.model.node import Node
from jobsched.model.run import Run
from jobsched.store.sql import claims
from jobsched.store.sql import jobs as job_rows
from jobsched.store.sql import runs as run_rows
from jobsched.store.sql.store import Store
from jobsched.store.sql.tables import jobs, nodes, runs
from tests.fakes import InlinePool, StillReactor
from tests.unit.scheduler.world import done

T0 = datetime(2024, 1, 1, tzinfo=UTC)
IDS = Ids()


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def job(every: float = 60, *, made: float = 0, name: str = "job", policy: Policy | None = None, **fields: Any) -> Job:
    """An interval job, first due `every` seconds after T0."""
    draft = Draft(task="task", name=name, every=timedelta(seconds=every), policy=policy or Policy())
    return attrs.evolve(draft.job(IDS.make(at(made)), T0), **fields)


def job_count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(jobs)).scalar_one()


def run(due: float = 60, **fields: Any) -> Run:
    """A run of some job; running on the node `here` unless said otherwise."""
    given: dict[str, Any] = {
        "id": IDS.make(at(due)),
        "job_id": "job",
        "job_name": "job",
        "task": "task",
        "due": at(due),
        "created": at(due),
        "state": "running",
        "node": "node",
        "node_id": "here",
    }
    return Run(**(given | fields))


def claimant(seconds: float, slots: int = 10, **fields: Any) -> Claimant:
    """Who claims at so many seconds after T0."""
    given: dict[str, Any] = {"node": "node", "node_id": "here", "able_since": T0 - timedelta(days=1)}
    return Claimant(now=at(seconds), slots=slots, ids=IDS, **(given | fields))


def node(name: str, **fields: Any) -> Node:
    """A living node that has the one task; its id is not its name."""
    given: dict[str, Any] = {"id": f"id of {name}", "tasks": ("task",), "since": T0, "seen": T0}
    return Node(name=name, **(given | fields))


def asks(who: Node, *others: Node, **fields: Any) -> dict[str, Any]:
    """For a claim: who asks, and the other living nodes as it knows them."""
    return {"node": who.name, "node_id": who.id, "peers": (who, *others), "alone": False} | fields


def every_run(connection: Connection) -> list[Run]:
    return [run_rows.from_row(row) for row in connection.execute(select(runs).order_by(runs.c.due, runs.c.id))]


@attrs.frozen
class Desk:
    """Asks one store; each call is a transaction of its own, over when it returns."""

    store: Store
    events: Events = attrs.field(factory=Events)

    @classmethod
    def at(cls, url: str) -> Desk:
        events = Events()
        store = Store(StillReactor(), url, InlinePool, events=events)  # type: ignore[arg-type]
        store.startService()
        return cls(store, events)

    def read(self, question: Callable[..., Any], *args: Any) -> Any:
        return done(self.store.read(question, *args))

    def write(self, change: Callable[..., Any], *args: Any) -> Any:
        return done(self.store.write(change, *args))

    def add(self, *new: Job) -> None:
        self.write(job_rows.add, new)

    def insert(self, *new: Run) -> None:
        self.write(run_rows.insert_all, new)

    def queue(self, *new: Run) -> None:
        """Runs that wait, of jobs that are not due."""
        self.add(*(job(id=job_id, next_due=None) for job_id in {each.job_id for each in new}))
        self.insert(*new)

    def know(self, *new: Node) -> None:
        """Nodes are in the store as they are given."""
        rows = [attrs.asdict(each, recurse=False) | {"tasks": list(each.tasks)} for each in new]
        self.write(lambda connection: connection.execute(insert(nodes), rows))

    def claim(self, seconds: float, *wanted: Job, **fields: Any) -> Claimed:
        claimed: Claimed = self.write(claims.claim, claimant(seconds, **fields), [each.id for each in wanted])
        return claimed

    def ended(self, *ended: Run, state: str = "succeeded", seconds: float = 1000) -> bool:
        """Record the end of runs; whether any will be tried again."""
        notes = [attrs.evolve(each, state=state, reason=state, ended=at(seconds)) for each in ended]
        again: bool = self.write(run_rows.record, notes, IDS, lambda: 0.0)
        return again

    def runs(self) -> list[Run]:
        """Every run, by due."""
        found: list[Run] = self.read(every_run)
        return found

    def states(self) -> list[str]:
        return [each.state for each in self.runs()]

    def close(self) -> None:
        self.store.stopService()
