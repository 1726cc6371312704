"""Runs that this node has claimed without knowing: the store committed the claim, and the answer was lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs
from twisted.logger import Logger

from ..model.printable import many
from ..model.run import Run
from ..store.contract.store import Store
from .peers import Peers


@attrs.frozen(kw_only=True)
class RunnerPort:
    """What the scheduler needs of the runner."""

    slots: Callable[[], int]
    active: Callable[[], int]  # how many runs are executed here
    start: Callable[[Iterable[Run]], None]
    replace: Callable[[Iterable[Run]], None]
    known: Callable[[], set[str]]  # the runs that the runner was given and whose outcome is not stored yet


class Reconciler:
    """Finds such runs and hands them to the runner. Call `settle` only while no claim is under way."""

    log = Logger()

    def __init__(self, store: Store, runner_port: RunnerPort, peers: Peers) -> None:
        self._store = store
        self._runner = runner_port
        self._peers = peers
        self._needed = False

    @property
    def needed(self) -> bool:
        """Whether there may be such a run."""
        return self._needed

    def look_again(self) -> None:
        """The answer to a claim may have been lost."""
        self._needed = True

    async def settle(self) -> None:
        """If needed, start the runs that the store has as running on this node and the runner does not know."""
        if not self._needed:
            return
        node_id, known = self._peers.node.id, self._runner.known()  # `known` before the look: a run may end meanwhile
        mine = await self._store.claims.started_by(node_id)
        if not self._peers.holds() or self._peers.node.id != node_id:
            return
        self._needed = False
        unknown = [run for run in mine if run.id not in known]
        if unknown:
            self.log.info(
                "{runs} claimed, but the store's answer was lost: started now", runs=many(len(unknown), "run")
            )
            self._runner.start(unknown)
