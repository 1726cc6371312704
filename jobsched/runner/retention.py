"""Keeps the record at its size: old runs go, and the files of their output with them, and old entries of the trail."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from .. import files
from ..clock import now
from ..model.errors import told
from ..store import audit, deliveries, prune
from ..store import nodes as node_rows
from ..store.store import Store
from .output import output_names

EVERY = 60.0  # seconds
BATCH = 500  # runs in one transaction
LEFTOVER = 86_400.0  # seconds beyond keep_days after which a file without a run is taken for forgotten
STRAY = 3600.0  # seconds; a file so old has a run in the store, unless another node made that forget it
FOLDERS = 256

log = Logger()


class Retention(Service):
    """Prunes: of runs `keep_runs` of each job and `keep_days` in all are left, of the trail `audit_days`."""

    name = "retention"
    log = Logger()

    def __init__(
        self,
        clock: Any,
        store: Store,
        in_thread: Callable[..., Deferred[Any]],
        folder: Path,
        keep_runs: int,
        keep_days: float,
        audit_days: float = 365,
    ) -> None:
        self._clock = clock
        self._store = store
        self._in_thread = in_thread
        self._folder = folder
        self._keep_runs = keep_runs
        self._keep_days = keep_days
        self._audit_days = audit_days
        self._loop = LoopingCall(self._prune)
        self._loop.clock = clock
        self._pruning: Deferred[None] = succeed(None)
        self._swept = False

    def startService(self) -> None:
        super().startService()
        self._loop.start(EVERY, now=False)

    def stopService(self) -> Deferred[None]:
        """Fires when the batch under way is through."""
        super().stopService()
        if self._loop.running:
            self._loop.stop()
        return self._pruning

    def _prune(self) -> Deferred[None]:
        self._pruning = Deferred.fromCoroutine(self.prune()).addErrback(self._failed)
        return self._pruning

    async def prune(self) -> None:
        """One round: batch after batch until nothing is left to forget."""
        instant = now(self._clock)
        await self._store.write(prune.old_keys, instant)
        edge = instant - timedelta(days=self._keep_days)
        await self._forget_rows(audit.forget, instant - timedelta(days=self._audit_days))
        await self._forget_rows(deliveries.forget, edge)
        while self.running and await self._forgotten(self._store.write(prune.old, edge, BATCH)):
            pass
        for job_id in await self._store.read(prune.crowded, self._keep_runs):
            write = self._store.write
            while self.running and await self._forgotten(write(prune.beyond, job_id, self._keep_runs, BATCH)):
                pass
        if self.running and not self._swept:
            self._swept = True
            await self._in_thread(sweep, self._folder, self._keep_days * 86_400 + LEFTOVER)
        if self.running and self._store.dialect != "sqlite":
            await self._store.write(node_rows.forget, instant)
            await self.look_for_strays(int(self._clock.seconds() // EVERY) % FOLDERS)

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
        if not told(why.value):
            self.log.error("old runs could not be pruned, trying again in {seconds} s: {why}",
                           seconds=EVERY, why=why.getErrorMessage())  # fmt: skip


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
