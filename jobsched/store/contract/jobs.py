"""Jobs and their keys, the claiming of their dues, and those that are overdue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from twisted.internet.defer import Deferred

from ...model.claim import Claimant, Claimed
from ...model.hold import Hold
from ...model.ids import Ids
from ...model.job import Due, JobFilter, JobView
from ...model.job_key import JobKey
from ...model.overdue import OverdueChange
from ...model.page import Page
from ...model.run import Run
from ...model.upcoming import Planned, PlannedFilter


class Jobs(Protocol):
    """Schedules, as callers and the scheduler read them. `Orders` makes and changes them."""

    def page(self, limit: int, after: str, only: JobFilter, room: int, now: datetime) -> Deferred[Page[JobView]]:
        """Up to `limit` jobs behind the place `after` ("": from the first on), as `only` asks for. `only.tasks` selects
        as `model.caller.is_among` says. Together they have no more than `room` bytes, but at least one job is returned.
        With `only.failing`, those whose newest run of `model.run.COUNTED` is one of `FAILING`.
        The size of a job is that of its varying parts (parameters, require, notify, labels, description), and 512 bytes
        for the rest. `more` is true if there are further jobs behind these. Each of `only.words` is part of
        the name, of the description, of the task or of a label (`name=value`), in whatever case; letters beyond ASCII
        may have to be of the same case.

        Each has its `place` in the order of `only.order`, backwards with `back`; a place stays good while jobs come, go
        and change. The orders, ties by id:

        - `created`: by creation; the place is the text of a `model.page.Cursor`. One without a creation has that of its
          job, which may be deleted, or of its id (`Cursor.otherwise`); without either, nothing is behind it
        - `id`: by id; the place is the id
        - `name`: by name, byte by byte
        - `next_due`: the soonest first, jobs without one last
        - `state`: scheduled, paused, ended; in each by next due
        - `last_ended`: by when the newest run that has ended did so; jobs without one first
        - `task`: by task, byte by byte; in each by name
        - `when`: intervals, the shortest first; cron rules, byte by byte; what runs once, the soonest first
        - `took`: by how long the newest run took that has started and ended, among the newest
          `model.job_list.LAST_AMONG` runs; jobs without one first
        - `attention`: overdue; jobs whose newest run of `COUNTED` was lost; failed or timed out; missed; in each what
          came last first. Then the others by next due

        Each job comes with what is shown of its newest run, which is the run with the highest id. A run that was made
        more than `model.ids.BACK` after `now`, by a wrong clock, does not count.

        And with its `activity`, unless `only.activity` is false: how many of its runs wait or run, and those of its
        newest `model.job_list.LOOKED_AT` runs that have ended, up to `RECENT`, newest first, with the median of those
        that succeeded of up to `USUAL`.
        """

    def named(self, text: str, tasks: tuple[str, ...] | None) -> Deferred[str]:
        """The id that `text` is, of a job or of one that left runs; else the id of the one job of that name. `tasks`
        are patterns of what may be seen. Raises NotFound, and Ambiguous with up to 10 ids, by creation, where several
        jobs have the name."""

    def get(self, job_id: str, now: datetime) -> Deferred[JobView]:
        """The job, its newest run and its activity as in `page`. Raises NotFound."""

    def some(self, job_ids: Sequence[str], now: datetime) -> Deferred[list[JobView]]:
        """Those of these jobs that are there, in any order, each with its newest run and its activity as in `page`."""

    def due_before(
        self, instant: datetime, most: int, after: Due | None, now: datetime | None = None
    ) -> Deferred[list[Due]]:
        """Up to `most` jobs whose next due is before `instant`, by (next due, id). Paused jobs are left out, and so are
        jobs whose dues a hold leaves undecided at `now` (`missed` is `catch_up`): nobody has to look at those before
        its end. If `after` is given, only the jobs behind it in this order."""

    def dues_of(self, job_ids: Iterable[str]) -> Deferred[list[Due]]:
        """The next dues of these jobs, by (next due, id). Paused jobs and jobs without a next due are left out."""

    def planned(self, only: PlannedFilter, most: int) -> Deferred[list[Planned]]:
        """Up to `most` jobs whose next due is before `only.end`, by (next due, id), as `only` asks for; of those that
        are paused, such as will go on by themselves. Of what is `left`, every scheduled start so far was taken off.
        `stops` are the pause, and the hold that there is or was last."""

    def next_pause_end(self, now: datetime) -> Deferred[datetime | None]:
        """When the next pause ends by itself, or has ended and is not carried out, or the hold ends, or has ended and
        nobody was told; None: none does. The hold's end is told until 0.1 s behind it all the same: clocks differ."""

    def end_pauses(self, now: datetime, most: int, ids: Ids, asker: str) -> Deferred[int]:
        """End up to `most` pauses whose `until` is not after now, each once, whichever node asks; how many there were.

        Of each job, which is held: dues before `until` become one skipped stretch that says who, until when and why;
        the first due at `until` or after it is the next one, and is claimed as any other, however late. It is watched
        anew from `until` on; its version stays. Waits for other changes of these jobs. Others than `asker` are told,
        and so are those who follow changes: `resume` of a job. If the hold is over by itself they are told so too,
        once: `end` of the hold; so does an order that makes the next one.
        Orders on a job whose pause is over find it so, carried out or not.
        """


