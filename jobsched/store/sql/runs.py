"""Runs in the store: their outcomes and their history. Every function runs inside a transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter

import attrs
from sqlalchemy import bindparam, func, insert, or_, select, update

from ...model.ids import BACK, EPOCH, Ids
from ...model.job import Job
from ...model.owed import Stretch
from ...model.retry import delay, final, follows
from ...model.run import ACTIVE, NEVER_RAN, RETRIED, STARTED, LastRun, Run, RunFilter
from . import listen_notify, outbox, run_pages
from .many import Many, named
from .tables import jobs, nodes, runs
from .transaction import Query, TableRow, Transaction, database_now
from .visibility import of_tasks

_NOTES = ("pid", "pid_started", "state", "reason", "ended", "exit_code", "signal", "left_behind",
          "cpu_seconds", "max_rss", "term_at", "kill_at",
          "output_bytes", "output_kept", "output_truncated")  # fmt: skip


_RECORD = Many(
    update(runs)
    .where(
        runs.c.id == bindparam("key"),
        runs.c.node_id == bindparam("by"),
        or_(*(runs.c.state == state for state in STARTED)),  # not IN: that cannot be executed for many at once
    )
    .values({name: bindparam(f"new_{name}", type_=runs.c[name].type) for name in _NOTES}),
    ("key", "by", *(f"new_{name}" for name in _NOTES)),
)
_note = attrgetter("id", "node_id", *_NOTES)
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


def record(transaction: Transaction, executed: Sequence[Run], ids: Ids, chance: Callable[[], float]) -> bool:
    """Write the outcome of runs. A run is written only if its node still owns it and it has no outcome yet.

    If a run failed and its job asks for it, the next attempt is added in the same transaction, so that it is added
    once. Returns True if any attempt was added.
    """
    executed = _in_its_time(transaction, executed)
    failed = [run for run in executed if run.state in RETRIED]
    others = [run for run in executed if run.state not in RETRIED]
    asking = outbox.concerned(transaction, failed, retried=True)
    failed = [final(asking.get(run.job_id), run) for run in failed]
    if others:
        written = _RECORD.execute(transaction, map(_note, others))
        stored = others if written == len(others) else _as_stored(transaction, others)
        transaction.have_ended(stored)
        outbox.tell_succeeded(transaction, stored)
    lost = [run for run in failed if _RECORD.execute(transaction, [_note(run)]) == 1]
    transaction.have_ended(lost)
    again = _try_again(transaction, lost, asking, ids, chance)
    outbox.tell_failed(transaction, lost, asking, again)
    return bool(again)


def give_up(transaction: Transaction, run: Run, *, notify: bool = True) -> bool:
    """Write the end of a run whose outcome the database refuses, with as little data as possible, and only if the run
    has no outcome yet. The run is not tried again, and its output is not kept here. With `notify`, the failure is
    notified to those that ask for it. Returns whether there was anything to write."""
    (run,) = _in_its_time(transaction, [run])
    asking = outbox.concerned(transaction, [run]) if notify else {}
    its = (runs.c.id == run.id) & runs.c.state.in_(ACTIVE)
    its &= runs.c.node_id.is_(None) if run.node_id is None else runs.c.node_id == run.node_id
    ended = {name: getattr(run, name) for name in _NOTES}
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


def _in_its_time(transaction: Transaction, executed: Sequence[Run]) -> Sequence[Run]:
    """The runs with their ends moved: after the start and not after now, both by the database's clock."""
    ends = [run.ended for run in executed if run.ended is not None]
    if not ends or transaction.dialect.name == "sqlite":
        return executed
    latest = database_now(transaction, max(ends))
    return [
        run if run.ended is None else attrs.evolve(run, ended=max(min(run.ended, latest), run.started or EPOCH))
        for run in executed
    ]


def _try_again(
    transaction: Transaction, failed: list[Run], asking: Mapping[str, Job], ids: Ids, chance: Callable[[], float]
) -> set[str]:
    """Add the next attempts of runs whose jobs ask for them (`asking`). Returns the ids of these runs."""
    retries, again = [], set()
    for run in failed:
        job = asking.get(run.job_id)
        if job is None or not follows(job, run) or run.ended is None:
            continue
        pause = delay(job.policy, run.attempt, chance())
        stretch = Stretch(
            due=run.due, until=run.due, count=1, fate="queue", reason=f"attempt {run.attempt} {run.state}"
        )
        waits = passed(job, stretch, ids.make(run.ended), run.ended)
        again.add(run.id)
        retries.append(
            attrs.evolve(
                waits,
                cause="retry",
                attempt=run.attempt + 1,
                not_before=run.ended + pause,
                parameters=run.parameters,
                require=run.require,
                place=run.place,
            )
        )
    insert_all(transaction, retries)
    return again


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


def passed(job: Job, stretch: Stretch, run_id: str, now: datetime) -> Run:
    """The record of dues that started nothing; or the bare record of a due that will start a run."""
    return Run(
        id=run_id,
        job_id=job.id,
        job_name=job.name,
        task=job.task,
        due=stretch.due,
        until=stretch.until if stretch.count > 1 else None,
        count=stretch.count,
        created=now,
        state=stretch.fate if stretch.fate in NEVER_RAN else "waiting",
        reason=stretch.reason,
        ended=now if stretch.fate in NEVER_RAN else None,
        overlaps=job.policy.overlap == "allow",
        parameters=job.parameters,
        timeout=job.timeout,
        require=job.policy.require,
    )


def left_behind(transaction: Transaction, node_id: str) -> list[Run]:
    """The runs that daemons other than `node_id` started and did not end. For a store with one daemon at a time."""
    return _all(transaction, select(runs).where(runs.c.node_id != node_id, runs.c.state.in_(STARTED)))


def adopt(transaction: Transaction, run_ids: Sequence[str], node_id: str, previous: Sequence[str] | None) -> list[Run]:
    """Give the running and stopping among these runs to `node_id`, those of nodes in `previous` that live; None: of any
    other node. While these nodes are held, nobody declares them dead."""
    before = runs.c.node_id != node_id
    if previous is not None:
        living = select(nodes.c.id).where(nodes.c.id.in_([*previous, node_id]), nodes.c.state == "alive")
        alive = set(transaction.execute(living.order_by(nodes.c.id).with_for_update()).scalars())
        if node_id not in alive:
            return []
        before = runs.c.node_id.in_(alive - {node_id})
    theirs = runs.c.id.in_(run_ids) & before & runs.c.state.in_(STARTED)
    found = _all(transaction, select(runs).where(theirs).order_by(runs.c.id).with_for_update())
    ids = [run.id for run in found]
    transaction.execute(update(runs).where(theirs, runs.c.id.in_(ids)).values(node_id=node_id))
    return [attrs.evolve(run, node_id=node_id) for run in found]


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
    """The record of a row that holds every column of `runs`, or all that are shown."""
    return Run(**row._asdict())


def _all(transaction: Transaction, query: Query) -> list[Run]:
    return [from_row(row) for row in named(transaction.execute(query))]
