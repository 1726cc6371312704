"""Neighbouring dues that started nothing for the same reason share one record, even if they come from several claims.

So the record of a job grows with what happens to the job, and not with how often it is due meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import attrs
from sqlalchemy import and_, bindparam, or_, select, update

from ...model.ids import BACK
from ...model.owed import MOST
from ...model.run import NEVER_RAN, Run
from ...model.trigger import Schedule
from . import outbox
from . import runs as run_rows
from .many import named
from .overdue_queries import started_since
from .tables import jobs, runs
from .transaction import Transaction

ALIKE = ("job_name", "task", "state", "reason", "overlaps", "parameters", "timeout", "require")
GROWS = ("until", "count", "created", "ended")  # a stretch was decided when its last due was

_BEFORE = bindparam("before", type_=runs.c.created.type)
_ITS = select(runs.c.id).where(runs.c.job_id == jobs.c.id, runs.c.place == bindparam("place"), runs.c.created < _BEFORE)
_NEWEST = _ITS.order_by(runs.c.id.desc()).limit(1).correlate(jobs)
_LAST = select(_NEWEST.scalar_subquery()).where(jobs.c.id.in_(bindparam("job_ids", expanding=True)))
_ONE_RECORD = or_(  # what is missed counts for `overdue` until something starts: the two must not be mixed up
    runs.c.state == "skipped",
    and_(
        runs.c.state == "missed",
        ~started_since(runs.c.ended),
        or_(jobs.c.watched.is_(None), runs.c.created >= jobs.c.watched),
    ),
)
_OPEN = (
    select(runs)
    .join(jobs, jobs.c.id == runs.c.job_id)
    .where(runs.c.id.in_(bindparam("ids", expanding=True)), runs.c.cause == "schedule", _ONE_RECORD)
    .with_for_update(skip_locked=True, of=runs)  # do not wait for a record that is being forgotten
)
_EXTEND = (
    update(runs)
    .where(runs.c.id == bindparam("key"))
    .values({name: bindparam(f"new_{name}", type_=runs.c[name].type) for name in GROWS})
)


def add(transaction: Transaction, new: Sequence[Run], schedules: Mapping[str, Schedule], now: datetime) -> None:
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
    grown = list(_grown(wanted, _last(transaction, wanted, now), schedules)) if wanted else []
    if grown:
        transaction.execute(_EXTEND, [_extent(last, run) for last, run in grown])
        added = [attrs.evolve(run, id=last.id) for last, run in grown]
        transaction.have_ended(added)
        outbox.tell_missed(transaction, [run for run in added if run.state == "missed"])
    shared = {run.id for _, run in grown}
    run_rows.insert_all(transaction, [run for run in new if run.id not in shared])


def _last(transaction: Transaction, wanted: Iterable[Run], now: datetime) -> dict[tuple[str, str], Run]:
    """The last record of each job in each place, if it may be extended."""
    ids: list[str] = []
    of_place: dict[str, list[str]] = {}
    for run in wanted:
        of_place.setdefault(run.place, []).append(run.job_id)
    for place, job_ids in of_place.items():
        asked = {"place": place, "job_ids": job_ids, "before": now + BACK}
        ids += (found for found in transaction.execute(_LAST, asked).scalars() if found)
    if not ids:
        return {}
    found = (run_rows.from_row(row) for row in named(transaction.execute(_OPEN, {"ids": ids, "now": now})))
    return {(run.job_id, run.place): run for run in found}


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


def _extent(last: Run, run: Run) -> dict[str, object]:
    return {
        "key": last.id,
        "new_until": run.until or run.due,
        "new_count": last.count + run.count,
        "new_created": run.created,
        "new_ended": run.ended,
    }