class Holds(Protocol):
    """The hold, of which there is one at a time. It is made and ended by `Orders`, and ends by itself."""

    def current(self, now: datetime) -> Deferred[Hold | None]:
        """The one that there is now; None: nothing is on hold."""


class Claims(Protocol):
    """How dues become runs, each due once."""

    def claim(self, claimant: Claimant, job_ids: Sequence[str]) -> Deferred[Claimed]:
        """Decide the dues of these jobs that have come. Then start what may start here, oldest due first, as long as
        there are `slots`.

        If the claimant is not alive in the store any more, or is late, nothing is decided or started, and the answer
        has `now` alone. The method waits for no other claim: a job that another change holds is left out, and `held_up`
        says so. For each job that is taken:

        - `model.owed` decides what is owed from the job's next due on, once for each place where the job runs
          (`placement`). `max_runs` counts a due once, wherever the due starts. The job's next due and its number of
          starts are stored in the same change, so that no due is decided twice. (job, due, attempt, place) is unique
          among runs.
        - Neighbouring dues that started nothing for the same reason share one record. The newest record of the job in
          that place is extended, instead of a new one being made, if no due lies between and nothing was started since.
        - If no living node can run the job, its dues are missed once their grace is over. If other nodes can run it and
          this node cannot, it is left to those nodes.
        - No due of a job on hold (`Hold.stops`) starts. If the hold skips, dues up to now, or up to the last one before
          `until` once the hold is over, become one skipped stretch that says `Hold.words`. If it catches up, they are
          left undecided until it is over. An order that makes or ends a hold waits for the claims under way, and later
          claims go by it.
        - Replaced runs: those that wait are skipped at once. The others are asked to end, for `REPLACED`.
        - For a job that runs on every node, the nodes that the store knows decide, whatever `peers` says. A node that
          joined since then gets its run; a node that left or is late gets none. Only what the claimant itself can run
          is taken from its own record in `peers`. Living nodes with the same name are one place. A name that no living
          node has gets a missed record in that place, if the node of that name that began last could run the job. The
          record says when that node was seen last.
        - A run for any node blocks the next run in every place. A run of one place blocks a run for any node. A retry
          whose time has not come blocks nothing.

        A node that is not among its own `peers` starts nothing that waits. The reason of a started run is `IS_RUNNING`,
        that of a run without a slot is `NO_SLOT` (`model.claim`). The reason for which a run waited until another claim
        started it becomes its `waited_for`.

        Waiting runs go first, by id. If a job does not overlap, only the head of its queue may start, and only when no
        run of the job runs in that place. No run of a job on hold may start if the hold holds what waits, unless the
        run was `forced`. A retry is cancelled if its job was deleted or has another task by now. A started run is
        recorded as running on this node. Other nodes are told when something is left for them to start.
        """

    def waiting(self, now: datetime) -> Deferred[tuple[bool, datetime | None]]:
        """Whether any run waits; and the first instant after `now` at which a run that has to wait until that instant
        may start. None: there is no such run."""

    def started_by(self, node_id: str) -> Deferred[list[Run]]:
        """The runs that are running or stopping on that node, as the store has it, by id."""


class Overdue(Protocol):
    """Jobs that became overdue, or have recovered. `model.overdue` has the rule for one job; here the rule is asked of
    many."""

    def watched(self, most: int, now: datetime) -> Deferred[list[str]]:
        """Jobs whose stored state, overdue or not, may not be true any more. Up to `most` for each way in which the
        state can change, each job once. If there are fewer, all of them."""

    def recovered(self, most: int, now: datetime) -> Deferred[list[str]]:
        """Up to `most` jobs for which a failure was notified, and for which a run that was started after that failure
        has succeeded. The jobs that failed first come first."""

    def settle(self, job_ids: Sequence[str], now: datetime) -> Deferred[list[OverdueChange]]:
        """Decide for each job whether it is overdue, and whether it still fails. A difference to what is stored is
        written, with its notification. It is written only where the job is still as it was read: if several nodes do
        this, one of them makes the change, and only that node gets the change back."""


class JobKeys(Protocol):
    """The keys of jobs. They are made and revoked by orders."""

    def of_job(self, job_id: str) -> Deferred[list[JobKey]]:
        """The keys of a job, those made first come first. A key ends with its job: there is none of a job that is not
        there, nor one from before a job of that id was deleted and made again."""
