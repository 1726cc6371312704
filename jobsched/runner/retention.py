"""Keeps the record at its size: old runs go, with the files of their output, and old entries of the audit log."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from .. import files
from ..clock import Leaps, now
from ..loops import FailureLog, Loop
from ..model.errors import Unavailable
from ..store.sql import audit, deliveries, prune, retention_turns
from ..store.sql import nodes as node_rows
from ..store.sql.store import Store
from .output import output_names

EVERY = 60.0  # seconds
EARLY = 1.0  # seconds that a round may come earlier than that, for timers are not exact
BATCH = 500  # runs in one transaction, and jobs in one question
SLACK = 20  # a job may have so manieth a part more runs than it keeps, so that not each new run is a transaction
LEFTOVER = 86_400.0  # seconds beyond keep_days after which a file without a run is taken for forgotten
STRAY = 3600.0  # seconds; a file so old has a run in the store, unless another node made that forget it
FOLDERS = 256
REMEMBERED = 200_000  # jobs

log = Logger()


class Retention(Service):
    """Prunes: of each job `keep_runs` runs and as many records that nothing ran are left, of all `keep_days`, of the
    trail `audit_days`."""

    name = "retention"
    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        store: Store,
        in_thread: Callable[..., Deferred[Any]],
        folder: Path,
        keep_runs: int,
        keep_days: float,
        audit_days: float = 365,
        last_sign: Callable[[], datetime | None] = lambda: None,  # of the daemon before this one
    ) -> None:
        self._clock = clock
        self._store = store
        self._in_thread = in_thread
        self._folder = folder
        self._keep_runs = keep_runs
        self._keep_days = keep_days
        self._audit_days = audit_days
        self._loop = Loop(clock, EVERY, self._prune, "retention")
        self._failure_log = FailureLog(self.log, clock)
        self._pruning: Deferred[None] = succeed(None)
        self._room: dict[str, int] = {}  # how many more runs a job may get before it is worth counting them
        self._swept = False

        self._last_sign = last_sign
        self._leaps = Leaps(clock)
        self._begun = self._postponed = False

    def startService(self) -> None:
        super().startService()
        self._leaps.begin(now(self._clock))
        self._loop.start(now=False)

    def stopService(self) -> Deferred[None]:
        """Fires when the batch under way is through."""
        super().stopService()
        self._loop.stop()
        return self._pruning

    def _prune(self) -> Deferred[None]:
        pruning = Deferred.fromCoroutine(self.prune())
        self._pruning = pruning.addCallbacks(lambda _: self._failure_log.settled(), self._failed)
        return self._pruning

    async def prune(self) -> None:
        """One round: of rows if no other node has had one lately, and of the files of this node."""
        steady = self._is_steady()
        this_pass = await self._store.write(
            retention_turns.take, now(self._clock), self._keep_runs, timedelta(seconds=EVERY - EARLY)
        )  # fmt: skip
        if this_pass is not None:
            await self._prune_rows(this_pass, steady)
        if steady and self.running and not self._swept:
            self._swept = True
            await self._in_thread(sweep, self._folder, self._keep_days * 86_400 + LEFTOVER)
        if steady and self.running and self._store.dialect != "sqlite":
            await self.look_for_strays(int(self._clock.seconds() // EVERY) % FOLDERS)

    def _is_steady(self) -> bool:
        """Whether what is old may go: by a clock that has just leapt ahead, and may be wrong, all would be old."""
        if not self._begun and (last := self._last_sign()) is not None:
            self._leaps.begin(last)
        self._begun = True
        steady = not self._leaps.lately()
        if not steady and not self._postponed:
            self.log.info("the clock leapt ahead by more than an hour: for an hour nothing is forgotten for its age")
        self._postponed = not steady
        return steady

    async def _prune_rows(self, this_pass: retention_turns.RetentionPass, steady: bool) -> None:
        """Batch after batch until nothing is left to forget."""
        instant = now(self._clock)
        if steady:
            await self._forget_what_is_old(instant)
        for job_id in await self._crowded(this_pass):
            await self._thin_out(job_id, instant)
        if self.running:
            await self._store.write(retention_turns.end, this_pass, self._keep_runs)

    async def _forget_what_is_old(self, instant: datetime) -> None:
        edge = instant - timedelta(days=self._keep_days)
        await self._store.write(prune.old_keys, instant)
        await self._store.write(node_rows.forget, instant)
        await self._forget_rows(audit.forget, instant - timedelta(days=self._audit_days))
        await self._forget_rows(deliveries.forget, edge)
        while self.running and await self._forgotten(self._store.write(prune.old, edge, BATCH)):
            pass

    async def _crowded(self, this_pass: retention_turns.RetentionPass) -> list[str]:
        """The jobs that have more runs than they keep, and a part more, or as many records that nothing ran. Only those
        can be that were given some since the last round; of these only those are counted that may have come so far."""
        most = self._keep_runs + self._keep_runs // SLACK
        if this_pass.since is None:
            self._room.clear()
            return await self._store.read(prune.crowded, most)
        new = await self._store.read(retention_turns.new_runs, this_pass.since)
        if len(self._room) > REMEMBERED:
            self._room.clear()
        self._room |= {job_id: self._room.get(job_id, 0) - count for job_id, count in new.items()}
        unsure = [job_id for job_id in new if self._room[job_id] < 0]
        found: list[str] = []
        for begin in range(0, len(unsure), BATCH):
            counts = await self._store.read(retention_turns.counts, unsure[begin : begin + BATCH])
            if full := [job_id for job_id, count in counts.items() if count > most]:
                counts |= await self._store.read(prune.larger, full)
            self._room |= {job_id: most - count for job_id, count in counts.items()}
            found += [job_id for job_id, count in counts.items() if count > most]
        return found

    async def _thin_out(self, job_id: str, instant: datetime) -> None:
        """Forget what a job has too much of. That it cannot be forgotten is told, and keeps no other from it."""
        write, keep = self._store.write, self._keep_runs
        try:
            for ran in (True, False):
                while self.running and await self._forgotten(write(prune.beyond, job_id, keep, BATCH, ran, instant)):
                    pass
        except Unavailable:
            raise
        except Exception:
            self.log.failure("old runs of job {job} could not be pruned", Failure(), job=job_id)

    async def look_for_strays(self, number: int) -> None:
        """Delete, from one of the folders, the output of runs that went from the store through other nodes."""
        written = await self._in_thread(old_files, self._folder, number, STRAY)
        for begin in range(0, len(written), BATCH):
            gone = await self._store.read(prune.unknown, written[begin : begin + BATCH])
            await self._in_thread(remove, self._folder, gone)

    async def _forget_rows(self, forget: Callable[..., int], edge: datetime) -> None:
        while self.running and await self._store.write(forget, edge, BATCH) == BATCH:
            pass

    async def _forgotten(self, ids: Deferred[list[str]]) -> bool:
        gone = await ids
        if gone:
            await self._in_thread(remove, self._folder, gone)
        return len(gone) == BATCH

    def _failed(self, why: Failure) -> None:
        self._failure_log.say("old runs could not be pruned, trying again in {seconds} s: {why}", why, seconds=EVERY)


def remove(folder: Path, run_ids: Iterable[str]) -> None:
    """Delete the output of runs; one that is not there was never written, and one that stays does not keep others."""
    for run_id in run_ids:
        _delete(folder, *output_names(run_id))


def old_files(folder: Path, number: int, age: float) -> list[str]:
    """The runs whose output is in one of the folders, and was written more than `age` seconds ago."""
    edge = time.time() - age  # noqa: TID251  # as below
    inner = f"{number:02x}"
    found = []
    for name, status in _listed(folder, inner):
        run_id = name.removesuffix(".log")
        if status.st_mtime < edge and output_names(run_id) == (inner, name):
            found.append(run_id)
    return found


def sweep(folder: Path, age: float) -> None:
    """Delete output files older than `age` seconds: their runs went in a daemon that died before the files did."""
    edge = time.time() - age  # noqa: TID251  # compared with the times of files, which the same clock gave
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
