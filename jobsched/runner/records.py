"""What becomes of runs, on its way to the store: outcomes, notes and the tails of outputs."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..batching import Batch
from ..model.errors import Unavailable
from ..model.ids import Ids
from ..model.redaction import Redaction
from ..model.run import Run, Tail
from ..store.contract.store import Store
from .outcome import plain
from .output_file import open_output

KEPT = 64 * 1024  # bytes of a tail
SPACING = 0.02  # seconds between two transactions: while many runs end, each transaction takes from what is to start


class Records:
    """Writes outcomes and notes; records that come together share one transaction. A refused record does not keep the
    others out of the store: its run is recorded as failed.

    `read_tail` finds the end of a run's output; `stored(ended, again)` hears which runs have their outcome on disk, and
    whether some of them will be tried again.
    """

    log = Logger()

    def __init__(
        self,
        reactor: IReactorTime,
        store: Store,
        ids: Ids,
        read_tail: Callable[[str], Tail | None],
        redaction: Redaction,
        stored: Callable[[list[str], bool], object],
    ) -> None:
        self._reactor = reactor
        self._store = store
        self._ids = ids
        self._read_tail = read_tail
        self._redaction = redaction
        self._stored = stored
        self.unstored: set[str] = set()  # runs that have ended, and the store does not know yet
        self._batch: Batch[Run] = Batch(reactor, self._record, self._refused, keep=True, spacing=SPACING)
        self.settled = self._batch.settled

    def add(self, run: Run) -> None:
        """Record a change; a later one of the same run replaces it if it was not stored yet."""
        if not run.active:
            self.unstored.add(run.id)
        self._batch.add(run)

    def settled_within(self, seconds: float) -> Deferred[None]:
        """Bounded wait, until all is stored."""
        words = (
            "outcomes could not be stored; the next daemon stores those that executors keep, the other runs are lost"
        )
        return self.settled().addTimeout(seconds, self._reactor).addErrback(lambda _: self.log.error(words))

    def _record(self, runs: list[Run]) -> Deferred[None]:
        latest = {run.id: run for run in runs}
        stored = self._store.runs.record(list(latest.values()), self._ids, random.random, self._read_tail)
        return stored.addCallback(self._tell, [run.id for run in latest.values() if not run.active])

    def _tell(self, again: bool, ended: list[str]) -> None:
        self.unstored.difference_update(ended)
        self._stored(ended, again)

    async def _refused(self, run: Run, why: Failure) -> None:
        """Of the run that the store cannot be told of: at least it must not look as if it were running still."""
        if run.active:
            self.log.failure("run {run} of {job} is {state}, but the store refused to record that", why,
                             run=run.id, job=run.job_name, state=run.state)  # fmt: skip
            return
        redact = self._redaction.redact(run.parameters)
        reason = plain(redact(f"its outcome ({run.state}) was refused by the store: {self._store.words(why.value)}"))
        failed = attrs.evolve(run, state="failed", reason=reason)
        try:
            await self._store.runs.give_up(failed)
        except Unavailable:
            raise
        except Exception:  # it may be the notification that is refused
            await self._store.runs.give_up(failed, notify=False)
        self.log.failure("run {run} of {job}: failed, {reason}", why, run=run.id, job=run.job_name, reason=reason)
        self._tell(False, [run.id])


def tail_reader(store: Store, folder: Path) -> Callable[[str], Tail | None]:
    """A function that reads a run's tail. It gives None if the store is one node's own: that node has the file."""
    return partial(read_tail, folder) if store.shared else lambda run_id: None


def read_tail(folder: Path, run_id: str) -> Tail | None:
    """The last `KEPT` bytes of what a run printed; None when it printed nothing, or its file cannot be read."""
    try:
        with open_output(folder, run_id) as file:
            start = max(os.fstat(file.fileno()).st_size - KEPT, 0)
            file.seek(start)
            data = file.read(KEPT)
    except OSError:
        return None
    return Tail(run_id=run_id, start=start, data=data) if data else None
