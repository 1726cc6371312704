"""Keeps the store at its size: deletes old runs with their output files, and old entries of the audit log."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from .. import files
from ..clock import Leaps, now
from ..loops import FailureLog, Loop
from ..model.change import KEPT
from ..model.errors import Unavailable
from ..store.contract.retention import RetentionPass
from ..store.contract.store import Store
from ..threads import InThread
from .output_file import output_names

EVERY = 60.0  # seconds
EARLY = 1.0  # seconds by which a pass may come before `EVERY` is over, for timers are not exact
MANY = 10_000  # ended runs of this node after which a pass does not wait for its time
SOON = 5.0  # seconds between two such passes, at least
BATCH = 500  # runs in one transaction, and jobs in one query
SLACK = 20  # a job may have 1/SLACK more runs than it keeps, so that not each new run costs a transaction
LEFTOVER = 86_400.0  # seconds beyond keep_days: an output file that is older has no run any more
STRAY = 3600.0  # seconds: an older output file has its run in the store, unless another node pruned that run
FOLDERS = 256
REMEMBERED = 200_000  # jobs in `_room`, at most

log = Logger()


class Retention(Service):
    """Prunes what is too old or too much. This stays:

    - of each job, the newest `keep_runs` runs that ran, and as many records of runs that never ran
    - of runs and notifications, those of the last `keep_days` days
    - of the audit log, the entries of the last `audit_days` days
    """

    name = "retention"
    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        store: Store,
        in_thread: InThread,
        folder: Path,
        keep_runs: int,
        keep_days: float,
        audit_days: float = 365,
        last_sign: Callable[[], datetime | None] = lambda: None,  # when the daemon before this one was last alive
    ) -> None:
        self._clock = clock
        self._shared = store.shared
        self._rows = store.retention
        self._in_thread = in_thread
        self._folder = folder
        self._keep_runs = keep_runs
        self._keep_days = keep_days
        self._audit_days = audit_days
        self._loop = Loop(clock, EVERY, self._prune, "retention")
        self._failure_log = FailureLog(self.log, clock)
        self._pruning: Deferred[None] = succeed(None)
        self._room: dict[str, int] = {}  # by job id: how many more runs may come until counting them is worthwhile
        self._swept = False

        self._last_sign = last_sign
        self._leaps = Leaps(clock)
        self._begun = self._postponed = False
        self._over = 0  # runs since the last pass

    def startService(self) -> None:
        super().startService()
        self._leaps.begin(now(self._clock))
        self._loop.start(now=False)

    def stopService(self) -> Deferred[None]:
        """Fires when the batch under way is done."""
        super().stopService()
        self._loop.stop()
        return self._pruning

    def run_over(self) -> None:
        """A run of this node has ended. Many are not left to the next minute: the longer a pass, the more outcomes and
        claims wait behind it, and the more memory that takes."""
        self._over += 1
        if self._over >= MANY and self.running and self._pruning.called:
            self._loop.start()

    def _prune(self) -> Deferred[None]:
        pruning = Deferred.fromCoroutine(self.prune())
        self._pruning = pruning.addCallbacks(lambda _: self._failure_log.settled(), self._failed)
        return self._pruning

    async def prune(self) -> None:
        """One pass: over the rows, unless another node made such a pass lately, and over the files of this node."""
        steady = self._is_steady()
        apart = SOON if self._over >= MANY else EVERY - EARLY
        self._over = 0
        this_pass = await self._rows.take_turn(now(self._clock), self._keep_runs, timedelta(seconds=apart))
        if this_pass is not None:
            await self._prune_rows(this_pass, steady)
        if steady and self.running and not self._swept:
            self._swept = True
            await self._in_thread(sweep, self._folder, self._keep_days * 86_400 + LEFTOVER)
        if steady and self.running and self._shared:
            await self.look_for_strays(int(self._clock.seconds() // EVERY) % FOLDERS)

    def _is_steady(self) -> bool:
        """Whether old rows may go: not soon after the clock leapt ahead, for by a wrong clock all rows would be old."""
        if not self._begun and (last := self._last_sign()) is not None:
            self._leaps.begin(last)
        self._begun = True
        steady = not self._leaps.lately()
        if not steady and not self._postponed:
            self.log.info("the clock leapt ahead by more than an hour: for an hour nothing is forgotten for its age")
        self._postponed = not steady
        return steady

    async def _prune_rows(self, this_pass: RetentionPass, steady: bool) -> None:
        """Delete batch after batch, until no row is too old or too much."""
        instant = now(self._clock)
        if steady:
            await self._forget_what_is_old(instant)
        for job_id in await self._crowded(this_pass):
            await self._thin_out(job_id, instant)
        if self.running:
            await self._rows.end_turn(this_pass, self._keep_runs)

    async def _forget_what_is_old(self, instant: datetime) -> None:
        edge = instant - timedelta(days=self._keep_days)
        await self._rows.forget_keys(instant)
        await self._rows.forget_nodes(instant)
        await self._forget_rows(self._rows.forget_changes, instant - KEPT)
        await self._forget_rows(self._rows.forget_entries, instant - timedelta(days=self._audit_days))
        await self._forget_rows(self._rows.forget_deliveries, edge)
        while self.running and await self._forgotten(self._rows.forget_runs_before(edge, BATCH)):
            pass

    async def _crowded(self, this_pass: RetentionPass) -> list[str]:
        """Ids of the jobs that have more than `keep_runs` and the slack, be it runs that ran or records of runs that
        never ran. Only jobs with new runs since the last pass can be among them, and their runs are counted only if
        the new ones may have used up their `_room`."""
        most = self._keep_runs + self._keep_runs // SLACK
        if this_pass.since is None:
            self._room.clear()
            return await self._rows.crowded(most)
        new = await self._rows.new_runs(this_pass.since)
        if len(self._room) > REMEMBERED:
            self._room.clear()
        self._room |= {job_id: self._room.get(job_id, 0) - count for job_id, count in new.items()}
        unsure = [job_id for job_id in new if self._room[job_id] < 0]
        found: list[str] = []
        for begin in range(0, len(unsure), BATCH):
            counts = await self._rows.counts(unsure[begin : begin + BATCH])
            if full := [job_id for job_id, count in counts.items() if count > most]:
                counts |= await self._rows.larger(full)
            self._room |= {job_id: most - count for job_id, count in counts.items()}
            found += [job_id for job_id, count in counts.items() if count > most]
        return found

    async def _thin_out(self, job_id: str, instant: datetime) -> None:
        """Delete the surplus runs of one job. A failure is logged, and other jobs go on. Raises Unavailable."""
        beyond, keep = self._rows.forget_runs_beyond, self._keep_runs
        try:
            for ran in (True, False):
                while self.running and await self._forgotten(beyond(job_id, keep, BATCH, ran, instant)):
                    pass
        except Unavailable:
            raise
        except Exception:
            self.log.failure("old runs of job {job} could not be pruned", Failure(), job=job_id)

    async def look_for_strays(self, number: int) -> None:
        """Delete, in the output folder `number`, the files of runs that other nodes deleted from the store."""
        written = await self._in_thread(old_files, self._folder, number, STRAY)
        for begin in range(0, len(written), BATCH):
            gone = await self._rows.unknown(written[begin : begin + BATCH])
            await self._in_thread(remove, self._folder, gone)

    async def _forget_rows(self, forget: Callable[[datetime, int], Deferred[int]], edge: datetime) -> None:
        while self.running and await forget(edge, BATCH) == BATCH:
            pass

    async def _forgotten(self, ids: Deferred[list[str]]) -> bool:
        gone = await ids
        if gone:
            await self._in_thread(remove, self._folder, gone)
        return len(gone) == BATCH

    def _failed(self, why: Failure) -> None:
        self._failure_log.say("old runs could not be pruned, trying again in {seconds} s: {why}", why, seconds=EVERY)


def remove(folder: Path, run_ids: Iterable[str]) -> None:
    """Delete the output files of runs. A missing file was never written; a file that cannot be deleted is logged."""
    for run_id in run_ids:
        _delete(folder, *output_names(run_id))


def old_files(folder: Path, number: int, age: float) -> list[str]:
    """Ids of the runs whose output file is in the folder `number` and was last written more than `age` seconds ago."""
    edge = time.time() - age  # noqa: TID251  # as below
    inner = f"{number:02x}"
    found = []
    for name, status in _listed(folder, inner):
        run_id = name.removesuffix(".log")
        if status.st_mtime < edge and output_names(run_id) == (inner, name):
            found.append(run_id)
    return found


def sweep(folder: Path, age: float) -> None:
    """Delete output files older than `age` seconds: a daemon that died had deleted their runs, but not the files."""
    edge = time.time() - age  # noqa: TID251  # compared with the times of files, which the same clock set
    for number in range(FOLDERS):
        inner = f"{number:02x}"
        for name, status in _listed(folder, inner):
            if name.endswith(".log") and status.st_mtime < edge:
                _delete(folder, inner, name)


def _listed(folder: Path, inner: str) -> Iterable[tuple[str, os.stat_result]]:
    try:
        return files.listed(folder, inner)
    except OSError as why:
        log.warn("{path} is left as it is: {why}", path=why.filename, why=why.strerror)
        return ()


def _delete(folder: Path, *names: str) -> None:
    try:
        files.delete(folder, *names)
    except FileNotFoundError:
        return
    except OSError as why:
        log.warn("{path} could not be deleted: {why}", path="/".join((str(folder), *names)), why=why.strerror)
