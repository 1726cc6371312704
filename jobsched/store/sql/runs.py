"""Runs in the store: their outcomes and their history. Every function runs inside a transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter

import attrs
from sqlalchemy import ColumnElement, bindparam, func, insert, or_, select, update

from ...model.ids import BACK, Ids
from ...model.job import Job
from ...model.run import ACTIVE, RETRIED, STARTED, LastRun, Run, RunFilter, State
from .. import outcomes
from ..outcomes import NOTES
from . import listen_notify, outbox, run_pages
from .many import Many, named
from .tables import jobs, nodes, runs
from .transaction import Query, TableRow, Transaction, database_now
from .visibility import of_tasks

GOES_ON = (runs.c.state == "lost") & (runs.c.isolated == runs.c.ended)  # as `Run.goes_on`

_RECORD = Many(
    update(runs)
    .where(
        runs.c.id == bindparam("key"),
        runs.c.node_id == bindparam("by"),
        or_(*(runs.c.state == state for state in STARTED), GOES_ON),  # not IN: that cannot be executed for many at once
    )
    .values(
        {name: bindparam(f"new_{name}", type_=runs.c[name].type) for name in NOTES}
        | {"isolated": func.coalesce(bindparam("new_isolated", type_=runs.c.isolated.type), runs.c.isolated)}
    ),
    ("key", "by", *(f"new_{name}" for name in NOTES)),
)
_note = attrgetter("id", "node_id", *NOTES)
_FIELDS = tuple(field.name for field in attrs.fields(Run))
_ADD, _values = Many(insert(runs), _FIELDS), attrgetter(*_FIELDS)
MOST_LEFT = 1000

_LAST = [runs.c[field.name] for field in attrs.fields(LastRun)]
_SHOWN = [column for column in runs.c if column is not runs.c.parameters]

_ACTIVE_OF = select(runs).where(runs.c.state.in_(ACTIVE), runs.c.job_id.in_(bindparam("job_ids", expanding=True)))
_ANY_WAITING = select(runs.c.id).where(runs.c.state == "waiting").limit(1)


def insert_all(transaction: Transaction, new: Iterable[Run]) -> None:
    """Store new runs; (job, due, attempt) is unique, so a second start of one due cannot be stored."""
    added = list(new)
    if added:
        _ADD.execute(transaction, map(_values, added))
        transaction.have_changed(added)
        outbox.tell_missed(transaction, [run for run in added if run.state == "missed"])


_TAKEN_FOR_LOST = select(runs.c.isolated).where(
    runs.c.id == bindparam("run"), runs.c.node_id == bindparam("by"), runs.c.state.in_(STARTED) | GOES_ON
)
_TAKE_BACK = (
    update(jobs)
    .where(jobs.c.id == bindparam("key"), jobs.c.failing == _TAKEN_FOR_LOST.scalar_subquery())
    .values(failing=bindparam("began", type_=jobs.c.failing.type))
)


class _Records(outcomes.Records):
    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction

    def now_where_shared(self, fallback: datetime) -> datetime | None:
        return None if self._in.dialect.name == "sqlite" else database_now(self._in, fallback)

    def concerned(self, ended: Sequence[Run], *, retried: bool = False) -> dict[str, Job]:
        return outbox.concerned(self._in, ended, retried=retried)

    def take_back(self, succeeded: Sequence[Run]) -> None:
        backs = [{"run": run.id, "by": run.node_id, "key": run.job_id, "began": run.started} for run in succeeded]
        self._in.execute(_TAKE_BACK, sorted(backs, key=lambda back: str(back["key"])))

    def write_all(self, noted: Sequence[Run]) -> Sequence[Run]:
        written = _RECORD.execute(self._in, map(_note, noted))
        return noted if written == len(noted) else _as_stored(self._in, noted)

    def write_one(self, noted: Run) -> bool:
        return _RECORD.execute(self._in, [_note(noted)]) == 1

    def insert(self, new: Sequence[Run]) -> None:
        insert_all(self._in, new)

    def have_ended(self, runs: Sequence[Run]) -> None:
        self._in.have_ended(runs)

    def tell_succeeded(self, ended: Sequence[Run]) -> None:
        outbox.tell_succeeded(self._in, ended)

    def tell_failed(self, failed: Sequence[Run], asking: Mapping[str, Job], again: set[str]) -> None:
        outbox.tell_failed(self._in, failed, asking, again)


def record(transaction: Transaction, executed: Sequence[Run], ids: Ids, chance: Callable[[], float]) -> bool:
    """As `outcomes.record`."""
    return outcomes.record(_Records(transaction), executed, ids, chance)


def give_up(transaction: Transaction, run: Run, *, notify: bool = True) -> bool:
    """Write the end of a run whose outcome the database refuses, with as little data as possible, and only if the run
    has no outcome yet. The run is not tried again, and its output is not kept here. With `notify`, the failure is
    notified to those that ask for it. Returns whether there was anything to write."""
    (run,) = outcomes.in_their_time(_Records(transaction), [run])
    asking = outbox.concerned(transaction, [run]) if notify else {}
    its = (runs.c.id == run.id) & (runs.c.state.in_(ACTIVE) | GOES_ON)
    its &= runs.c.node_id.is_(None) if run.node_id is None else runs.c.node_id == run.node_id
    ended = {name: getattr(run, name) for name in NOTES}
    if transaction.execute(update(runs).where(its).values(ended)).rowcount != 1:
        return False
    transaction.have_ended([run])
    if notify and run.state in RETRIED:
        outbox.tell_failed(transaction, [run], asking, set())
    return True


def _as_stored(transaction: Transaction, noted: Sequence[Run]) -> list[Run]:
    """The runs for which the store says the same. For the others, another node has recorded another outcome."""
    wanted = select(runs.c.id, runs.c.state, runs.c.ended).where(runs.c.id.in_([run.id for run in noted]))
    stored = {row.id: (row.state, row.ended) for row in transaction.execute(wanted)}
    return [run for run in noted if stored.get(run.id) == (run.state, run.ended)]


def get(transaction: Transaction, run_id: str) -> Run | None:
    """The run of that id."""
    row = transaction.execute(select(runs).where(runs.c.id == run_id)).one_or_none()
    return None if row is None else from_row(row)


def some(transaction: Transaction, run_ids: Sequence[str]) -> list[Run]:
    """Those of these runs that are there, without their parameters."""
    return _all(transaction, select(*_SHOWN).where(runs.c.id.in_(run_ids)))


def page(transaction: Transaction, limit: int, before: str | None, only: RunFilter) -> list[Run]:
    """Up to `limit` runs, newest first, older than the run `before`. Their parameters are left out: nobody is shown
    them, and those of a thousand runs may be large."""
    found = run_pages.ids(transaction, limit, before, only)
    shown = select(*_SHOWN).where(runs.c.id.in_(found)).order_by(runs.c.id.desc())
    return _all(transaction, shown) if found else []


def any_of(transaction: Transaction, job_id: str, tasks: tuple[str, ...] | None = None) -> bool:
    """Whether there is a run of that job, whether or not the job still exists; `tasks` as in a RunFilter."""
    query = select(runs.c.id).where(runs.c.job_id == job_id).limit(1)
    if tasks is not None:
        query = query.where(of_tasks(transaction, runs.c.task, tasks))
    return transaction.execute(query).first() is not None


def last_of(transaction: Transaction, job_ids: Sequence[str], now: datetime | None = None) -> dict[str, LastRun]:
    """The newest run of each job that has one. With `now`, runs that were made by a clock that was hours ahead do not
    count."""
    its = select(runs.c.id).where(runs.c.job_id == jobs.c.id)
    if now is not None:
        its = its.where(runs.c.created <= now + BACK)
    one = its.order_by(runs.c.id.desc()).limit(1).correlate(jobs).scalar_subquery()  # a seek for each job
    newest = [run_id for run_id in transaction.execute(select(one).where(jobs.c.id.in_(job_ids))).scalars() if run_id]
    if not newest:
        return {}
    found = transaction.execute(select(*_LAST).where(runs.c.id.in_(newest)))
    return {row.job_id: LastRun(**row._asdict()) for row in named(found)}


def active_of(transaction: Transaction, job_ids: Sequence[str]) -> list[Run]:
    """The runs of these jobs that have no outcome yet."""
    return [from_row(row) for row in named(transaction.execute(_ACTIVE_OF, {"job_ids": list(job_ids)}))]


def ripe_of(transaction: Transaction, job_ids: Sequence[str], now: datetime) -> list[Run]:
    """The active runs of these jobs, without retries whose time has not come."""
    active = active_of(transaction, job_ids)
    return [run for run in active if run.state != "waiting" or run.not_before is None or run.not_before <= now]


def left_behind(transaction: Transaction, node_id: str) -> list[Run]:
    """The runs that daemons other than `node_id` started and did not end. For a store with one daemon at a time."""
    return _all(transaction, select(runs).where(runs.c.node_id != node_id, runs.c.state.in_(STARTED)))


def hold_job_of(transaction: Transaction, run_id: str) -> None:
    """Hold the job of a run until the transaction ends: jobs are held before their runs."""
    job_id = transaction.execute(select(runs.c.job_id).where(runs.c.id == run_id)).scalar()
    transaction.execute(select(jobs.c.id).where(jobs.c.id == job_id).with_for_update()).all()


def adopt(transaction: Transaction, run_ids: Sequence[str], node_id: str, previous: Sequence[str] | None) -> list[Run]:
    """Give the running and stopping among these runs to `node_id`, those of nodes in `previous` that live; None: of any
    node. Those that it has already are found too. While these nodes are held, nobody declares them dead. Those that may
    go on are given back, be their node dead or not."""
    begun = runs.c.state.in_(STARTED)
    theirs: ColumnElement[bool] = begun | GOES_ON
    if previous is not None:
        living = select(nodes.c.id).where(nodes.c.id.in_([*previous, node_id]), nodes.c.state == "alive")
        alive = set(transaction.execute(living.order_by(nodes.c.id).with_for_update()).scalars())
        if node_id not in alive:
            return []
        kept = (begun & (runs.c.on_isolation == "keep")) | GOES_ON
        theirs = (begun & runs.c.node_id.in_(alive)) | (kept & runs.c.node_id.in_([*previous, node_id]))
    found = _all(transaction, select(runs).where(runs.c.id.in_(run_ids), theirs).order_by(runs.c.id).with_for_update())
    for run in found:
        if run.goes_on:
            again = run.heard_of_again(node_id)
            values = {name: getattr(again, name) for name in ("node_id", "state", "reason", "ended")}
            transaction.execute(update(runs).where(runs.c.id == run.id).values(values))
            transaction.have_changed([again])
    ids = [run.id for run in found if not run.goes_on]
    transaction.execute(update(runs).where(runs.c.id.in_(ids)).values(node_id=node_id))
    return [run.heard_of_again(node_id) for run in found]


def left_here(transaction: Transaction, previous: Sequence[str], name: str) -> list[Run]:
    """The runs that the nodes in `previous`, earlier daemons in this place, started and did not end; and those of their
    runs that other nodes have declared lost meanwhile: their processes may still live.

    If `previous` is empty: the runs of a daemon with this name that was no node, because its schema was 0001.
    """
    if not previous:
        own = (runs.c.node == name) & runs.c.state.in_(STARTED) & runs.c.node_id.not_in(select(nodes.c.id))
    else:
        own = runs.c.node_id.in_(previous) & runs.c.state.in_((*STARTED, "lost"))
    return _all(transaction, select(runs).where(own).order_by(runs.c.id.desc()).limit(MOST_LEFT))


def started_by(transaction: Transaction, node_id: str) -> list[Run]:
    """The runs that a node executes, as the store has it; oldest first."""
    mine = (runs.c.node_id == node_id) & runs.c.state.in_(STARTED)
    return _all(transaction, select(runs).where(mine).order_by(runs.c.id))


def ask_to_end(transaction: Transaction, wanted: Iterable[Run], reason: str, asker: str) -> list[Run]:
    """Tell the nodes that execute these runs to end them. `asker` is a node that knows of it already.

    The runs come back with the reason for which they end, `stop`: the reason that was given first stays.
    """
    asked = list(wanted)
    if not asked:
        return []
    these = runs.c.id.in_([run.id for run in asked])
    started = these & runs.c.state.in_(STARTED) & runs.c.stop.is_(None)
    transaction.execute(update(runs).where(started).values(stop=reason))
    transaction.have_changed([attrs.evolve(run, state="stopping") for run in asked if run.stop is None])
    if any(run.node_id != asker for run in asked):
        listen_notify.tell(transaction, asker)
    stops = {row.id: row.stop for row in transaction.execute(select(runs.c.id, runs.c.stop).where(these))}
    return [attrs.evolve(run, stop=stops.get(run.id)) for run in asked]


def end_waiting(
    transaction: Transaction, active: list[Run], state: State, reason: str, now: datetime
) -> tuple[list[Run], list[Run]]:
    """Give this outcome to the runs that only waited. Returns these runs, and the others."""
    waiting = [run for run in active if run.state == "waiting"]
    ended: list[Run] = []
    if waiting:
        values = {"state": state, "reason": reason, "ended": now}
        asked = runs.c.id.in_([run.id for run in waiting]) & (runs.c.state == "waiting")
        still = set(transaction.execute(select(runs.c.id).where(asked).with_for_update()).scalars())
        transaction.execute(update(runs).where(runs.c.id.in_(still)).values(values))
        ended = [run.become(state, reason=reason, ended=now) for run in waiting if run.id in still]
        transaction.have_ended(ended)
    return ended, [run for run in active if run.state != "waiting"]


def waiting(transaction: Transaction, now: datetime) -> tuple[bool, datetime | None]:
    """Whether any run waits; and the first instant after `now` until which a waiting run has to wait."""
    waits = runs.c.state == "waiting"
    soonest = select(func.min(runs.c.not_before)).where(waits, runs.c.not_before > now)
    some = any_waiting(transaction)
    return some, transaction.execute(soonest).scalar() if some else None


def any_waiting(transaction: Transaction) -> bool:
    """Whether any run waits."""
    return transaction.execute(_ANY_WAITING).first() is not None


def from_row(row: TableRow) -> Run:
    """The record of a row that holds every column of `runs`, or all that are shown. A daemon of 0004 leaves
    `on_isolation` NULL."""
    values = row._asdict()
    values["on_isolation"] = values["on_isolation"] or "end"
    return Run(**values)


def _all(transaction: Transaction, query: Query) -> list[Run]:
    return [from_row(row) for row in named(transaction.execute(query))]
