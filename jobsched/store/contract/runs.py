"""Runs: their outcomes and their history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from twisted.internet.defer import Deferred

from ...model.ids import Ids
from ...model.run import Run, RunFilter, Tail
from ...model.run_counts import Tally


class Runs(Protocol):
    """Executions of jobs."""

    def page(self, limit: int, before: str | None, only: RunFilter) -> Deferred[list[Run]]:
        """Up to `limit` runs with ids before `before`, newest first, as `only` asks for, without their parameters.
        `begin` is compared with the last due of a stretch, `end` with the first. `node` is where a run was started or,
        while it has no node, its `place`. `labels` are those that the job has now; a job that is gone has none. No run
        has an id of an instant more than `model.run.EARLY` before its due, so that what is due from `begin` on may be
        looked for among the ids from then on. Raises NotFound if the runs of one job are asked for, this job does not
        exist or its task is not among `only.tasks`, and no run of this job is of a task among `only.tasks`. For any
        other job the page may be empty."""

    def counts(self, only: RunFilter, edges: Sequence[datetime]) -> Deferred[Tally]:
        """How many runs there are of each state that `only` asks for, as `page` has it, between each two of `edges`:
        those of which the due is at the first or later, and before the second. Stretches are not counted, and given
        one by one: those of which the last due is at the first edge or later, and the first due before the last edge.
        `more`, and nothing else, if these are more than `MOST_RUNS` runs or `MOST_STRETCHES` stretches. Raises NotFound
        as `page` does."""

    def get(self, run_id: str) -> Deferred[Run]:
        """One run. Raises NotFound."""

    def some(self, run_ids: Sequence[str]) -> Deferred[list[Run]]:
        """Those of these runs that are there, without their parameters, in any order."""

    def tail(self, run_id: str) -> Deferred[Tail | None]:
        """The end of a run's output, if the store has kept it."""

    def record(
        self, executed: Sequence[Run], ids: Ids, chance: Callable[[], float], read_tail: Callable[[str], Tail | None]
    ) -> Deferred[bool]:
        """Write the outcome of runs, or what is known of a run that goes on (its `pid`). A run is written only if its
        node still owns it and it is running or stopping, or goes on (`Run.goes_on`); other runs are left as they
        are. Where the store is shared, an
        end is moved so that it lies between the start and the database's now.

        If a run failed, timed out or was lost, and its job asks for it, the next attempt is added in the same change
        (`model.retry`; `chance` spreads the pauses, `ids` makes its id). It is added once, however many nodes record
        the run. Returns True if any attempt was added. The next attempt has the parameters and the place of the run
        before it; everything else is as the job is now. If the job has another task by now, no attempt is added, and
        the reason says so (`model.retry.OTHER_TASK`).

        For each run that has ended, the tail that `read_tail` finds is kept, in place of an older one. It is kept even
        if another outcome was written before, but not if the run was forgotten. A failure is notified to those that ask
        for it, by a notification in the same change.
        """

    def give_up(self, run: Run, *, notify: bool = True) -> Deferred[bool]:
        """Write the end of a run whose outcome the database refused, with as little data as possible. It is written
        only if the run has no outcome and belongs to the node that `run` names. The run is not tried again, and no tail
        is kept. With `notify`, the failure is notified to those that ask for it. Returns whether there was anything to
        write."""

    def left_behind(self, node_id: str) -> Deferred[list[Run]]:
        """The runs that nodes other than this one started and did not end. For a store that is not shared."""

    def adopt(self, run_ids: Sequence[str], node_id: str, previous: Sequence[str] | None) -> Deferred[list[Run]]:
        """Give runs of daemons before this one to this node, in one change: those of `run_ids` that are running or
        stopping on a node in `previous`, if neither that node nor this one was declared dead, however late they are.
        None, for a store that is not shared: on any node. If this one lives, also those whose `on_isolation` is "keep"
        on a node in `previous`, dead or not; those that were taken for lost while they went on (`Run.goes_on`) run
        again then, and that outcome is taken back. Returns these runs as they are then, with those of `run_ids` that
        this node has already: asked again, it gives the same. Other runs are left as they are."""

    def left_here(self, previous: Sequence[str], name: str) -> Deferred[list[Run]]:
        """Up to 1000 runs, newest first, that the nodes in `previous` started and that are running, stopping or lost.
        If `previous` is empty: the running and stopping runs that were started by a node with this name which the store
        does not know."""

    def stops(self, node_id: str) -> Deferred[tuple[tuple[str, str], ...]]:
        """(run, reason) for each running or stopping run that this node is asked to end."""
