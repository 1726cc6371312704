"""Jobs and runs to store, and a way to ask a database without a thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import attrs
from twisted.internet.defer import Deferred

from jobsched.events import Events
from jobsched.model.audit import Signature
from jobsched.model.caller import ANYBODY, Caller
from jobsched.model.claim import Claimant, Claimed
from jobsched.model.draft import Draft
from jobsched.model.ids import Ids
from jobsched.model.job import Job, Policy
from jobsched.model.node import Node
from jobsched.model.order import Issued, Order, Performed
from jobsched.model.run import Run, State, Tail
from jobsched.store.contract.store import Store
from tests.store.bench import Bench
from tests.unit.scheduler.world import done

T = TypeVar("T")
T0 = datetime(2024, 1, 1, tzinfo=UTC)
IDS = Ids()


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def job(every: float = 60, *, made: float = 0, name: str = "job", policy: Policy | None = None, **fields: Any) -> Job:
    """An interval job, first due `every` seconds after T0."""
    draft = Draft(task="task", name=name, every=timedelta(seconds=every), policy=policy or Policy())
    return attrs.evolve(draft.job(IDS.make(at(made)), T0), **fields)


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


def signature(seconds: float, **fields: Any) -> Signature:
    """Whose order it is, so many seconds after T0."""
    given: dict[str, Any] = {"id": IDS.make(at(seconds)), "at": at(seconds), "who": "alice", "address": "192.0.2.7"}
    return Signature(**({"node": "alpha"} | given | fields))


def node(name: str, **fields: Any) -> Node:
    """A living node that has the one task; its id is not its name."""
    given: dict[str, Any] = {"id": f"id of {name}", "tasks": ("task",), "since": T0, "seen": T0, "slots": 4}
    return Node(name=name, **(given | fields))


def asks(who: Node, *others: Node, **fields: Any) -> dict[str, Any]:
    """For a claim: who asks, and the other living nodes as it knows them."""
    return {"node": who.name, "node_id": who.id, "peers": (who, *others), "alone": False} | fields


@attrs.frozen
class Desk:
    """Asks one store; each call is a question or a change of its own, over when it returns."""

    store: Store
    bench: Bench
    events: Events

    def ask(self, answer: Deferred[T]) -> T:
        """What the store answers."""
        answered: T = done(answer)
        return answered

    def add(self, *new: Job) -> None:
        self.bench.add_jobs(new)

    def insert(self, *new: Run) -> None:
        self.bench.add_runs(new)

    def queue(self, *new: Run) -> None:
        """Runs that wait, of jobs that are not due."""
        self.add(*(job(id=job_id, next_due=None) for job_id in {each.job_id for each in new}))
        self.insert(*new)

    def know(self, *new: Node) -> None:
        """Nodes are in the store as they are given."""
        self.bench.add_nodes(new)

    def claim(self, seconds: float, *wanted: Job, **fields: Any) -> Claimed:
        return self.ask(self.store.claims.claim(claimant(seconds, **fields), [each.id for each in wanted]))

    def perform(
        self, order: Order[T], seconds: float = 0, *, by: Signature | None = None, caller: Caller = ANYBODY,
        node_id: str = "",
    ) -> Performed[T]:  # fmt: skip
        """A caller gives this order so many seconds after T0, through that node."""
        issued = Issued(signature=by or signature(seconds), caller=caller, node_id=node_id, ids=IDS)
        return self.ask(self.store.orders.perform(order, issued))

    def order(self, order: Order[T], seconds: float = 0, **fields: Any) -> T:
        """The same, and what is answered."""
        return self.perform(order, seconds, **fields).answer

    def record(self, *noted: Run, tails: Callable[[str], Tail | None] = lambda _: None) -> bool:
        """Write what became of runs; whether any will be tried again."""
        return self.ask(self.store.runs.record(noted, IDS, lambda: 0.0, tails))

    def ended(self, *ended: Run, state: State = "succeeded", seconds: float = 1000) -> bool:
        """Record the end of runs; whether any will be tried again."""
        return self.record(*(attrs.evolve(each, state=state, reason=state, ended=at(seconds)) for each in ended))

    def declare_dead(
        self, *known: str, seconds: float = 1000, silent: Sequence[str] | None = None, reason: str = "its node is gone"
    ) -> list[Run]:
        """As `Nodes.declare_dead`."""
        return self.ask(self.store.nodes.declare_dead(known, silent, reason, IDS, lambda: 0.0, at(seconds), None))

    def job(self, job_id: str) -> Job:
        """A job as it is stored."""
        return self.ask(self.store.jobs.get(job_id, at(0))).job

    def run(self, run_id: str) -> Run:
        """A run as it is stored."""
        return self.ask(self.store.runs.get(run_id))

    def runs(self) -> list[Run]:
        """Every run, by due."""
        return self.bench.runs()

    def states(self) -> list[str]:
        return [each.state for each in self.runs()]

    def close(self) -> None:
        self.ask(self.store.stopService())
