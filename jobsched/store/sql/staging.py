"""What is staged of a set of jobs: rows as they will be, written in pieces, and carried out by a few statements.

To write ten thousand jobs one by one takes many seconds, for which the transaction would hold them, and on SQLite all
others. So what each becomes is computed beforehand, by the same pure rules (`model/job_set`), and written beside. The
one transaction looks which of these jobs are quiet: at the version that they had, with no due that has come since.
Those are switched; the others are left to the orders on one job, which settle their dues.

Statements that lock go from what is staged to the rows of these jobs. Left to itself, MariaDB goes through all jobs and
looks which of them are staged: then it holds the others too, and their dues wait until the transaction has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import attrgetter, itemgetter

from sqlalchemy import (
    Column,
    ColumnElement,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    true,
    update,
)

from ...model import job_set
from ...model.claim import DELETED
from ...model.ids import MILLISECOND, Ids, is_word, least
from ...model.job_set import Step
from ...model.retry import OTHER_TASK
from .. import job_columns
from ..job_columns import RULE, SAID, WATCH
from ..job_sets import AFTER
from . import changes, job_ids, job_keys, listen_notify
from . import runs as run_rows
from .many import Many
from .staging_tables import staged_entries, staged_jobs, staged_labels
from .tables import audit, former_jobs, job_labels, jobs, nodes, runs
from .transaction import Transaction

SHARE = 500  # ids in one statement

_COPIED = [column.name for column in staged_jobs.columns if column.name in jobs.columns]
_STAGED = [column.name for column in staged_jobs.columns]
_JOBS, _job_values = Many(insert(staged_jobs), _STAGED), itemgetter(*_STAGED)
_LABELS = Many(insert(staged_labels), ("set_id", "job_id", "name", "value"))
_ENTRY = [column.name for column in audit.columns]
_ENTRIES, _entry_values = Many(insert(staged_entries), ["set_id", *_ENTRY]), attrgetter(*_ENTRY)

_SAME = jobs.c.id == staged_jobs.c.id
_HOLD = (
    select(jobs.c.id)
    .select_from(staged_jobs.join(jobs, _SAME))
    .prefix_with("STRAIGHT_JOIN", dialect="mysql")
    .where(staged_jobs.c.set_id == bindparam("set_id"))
    .order_by(staged_jobs.c.id)
    .with_for_update(of=jobs)
)
_DELETE_ON_MYSQL = {  # no other words keep it from looking through the whole table
    former_jobs: text(
        "DELETE former_jobs FROM staged_jobs STRAIGHT_JOIN former_jobs ON former_jobs.id = staged_jobs.id"
        " WHERE staged_jobs.set_id = :set_id AND staged_jobs.what <> 'change'"
    ),
    jobs: text(
        "DELETE jobs FROM staged_jobs STRAIGHT_JOIN jobs ON jobs.id = staged_jobs.id"
        " WHERE staged_jobs.set_id = :set_id AND staged_jobs.what = 'delete'"
    ),
    job_labels: text(
        "DELETE job_labels FROM staged_jobs STRAIGHT_JOIN job_labels ON job_labels.job_id = staged_jobs.id"
        " WHERE staged_jobs.set_id = :set_id AND staged_jobs.relabel"
    ),
}


def stage(transaction: Transaction, set_id: str, steps: Sequence[Step], *, again: bool) -> None:
    """Stage some steps of a set; `again`: instead of what was staged for these jobs before."""
    if again:
        unstage(transaction, set_id, [step.job.id for step in steps])
    rows = [_row(set_id, step) for step in steps]
    _JOBS.execute(transaction, map(_job_values, rows))
    labels = [
        (set_id, step.job.id, name, value)
        for step, row in zip(steps, rows, strict=True)
        if row["relabel"] and step.after is not None
        for name, value in step.after.about.labels.items()
    ]
    _LABELS.execute(transaction, labels)
    _ENTRIES.execute(transaction, ((set_id, *_entry_values(step.entry)) for step in steps))


def unstage(transaction: Transaction, set_id: str, job_ids: Sequence[str]) -> None:
    """Forget what is staged for these jobs."""
    for begin in range(0, len(job_ids), SHARE):
        some = job_ids[begin : begin + SHARE]
        for column in (staged_jobs.c.id, staged_labels.c.job_id, staged_entries.c.target):
            transaction.execute(delete(column.table).where(column.table.c.set_id == set_id, column.in_(some)))


def discard(transaction: Transaction, set_id: str, most: int) -> int:
    """Forget up to `most` jobs of what is staged of a set; how many. None are left when it is less."""
    query = select(staged_jobs.c.id).where(staged_jobs.c.set_id == set_id).order_by(staged_jobs.c.id).limit(most)
    found = list(transaction.execute(query).scalars())
    if found:  # a range: an index finds it, whatever the database knows of the table
        for column in (staged_jobs.c.id, staged_labels.c.job_id, staged_entries.c.target):
            mine = (column.table.c.set_id == set_id, column <= found[-1])
            transaction.execute(delete(column.table).where(*mine))
    return len(found)


def abandoned(transaction: Transaction, before: datetime) -> str | None:
    """A set that is staged still, and that nobody carries out: see the contract."""
    entry = staged_entries.c
    query = select(staged_jobs.c.set_id).where(staged_jobs.c.set_id < least(before)).limit(1)
    found: str | None = transaction.execute(query).scalar()
    if found is not None:
        return found
    its_node = (nodes.c.name == entry.node) & (nodes.c.state == "alive") & (nodes.c.since <= entry.at)
    left = select(entry.set_id).where(~select(nodes.c.id).where(its_node).exists()).limit(1)
    return transaction.execute(left).scalar()


def quiet(transaction: Transaction, set_id: str, steps: Sequence[Step], now: datetime) -> set[str]:
    """The jobs that can be switched as it was computed; all that are staged are held until the transaction ends. The
    others are not staged any more. Raises Conflict, as `job_ids.must_be_known_to_all`."""
    meant = select(staged_jobs.c.id).where(staged_jobs.c.set_id == set_id)
    transaction.execute(_HOLD, {"set_id": set_id}).all()
    if words := [step.job.id for step in steps if step.what == "create" and is_word(step.job.id)]:
        job_ids.must_be_known_to_all(transaction, words[0])
    unstage(transaction, set_id, _restless(transaction, set_id, now))
    return set(transaction.execute(meant).scalars())


def carry_out(transaction: Transaction, set_id: str, asker: str, now: datetime) -> None:
    """Do what is staged: all jobs are quiet. Lock order: the jobs, which are held, then their runs."""
    _end_what_waits(transaction, set_id, now)
    _switch(transaction, set_id, now)
    _tell(transaction, set_id, now)
    listen_notify.tell(transaction, asker)


def _row(set_id: str, step: Step) -> dict[str, object]:
    before, after, job = step.before, step.after, step.job
    return {
        **{name: value for name, value in job_columns.of(job).items() if name in _COPIED},
        "set_id": set_id,
        "what": step.what,
        "moves": job_set.moves(step),
        "anew": job_set.anew(step),
        "relabel": before is None or after is None or before.about.labels != after.about.labels,
        "was_version": job_set.former_version(step),
        "was_due": None if before is None else before.next_due,
        "was_starts": None if before is None else before.starts,
    }


def _restless(transaction: Transaction, set_id: str, now: datetime) -> list[str]:
    """The jobs that cannot be switched: those that are not `job_set.is_quiet`."""
    was, there, former = staged_jobs.c, jobs.c, former_jobs.c
    instant = literal(now, there.next_due.type)
    moved = or_(
        there.next_due.is_distinct_from(was.was_due),
        there.starts != was.was_starts,
        there.next_due <= instant,
        was.next_due <= instant,
    )
    awake = and_(there.paused == true(), there.paused_until <= instant)
    other = or_(there.id.is_(None), there.version != was.was_version, awake)
    made = or_(there.id.is_not(None), former.version.is_distinct_from(was.was_version), was.next_due <= instant)
    restless = or_(
        and_(was.what == "create", made),
        and_(was.what == "change", or_(other, and_(was.moves == true(), moved))),
        and_(was.what == "delete", or_(other, there.next_due <= instant)),
    )
    both = staged_jobs.outerjoin(jobs, there.id == was.id).outerjoin(former_jobs, former.id == was.id)
    return list(transaction.execute(select(was.id).select_from(both).where(was.set_id == set_id, restless)).scalars())


def _end_what_waits(transaction: Transaction, set_id: str, now: datetime) -> None:
    """Runs that wait are cancelled where their job goes, retries where it gets another task."""
    was = staged_jobs.c
    waiting = select(runs).join(staged_jobs, was.id == runs.c.job_id).where(runs.c.state == "waiting")
    waiting = waiting.where(was.set_id == set_id)
    gone = waiting.where(was.what == "delete")
    retries = waiting.join(jobs, jobs.c.id == was.id).where(runs.c.cause == "retry", jobs.c.task != was.task)
    for query, why in ((gone, DELETED), (retries.where(was.what == "change"), OTHER_TASK)):
        found = [run_rows.from_row(row) for row in transaction.execute(query)]
        run_rows.end_waiting(transaction, found, "cancelled", why, now)


def _switch(transaction: Transaction, set_id: str, now: datetime) -> None:
    """The rows of jobs, of what is known of deleted ones, and of labels."""
    mine, was = staged_jobs.c.set_id == set_id, staged_jobs.c
    new = select(*(was[name] for name in _COPIED)).where(mine, was.what == "create")
    transaction.execute(insert(jobs).from_select(_COPIED, new))
    for which, names in ((was.moves == true(), RULE), (was.anew == true(), WATCH), (true(), SAID)):
        _change(transaction, names, and_(mine, was.what == "change", which))
    _delete(transaction, former_jobs.c.id, set_id, was.what != "change")
    gone = select(was.id).where(mine, was.what == "delete")
    kept = (jobs.c.id, jobs.c.task, jobs.c.version, jobs.c.created, literal(now, former_jobs.c.deleted.type))
    left = select(*kept).where(jobs.c.id.in_(gone))
    transaction.execute(insert(former_jobs).from_select(["id", "task", "version", "created", "deleted"], left))
    _delete(transaction, jobs.c.id, set_id, was.what == "delete")
    job_keys.forget(transaction, gone)
    _delete(transaction, job_labels.c.job_id, set_id, was.relabel == true())
    names_of = ["job_id", "name", "value"]
    labels = select(*(staged_labels.c[name] for name in names_of)).where(staged_labels.c.set_id == set_id)
    transaction.execute(insert(job_labels).from_select(names_of, labels))


def _change(transaction: Transaction, names: Iterable[str], which: ColumnElement[bool]) -> None:
    """Write these columns of the jobs that are staged, and of which that is true."""
    values = {jobs.c[name]: staged_jobs.c[name] for name in names}
    if transaction.dialect.name == "mysql":  # an outer join, for it has to begin with what is staged
        transaction.execute(update(staged_jobs.outerjoin(jobs, _SAME)).where(which).values(values))
    else:
        transaction.execute(update(jobs).where(_SAME, which).values(values))


def _delete(transaction: Transaction, job_id: Column[str], set_id: str, which: ColumnElement[bool]) -> None:
    """Delete the rows with the ids of jobs that are staged, and of which that is true."""
    if transaction.dialect.name == "mysql":
        transaction.execute(_DELETE_ON_MYSQL[job_id.table], {"set_id": set_id})
    else:
        its = select(staged_jobs.c.id).where(staged_jobs.c.set_id == set_id, which)
        transaction.execute(delete(job_id.table).where(job_id.in_(its)))


def _tell(transaction: Transaction, set_id: str, now: datetime) -> None:
    """The entries in the audit log, at this instant, in the order that they have; and what callers follow."""
    entry, names = staged_entries.c, _ENTRY
    prefix = literal(Ids().make(now)[:MILLISECOND], entry.id.type)
    given = {"id": prefix.concat(func.substr(entry.id, MILLISECOND + 1)), "at": literal(now, entry.at.type)}
    told = select(*(given.get(name, entry[name]) for name in names)).where(entry.set_id == set_id)
    transaction.execute(insert(audit).from_select(names, told))
    transaction.ids.make(now + AFTER)
    was = staged_jobs.c
    changes.of_all(transaction, select(was.id, was.task, was.what).where(was.set_id == set_id).order_by(was.id))
