"""Jobs, the claiming of their dues, and those that are overdue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from twisted.internet.defer import Deferred

from ...model.claim import Claimant, Claimed
from ...model.job import Due, JobFilter, JobView
from ...model.overdue import OverdueChange
from ...model.page import Page
from ...model.run import Run


class Jobs(Protocol):
    """Schedules, as they are looked at. They are made and changed by `Orders`."""

    def page(self, limit: int, after: str, only: JobFilter, room: int, now: datetime) -> Deferred[Page[JobView]]:
        """Up to `limit` jobs with ids behind `after`, by id, as `only` asks for. No more than have `room` together, in
        bytes of what varies in size (parameters, require, notify) and 512 for the rest of each, but one at least;
        `more` if others are behind them. Those in `only.tasks` as `model.caller.is_among` has it.

        With each what is shown of its newest run, the one with the highest id; but of none that was made more than
        `model.ids.BACK` after `now`, by a clock that was wrong.
        """

    def get(self, job_id: str, now: datetime) -> Deferred[JobView]:
        """The job, and its newest run as in `page`. Raises NotFound."""

    def due_before(self, instant: datetime, most: int, after: Due | None) -> Deferred[list[Due]]:
        """Up to `most` jobs that are not paused and whose next due is before `instant`, by (next due, id); only those
        behind `after` in this order, if it is given."""

    def dues_of(self, job_ids: Iterable[str]) -> Deferred[list[Due]]:
        """Those of these jobs that are not paused and have a next due, by (next due, id)."""


class Claims(Protocol):
    """How dues become runs, each once."""

    def claim(self, claimant: Claimant, job_ids: Sequence[str]) -> Deferred[Claimed]:
        """Decide the dues of these jobs that have come, then start what may start here, oldest due first, as far as
        there are `slots`.

        Nothing is decided or started for a node that is not alive in the store any more, or is late: the answer has
        `now` alone. Waits for no other claim: a job that another change holds is left out, and `held_up` says so.
        Of each job that is taken:

        - What is owed from its next due on is decided by `model.owed`, once for each place where it runs
          (`placement`); `max_runs` counts a due once, wherever it starts. Its next due and its starts are stored with
          that, so that no due is decided twice, and (job, due, attempt, place) is unique among runs.
        - Neighbours that started nothing for one reason share one record: the newest of the job in that place grows
          instead of a new one being made, where no due lies between and nothing was started since.
        - Where no living node can run it, its dues are missed once their grace is over; where others can and this node
          cannot, it is left to them.
        - Runs that are replaced: those that wait are skipped at once; the others are asked to end, for `REPLACED`.

        - A job that runs on every node goes by the nodes that the store knows, whatever `peers` says: one that joined
          since has its run, one that left or is late has none; only what this node can run, it says itself. Living
          nodes of one name are one place. Each name that is down or stopped, and could run it when a node of it began
          last, has a missed record there, which says when it was seen last.
        - A run for any node is in the way of the next one in every place, and a run of one place in the way of one for
          any node. A retry whose time has not come is in the way of none.

        A node that is not among its own `peers` starts nothing that waits. A run that is started says `IS_RUNNING`, one
        that finds no slot `NO_SLOT` (`model.claim`).

        Waiting runs go first: by id, and of a job that does not overlap only the head of its queue, when nothing of it
        runs in that place. A retry is cancelled whose job is gone or has another task by now. What is started is
        recorded as running on this node. Other nodes are told when something is left for them to start.
        """

    def waiting(self, now: datetime) -> Deferred[tuple[bool, datetime | None]]:
        """Whether any run waits, and the first instant after `now` at which one that is to wait until then may start;
        None: there is none such."""

    def started_by(self, node_id: str) -> Deferred[list[Run]]:
        """The runs that the store has as running or stopping on that node, by id."""


class Overdue(Protocol):
    """The rule is `model.overdue`; here it is asked of many."""

    def watched(self, most: int, now: datetime) -> Deferred[list[str]]:
        """Jobs that may not be any more what is stored of them: overdue or not. Up to `most` for each way to become it,
        each once; all that are, if they are fewer."""

    def recovered(self, most: int, now: datetime) -> Deferred[list[str]]:
        """Up to `most` jobs of which a failure was told, and a run that was started since has succeeded; those that
        failed first come first."""

    def settle(self, job_ids: Sequence[str], now: datetime) -> Deferred[list[OverdueChange]]:
        """Decide of each whether it is overdue, and whether it fails still; write what has changed, with the
        notification of it. Only where the job is as it was looked at: of several nodes one makes a change, and only
        that one gets it back."""
