"""Neighbouring dues that started nothing for the same reason share one record, even if they come from several claims.

So the record of a job grows with what happens to the job, and not with how often it is due meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import attrs

from ..model.owed import MOST
from ..model.run import NEVER_RAN, Run
from ..model.trigger import Schedule

ALIKE = ("job_name", "task", "state", "reason", "overlaps", "parameters", "timeout", "require")
GROWS = ("until", "count", "created", "ended")  # a stretch was decided when its last due was


class Records(Protocol):
    """What is asked of a transaction, and written in it."""

    def last(self, wanted: Sequence[Run], now: datetime) -> dict[tuple[str, str], Run]:
        """The newest record in (job, place) of each of these runs, if it may be extended.

        It was made by the schedule, and not by a clock that was hours ahead of `now`. It is skipped; or missed, with
        nothing of its job started since it ended, and made since the job is watched: what is missed counts for being
        overdue until something starts, and the two must not be mixed up."""

    def extend(self, grown: Sequence[Run]) -> None:
        """Write what grows of these records."""

    def insert(self, new: Sequence[Run]) -> None:
        """Store new runs, and notify those that are missed."""

    def tell(self, parts: Sequence[Run]) -> None:
        """Tell of these parts of records that have grown: they have ended, and those that are missed are notified."""


def add(records: Records, new: Sequence[Run], schedules: Mapping[str, Schedule], now: datetime) -> None:
    """Store new runs, by due. No other transaction may decide about their jobs meanwhile; `schedules` are the schedules
    of the jobs.

    If the first run of a job in its place started nothing, for the same reason as the last record there, and no due
    lies between, that record is extended. A record that was made by a wrong clock and lies ahead of `now` is not looked
    at.
    """
    first: dict[tuple[str, str], Run] = {}
    for run in new:
        first.setdefault((run.job_id, run.place), run)
    wanted = [run for run in first.values() if run.state in NEVER_RAN and run.cause == "schedule"]
    grown = list(_grown(wanted, records.last(wanted, now), schedules)) if wanted else []
    if grown:
        records.extend([_extended(last, run) for last, run in grown])
        records.tell([attrs.evolve(run, id=last.id) for last, run in grown])
    shared = {run.id for _, run in grown}
    records.insert([run for run in new if run.id not in shared])


def _grown(
    wanted: Iterable[Run], last: Mapping[tuple[str, str], Run], schedules: Mapping[str, Schedule]
) -> Iterable[tuple[Run, Run]]:
    for run in wanted:
        before = last.get((run.job_id, run.place))
        if before is None or before.count + run.count > MOST:
            continue
        alike = all(getattr(before, name) == getattr(run, name) for name in ALIKE)
        if alike and schedules[run.job_id].next_after(before.until or before.due) == run.due:
            yield before, run


def _extended(last: Run, run: Run) -> Run:
    count = last.count + run.count
    return attrs.evolve(last, until=run.until or run.due, count=count, created=run.created, ended=run.ended)
