"""What callers ask about runs, and what they order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import attrs

from ..clock import now
from ..model.delivery import Delivery
from ..model.errors import Invalid, no_run
from ..model.job import Job
from ..model.order import CancelRun, IdempotencyKey, Order, Ran, RerunRun, RunJob, Versions
from ..model.output_location import OutputLocation, elsewhere
from ..model.run import Run, RunFilter, State, Tail
from ..model.run_counts import MOST_RUNS, by_hour
from ..runner import launch
from .orders import Orders

LOOK = 1.0  # seconds between looks at a run that ends elsewhere


class Runs(Orders):
    """The registry's calls on runs."""

    async def run_now(
        self, job_id: str, key: IdempotencyKey | None = None, versions: Versions = None, *, force: bool = False,
        due: datetime | None = None, parameters: Callable[[Job], dict[str, object]] | None = None,
    ) -> Run:  # fmt: skip
        """Add a run that is due now, under the job's overlap rule. The run may come back as skipped. With `force`, also
        if the job is on hold.

        With `due`, the run makes up for that due. `parameters(job)` replace those of the job. Raises Invalid.
        """
        if due is not None and due > now(self._clock):
            raise Invalid("lies in the future: make a job that runs at that instant", "/due")

        def checked(job: Job) -> dict[str, object]:
            given = job.parameters if parameters is None else parameters(job)
            task = self.task(job.task)
            launch.check_names(task, given)
            launch.check(task, job.name, given)
            return given

        order = RunJob(job_id=job_id, key=key, peers=tuple(self._parts.alive()), versions=versions, due=due,
                       parameters=None if parameters is None else checked, force=force)  # fmt: skip
        return await self._run(order)

    async def rerun(self, run_id: str, key: IdempotencyKey | None = None, force: bool = False) -> Run:
        """Add a run like one that has ended, with the same parameters; with `force`, also if the job is on hold. Raises
        Conflict."""
        return await self._run(RerunRun(run_id=run_id, key=key, peers=tuple(self._parts.alive()), force=force))

    async def _run(self, order: Order[Ran]) -> Run:
        ran = await self._perform(order)
        self._then(self._parts.replace, ran.replaced)
        self._then(self._parts.start_waiting)
        return ran.run

    async def cancel(self, run_id: str) -> None:
        """End a run that has not ended. Raises Conflict if it has."""
        run = await self._perform(CancelRun(run_id=run_id, reason="cancelled by a caller"))
        if run.active:
            self._then(self._end, run)

    async def runs(self, limit: int, before: str | None, only: RunFilter) -> list[Run]:
        """The newest `limit` runs older than `before`. Raises NotFound if a job is asked for that left no trace."""
        return await self._store.runs.page(limit, before, attrs.evolve(only, tasks=self._caller.tasks))

    async def run_counts(self, only: RunFilter, borders: Sequence[datetime]) -> list[dict[State, int]]:
        """How many runs there are of each state between each two of the borders. Raises NotFound as `runs` does,
        Invalid if there are more than can be counted. They are spread over the hours in a thread."""
        found = await self._store.runs.counts(attrs.evolve(only, tasks=self._caller.tasks), borders)
        if found.more:
            raise Invalid(
                f"more than {MOST_RUNS:,} runs lie there: give fewer hours, a job, a task or a label", "?from"
            )
        return await self._parts.in_thread(lambda wanted: by_hour(found, borders, wanted))

    async def run(self, run_id: str) -> Run:
        """One run."""
        run = await self._store.runs.get(run_id)
        if not self._caller.sees(run.task):
            raise no_run(run_id)
        return run

    async def run_deliveries(self, run_id: str, limit: int, before: str | None) -> list[Delivery]:
        """The notifications about a run, newest first."""
        task, found = await self._store.deliveries.of_run(run_id, limit, before)
        if not self._caller.sees(task):
            raise no_run(run_id)
        return found

    async def ended(self, run_id: str, seconds: float) -> Run:
        """The run, once it has ended or `seconds` have passed."""
        end = self._reactor.seconds() + seconds
        while True:
            rung = self._parts.waiters(run_id)  # before the run is read, so that no end is missed in between
            try:
                run = await self.run(run_id)
                left = end - self._reactor.seconds()
                if not run.active or left <= 0:
                    return run
                await rung.addTimeout(min(left, LOOK), self._reactor, lambda _given_up, _seconds: None)
            finally:  # not earlier: the deferred must not outlive the wait
                rung.addErrback(lambda _: None)
                rung.cancel()

    def last_line(self, run: Run) -> str | None:
        """The last whole line that a run has printed which goes on here; None: it does not, or printed none."""
        return self._parts.last_line(run.id) if run.active else None

    def output_path(self, run_id: str) -> Path:
        """The file with a run's output. The file does not exist while nothing was printed."""
        return self._parts.output_path(run_id)

    async def output_location(self, run: Run) -> OutputLocation:
        """Where the output of a run can be read. It is here when this is the only node, or when nothing was printed."""
        silent = not run.active and run.state != "lost" and not run.output_kept
        going_on_here = run.active and run.node_id in (None, self._me)
        if not self.shared or silent or going_on_here or self.output_path(run.id).exists():
            return OutputLocation(here=True)
        return elsewhere(run, self._me, await self.nodes())

    async def tail(self, run_id: str) -> Tail | None:
        """The end of a run's output, as it is kept in the store of several nodes."""
        return await self._store.runs.tail(run_id)
