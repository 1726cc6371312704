"""Sets of jobs in SQL: see `store.job_sets` and `store.standing`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import insert, update
from twisted.internet.defer import Deferred

from ...model.caller import Caller
from ...model.job import Job
from ...model.job_set import Standing, Step
from ...model.labels import Label
from .. import job_sets
from ..contract import job_sets as contract
from . import ordering, staging, standing
from .hints import by_indexes
from .tables import settings
from .transaction import Noun

_LOCK = settings.c.name == "job_set"


class JobSets(Noun, contract.JobSets):
    most = None

    def standing(
        self, ids: Sequence[str], scope: Label | None, caller: Caller, now: datetime, *, whole: bool
    ) -> Deferred[Standing]:
        return self._in.read(standing.standing, ids, scope, caller, now, whole=whole)

    def versions(self, scope: Sequence[Label], tasks: tuple[str, ...] | None) -> Deferred[dict[str, int]]:
        return self._in.read(standing.versions, scope, tasks)

    def stage(self, set_id: str, steps: Sequence[Step], *, again: bool = False) -> Deferred[None]:
        return self._in.write(staging.stage, set_id, steps, again=again)

    def discard(self, set_id: str, most: int) -> Deferred[int]:
        return self._in.write(staging.discard, set_id, most)

    def abandoned(self, before: datetime) -> Deferred[str | None]:
        return self._in.read(staging.abandoned, before)


class Records(ordering.Records, job_sets.Records):
    """What a set asks of a transaction besides. What is not staged is not switched."""

    most = None

    def take_turn(self) -> None:
        """Wait until no other set is put. Of two that are the first of all, one begins anew."""
        if self._in.execute(update(settings).where(_LOCK).values(value=1)).rowcount == 0:
            self._in.execute(insert(settings).values(name="job_set", value=1))
        by_indexes(self._in)

    def versions(self, scope: Sequence[Label], tasks: tuple[str, ...] | None) -> dict[str, int]:
        return standing.versions(self._in, scope, tasks)

    def versions_of(self, ids: Sequence[str], tasks: tuple[str, ...] | None) -> dict[str, int]:
        return standing.versions_of(self._in, ids, tasks)

    def held(self, ids: Sequence[str]) -> dict[str, Job]:
        return standing.by_ids(self._in, ids, hold=True)

    def quiet(self, staged: str, planned: Sequence[Step], now: datetime) -> set[str]:
        return staging.quiet(self._in, staged, planned, now) if staged and planned else set()

    def switch(self, staged: str, steps: Sequence[Step], asker: str, now: datetime) -> None:
        staging.carry_out(self._in, staged, asker, now)
