"""How the registry gives an order for one caller, and what it needs of the other parts for that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ..audit import AuditLog
from ..clock import now
from ..config.catalog import Catalog, Task
from ..model.caller import ANYBODY, Caller
from ..model.errors import NotFound
from ..model.ids import Ids
from ..model.node import Node
from ..model.order import Issued, Order
from ..model.printable import hint
from ..model.run import Run
from ..store.contract.store import ForCallers
from ..threads import Wanted

T = TypeVar("T")


class InThread(Protocol):
    """Does work that a caller ordered, off the reactor. Raises Busy."""

    def __call__(self, work: Callable[[Wanted], T], /) -> Deferred[T]: ...


@attrs.frozen(kw_only=True)
class Parts:
    """What the registry needs of the other parts, as callables."""

    catalog: Callable[[], Catalog]
    reload: Callable[[Caller], Awaitable[object]]  # raises BadTokens, BadCatalog, and leaves the old ones in force
    wake: Callable[[datetime | None], None]  # a job was made or changed
    start_waiting: Callable[[], None]  # a run was added
    stop: Callable[[str, str], object]  # end a run, for a reason
    replace: Callable[[tuple[Run, ...]], None]
    waiters: Callable[[str], Deferred[None]]  # fires when that run's outcome is stored
    output_path: Callable[[str], Path]
    last_line: Callable[[str], str | None]  # that a run has printed which is executed here
    in_thread: InThread
    node: Callable[[], Node]  # this daemon
    node_id: Callable[[], str]  # its id alone, which takes less time
    alive: Callable[[], Sequence[Node]]  # those that live, this one among them
    livetime: float  # JOB_LIVETIME
    trouble: Callable[[], str | None]  # what keeps this daemon from its work, as far as it knows
    disk: Callable[[], Deferred[tuple[int, int]]]  # bytes for the state of this daemon, and how many of them are free


class Orders:
    """Gives orders in the name of a caller. Every order that returned is on disk."""

    log = Logger()

    def __init__(
        self,
        reactor: IReactorTime,
        clock: IReactorTime,
        store: ForCallers,
        ids: Ids,
        parts: Parts,
        audit_log: AuditLog,
        caller: Caller = ANYBODY,
    ) -> None:
        self._reactor = reactor  # counts how long a caller waits
        self._clock = clock  # what time it is for all nodes
        self._store = store
        self._ids = ids
        self._parts = parts
        self._audit_log = audit_log
        self._caller = caller

    def sees(self, task: str) -> bool:
        """Whether this caller may see a task, and with it the jobs and runs of the task."""
        return self._caller.sees(task)

    def task(self, name: str) -> Task:
        """One task of the catalog."""
        task = self._parts.catalog().get(name)
        if task is None or not self._caller.sees(name):
            seen = (each for each in self._parts.catalog().names() if self._caller.sees(each))
            raise NotFound(f"there is no task {name!r} in the catalog{hint(name, seen)}")
        return task

    @property
    def shared(self) -> bool:
        """Whether other nodes may use this store too, and runs may be elsewhere."""
        return self._store.shared

    async def nodes(self) -> list[Node]:
        """The daemons that share the store. Those that began last come first."""
        if not self.shared:
            return [self._parts.node()]
        return await self._store.nodes.every()

    async def _perform(self, order: Order[T], instant: datetime | None = None) -> T:
        """Give an order in the name of this caller, now or at an instant that has just passed."""
        signature = self._audit_log.signature(self._caller, instant or self._now())
        issued = Issued(signature=signature, caller=self._caller, node_id=self._me, ids=self._ids)
        return await self._audit_log.perform(order, issued)

    def _then(self, hint: Callable[..., object], *args: object) -> None:
        """Tell another part of this node what to look at. The change is on disk: a fault here must not make it look
        undone."""
        with self.log.failuresHandled("an order was stored, and not told at once; sweeps find it"):
            hint(*args)

    def _now(self) -> datetime:
        """The instant of an order. It is not before that of an earlier order through this node: the clock that nodes
        share is set back a little when it becomes known better, and jobs are listed in the order in which they were
        made."""
        return self._ids.onward(now(self._clock))

    @property
    def _me(self) -> str:
        return self._parts.node_id()

    def _end(self, run: Run) -> None:
        """End a run that is executed here, for the reason that the store has. If another node executes it, the store
        has asked that node."""
        if run.node_id == self._me and run.stop is not None:
            self._parts.stop(run.id, run.stop)
