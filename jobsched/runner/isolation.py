"""Runs that go on in executors while others may take this node for dead, as their jobs ask for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from twisted.logger import Logger

from ..model.run import Run
from ..store.contract.store import Store
from .active import Active
from .calls import Calls
from .elsewhere import ExecutorCall


class Isolation:
    """What of `active` goes on; `note` records a change. What goes on is given back by the store when this node is
    heard again."""

    log = Logger()

    def __init__(
        self, active: Mapping[str, Active], calls: Calls, store: Store, note: Callable[[Active, Run], None]
    ) -> None:
        self._active = active
        self._calls = calls
        self._store = store
        self._note = note
        self._node_ids: set[str] = set()  # under which this node may have what goes on

    @property
    def kept(self) -> set[str]:
        """The runs that go on."""
        return {run_id for run_id, active in self._active.items() if active.kept}

    def begin(self, instant: datetime) -> list[str]:
        """Others may take this node for dead from now on. Returns the runs that are to be ended."""
        for run_id, active in self._active.items():
            of_executor = isinstance(active.call, ExecutorCall) and self._calls.has(run_id)
            if active.run.on_isolation == "keep" and of_executor and not active.kept:
                active.keep(instant)
                self.log.warn("run {run} of {job} goes on while its node is cut off from the others",
                              run=run_id, job=active.run.job_name)  # fmt: skip
        return [run_id for run_id, active in self._active.items() if not active.kept]

    async def end(self, node_id: str) -> None:
        """This node is heard again, and has this id now. Fires when what goes on is this node's, or is being ended.
        If the store does not answer, it is asked again under the next id."""
        kept = {run_id: self._active[run_id] for run_id in sorted(self.kept)}
        if not kept:
            return
        self._node_ids |= {active.run.node_id for active in kept.values() if active.run.node_id}
        before = sorted(self._node_ids)
        self._node_ids.add(node_id)
        given = {run.id: run for run in await self._store.runs.adopt(list(kept), node_id, before)}
        for run_id, active in kept.items():
            if run_id in given:
                # Also one that has ended meanwhile: it is under this id now.
                active.take_back(given[run_id], self._note)
            else:
                active.refuse()
        self._node_ids.clear()
