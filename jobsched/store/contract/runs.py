"""Runs: their outcomes and their history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from twisted.internet.defer import Deferred

from ...model.ids import Ids
from ...model.run import Run, RunFilter, Tail


class Runs(Protocol):
    """Executions of jobs."""

    def page(self, limit: int, before: str | None, only: RunFilter) -> Deferred[list[Run]]:
        """Up to `limit` runs with ids before `before`, newest first, as `only` asks for, without their parameters.
        `begin` is compared with the last due of a stretch, `end` with the first. Raises NotFound for those of a job
        that is not there, or is not among `only.tasks`, and has no run that is; of any other job there may be none."""

    def get(self, run_id: str) -> Deferred[Run]:
        """One run. Raises NotFound."""

    def some(self, run_ids: Sequence[str]) -> Deferred[list[Run]]:
        """Those of these runs that are there, without their parameters, in any order."""

    def tail(self, run_id: str) -> Deferred[Tail | None]:
        """The end of what a run printed, if it was kept here."""

    def record(
        self, executed: Sequence[Run], ids: Ids, chance: Callable[[], float], read_tail: Callable[[str], Tail | None]
    ) -> Deferred[bool]:
        """Write what became of runs, or what is known of one that goes on (its `pid`): each only where its node still
        owns it and it is running or stopping; others are left as they are. Where the store is shared, an end is moved
        between the start and the database's now.

        Of a run that failed, timed out or was lost, the next attempt is added with it where its job asks for one
        (`model.retry`; `chance` spreads the pauses, `ids` gives its id): once, however many nodes record it. True if
        any was. The next attempt has the parameters of the run before it, and its place; the rest is as the job is now.
        Where the job has another task by now there is none, and the reason says so (`model.retry.OTHER_TASK`).

        With those that have ended the tail that `read_tail` finds is kept, in place of an older one, also where another
        outcome was written before; not of a run that was forgotten. Who wants to be told of the failure is told, by a
        notification of the same change.
        """

    def give_up(self, run: Run, *, notify: bool = True) -> Deferred[bool]:
        """Write that a run has ended whose outcome the database refused: with as little as there can be, and only where
        it has no outcome and belongs to the node that `run` says. It is not tried again, and no tail is kept; with
        `notify`, who wants to know that it failed is told. Whether there was anything to write."""

    def left_behind(self, node_id: str) -> Deferred[list[Run]]:
        """The runs that nodes but this one started and did not end. For a store that is not shared."""

    def left_here(self, previous: Sequence[str], name: str) -> Deferred[list[Run]]:
        """Up to 1000 runs, newest first, that the nodes `previous` started and that are running, stopping or lost.
        Without any: those running or stopping that a node of this name started which the store does not know."""

    def stops(self, node_id: str) -> Deferred[tuple[tuple[str, str], ...]]:
        """(run, reason) for each running or stopping run that this node is asked to end."""
