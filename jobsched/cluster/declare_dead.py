"""Records the runs that dead nodes left behind; one run at a time if the store refuses one of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from random import random

from twisted.logger import Logger
from twisted.python.failure import Failure

from ..batching import apart
from ..model.errors import Unavailable
from ..model.ids import Ids
from ..model.run import Run
from ..store.contract.store import Store


class DeclareDead:
    """Declares nodes dead for one node, through its store."""

    log = Logger()

    def __init__(self, store: Store, ids: Ids) -> None:
        self._store = store
        self._ids = ids

    async def declare_dead(
        self, known: Sequence[str], silent: Sequence[str], reason: str, local: datetime
    ) -> list[Run]:
        """Declare dead the nodes `known` to be, and the late ones in `silent`; returns the runs that end by that."""
        try:
            return await self._declare_dead(known, silent, reason, local, None)
        except Unavailable:
            raise
        except Exception:
            self.log.failure("the runs of dead nodes were refused by the store; they are tried one by one", Failure())
        ended: list[Run] = []

        async def give(runs: list[Run]) -> None:
            ended.extend(await self._declare_dead(known, [], reason, local, [run.id for run in runs]))

        async def refused(run: Run, why: Failure) -> None:
            try:
                ended.append(await self._give_up(run, reason, local, why))
            except Unavailable:
                raise
            except Exception:
                self.log.failure("run {run} of {job} stays {state}: the store refuses every outcome for it", why,
                                 run=run.id, job=run.job_name, state=run.state)  # fmt: skip

        await self._declare_dead(known, silent, reason, local, [])
        await apart(await self._store.nodes.left_alone(local), give, refused)
        return ended

    async def _declare_dead(
        self, known: Sequence[str], silent: Sequence[str], reason: str, local: datetime, only: Sequence[str] | None
    ) -> list[Run]:
        return await self._store.nodes.declare_dead(known, silent, reason, self._ids, random, local, only)

    async def _give_up(self, run: Run, reason: str, local: datetime, why: Failure) -> Run:
        words = f"{reason}; more was refused by the store: {self._store.words(why.value)}"
        waits = run.state == "waiting"
        ended = run.become("missed", reason=words, ended=local) if waits else run.lost(words, local)
        await self._store.runs.give_up(ended, notify=False)
        return ended
