"""The record that new dues of a job may share, in SQL: see `store.stretching`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import and_, bindparam, or_, select, update

from ...model.ids import BACK
from ...model.run import Run
from ...model.trigger import Schedule
from .. import stretching
from . import outbox
from . import runs as run_rows
from .many import named
from .overdue_queries import started_since
from .tables import jobs, runs
from .transaction import Transaction

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
    .values({name: bindparam(f"new_{name}", type_=runs.c[name].type) for name in stretching.GROWS})
)


def add(transaction: Transaction, new: Sequence[Run], schedules: Mapping[str, Schedule], now: datetime) -> None:
    """As `stretching.add`."""
    stretching.add(_Records(transaction), new, schedules, now)


class _Records(stretching.Records):
    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def last(self, wanted: Sequence[Run], now: datetime) -> dict[tuple[str, str], Run]:
        return _last(self._in, wanted, now)

    def extend(self, grown: Sequence[Run]) -> None:
        rows = [{"key": run.id} | {f"new_{name}": getattr(run, name) for name in stretching.GROWS} for run in grown]
        self._in.execute(_EXTEND, rows)

    def insert(self, new: Sequence[Run]) -> None:
        run_rows.insert_all(self._in, new)

    def tell(self, parts: Sequence[Run]) -> None:
        self._in.have_ended(parts)
        outbox.tell_missed(self._in, [run for run in parts if run.state == "missed"])


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
