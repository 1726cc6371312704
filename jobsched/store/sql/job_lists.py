"""Lists of jobs in an order, and what is shown of each beside its row: a few seeks a job, however long its record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache, lru_cache, reduce
from typing import Any

import attrs
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    LargeBinary,
    String,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    type_coerce,
)

from ...model.ids import EPOCH, MICROSECOND
from ...model.job_list import IDLE, LAST_AMONG, LOOKED_AT, RECENT, USUAL, Activity, JobOrder, ListPlace, Outcome, Sort
from ...model.page import Cursor
from ...model.run import ACTIVE, COUNTED, ENDED, FAILING, State
from .hints import by_index
from .tables import former_jobs, job_labels, jobs, runs
from .transaction import Query, Transaction

NEVER = 2**62  # behind every instant
NEVER_TOOK = -1  # before every length of time
KNOWN = 1024  # jobs whose last outcomes are kept as they were read: two pages of the list; 6 KB each

_MADE = type_coerce(jobs.c.created, BigInteger)
_NEXT = func.coalesce(type_coerce(jobs.c.next_due, BigInteger), NEVER)
_STATE = case((jobs.c.paused.is_(True), 1), (jobs.c.next_due.is_(None), 2), else_=0)
_AT = type_coerce(jobs.c.at, BigInteger)
_KIND = case((jobs.c.every.is_not(None), 0), (jobs.c.cron.is_not(None), 1), else_=2)
_STARTED, _OVER = type_coerce(runs.c.started, BigInteger), type_coerce(runs.c.ended, BigInteger)
_TOOK = case((_OVER < _STARTED, 0), else_=_OVER - _STARTED)
Key = ColumnElement[int] | ColumnElement[str]
_OF_THE_ROW: dict[Sort, Sequence[Key]] = {
    "id": [],
    "created": [_MADE],
    "name": [jobs.c.name],
    "next_due": [_NEXT],
    "state": [_STATE, _NEXT],
    "task": [jobs.c.task, jobs.c.name],
    "when": [_KIND, func.coalesce(type_coerce(jobs.c.every, BigInteger), _AT, 0), func.coalesce(jobs.c.cron, "")],
}
CALM = 9
APART = 2**58  # between two urgencies; an instant is less, to the end of the year 9999
_JUDGED = runs.c.state.in_(COUNTED)
_ENDED: dict[str, State] = {state: state for state in ENDED}
_URGENCY = {"lost": 1, "failed": 2, "timed_out": 2, "missed": 3}


def keys(transaction: Transaction, sort: Sort) -> Sequence[Key]:
    """What the list is sorted by, before the id; instants are numbers."""
    if sort == "last_ended":
        return [func.coalesce(_last(transaction, type_coerce(runs.c.ended, BigInteger)), 0)]
    if sort == "attention":
        return [_attention(transaction)]
    if sort == "took":
        took = _last(transaction, _TOOK, runs.c.started.is_not(None), _among(LAST_AMONG))
        return [func.coalesce(took, NEVER_TOOK)]
    return _OF_THE_ROW[sort]


def ordered(
    transaction: Transaction, found: Query, order: JobOrder, after: str, limit: int
) -> list[tuple[str, str]]:  # fmt: skip
    """Of the jobs of `found`, which selects ids: up to `limit` (id, place) behind the place `after`. A place is the
    text of a `ListPlace`; that in the order of creation is the text of a `Cursor`, which older links have as well."""
    by = keys(transaction, order.sort)
    named = [key.label(f"key{number}") for number, key in enumerate(by)]
    inner = found.add_columns(*named).subquery()
    columns: list[ColumnElement[Any]] = [*(inner.c[each.name] for each in named), inner.c.id]
    query = select(*columns)
    if after:
        place = _place(transaction, order.sort, after, len(by))
        if place is None:
            return []
        query = query.where(_behind(columns, [*place.values, place.job_id], order.back))
    query = query.order_by(*(column.desc() if order.back else column for column in columns)).limit(limit)
    return [(row[-1], _text(order.sort, row)) for row in transaction.execute(query)]


def _place(transaction: Transaction, sort: Sort, text: str, values: int) -> ListPlace | None:
    """Where the list goes on; None: nowhere. Raises Invalid."""
    if sort == "id":
        return ListPlace((), text)
    if sort != "created":
        return ListPlace.of(text, values)
    place = Cursor.of(text)
    created = None if place is None else _creation(transaction, place)
    return None if place is None or created is None else ListPlace(((created - EPOCH) // MICROSECOND,), place.job_id)


def _text(sort: Sort, row: Sequence[int | str]) -> str:
    *values, job_id = row
    if sort == "created":
        return Cursor(str(job_id), EPOCH + int(values[0]) * MICROSECOND).text
    return str(ListPlace(tuple(values), str(job_id))) if values else str(job_id)


def _creation(transaction: Transaction, place: Cursor) -> datetime | None:
    """When the job of a place was made, which may be gone; None: nobody knows."""
    created = place.created
    for table in (jobs, former_jobs) if created is None else ():
        created = created or transaction.execute(select(table.c.created).where(table.c.id == place.job_id)).scalar()
    return created or place.otherwise


def _behind(columns: Sequence[Key], values: Sequence[int | str], back: bool) -> ColumnElement[bool]:
    """Whether a row comes after one with these values. The first column is named apart, for an index to begin there."""
    found: list[ColumnElement[bool]] = []
    for number, (column, value) in enumerate(zip(columns, values, strict=True)):
        same = [column == value for column, value in zip(columns[:number], values, strict=False)]
        found.append(and_(*same, column < value if back else column > value))
    first, value = columns[0], values[0]
    return and_(first <= value if back else first >= value, or_(*found))


def _last(
    transaction: Transaction, column: ColumnElement[int], *only: ColumnElement[bool]
) -> ColumnElement[int]:  # fmt: skip
    """Of the newest run of a job that has ended, and that is as `only` says."""
    its = select(column).where(runs.c.job_id == jobs.c.id, runs.c.ended.is_not(None), *only)
    newest = its.order_by(runs.c.id.desc()).limit(1)
    return by_index(newest, runs, "runs_of_job", transaction.dialect.name).correlate(jobs).scalar_subquery()


def fails(transaction: Transaction) -> ColumnElement[bool]:
    """Whether the newest run of a job that counts (`COUNTED`) is one that somebody has to look at."""
    return and_(_has_failed(), _last(transaction, runs.c.state, _JUDGED).in_(FAILING))


def _has_failed() -> ColumnElement[bool]:
    return jobs.c.id.in_(select(runs.c.job_id).where(runs.c.state.in_(FAILING)))


def _attention(transaction: Transaction) -> ColumnElement[int]:
    """How urgent it is, and within that what came last; the rest by the next due. One number, so that the newest run is
    looked at once; and only of jobs that have failed at all."""
    calm = case(
        (jobs.c.next_due.is_(None), (CALM + 1) * APART - 1),
        else_=CALM * APART + type_coerce(jobs.c.next_due, BigInteger),
    )
    ended = type_coerce(runs.c.ended, BigInteger)
    fares = case(*((runs.c.state == state, urgency * APART - ended) for state, urgency in _URGENCY.items()), else_=calm)
    return case(
        (jobs.c.overdue.is_not(None), -type_coerce(jobs.c.overdue, BigInteger)),
        (_has_failed(), func.coalesce(_last(transaction, fares, _JUDGED), calm)),
        else_=calm,
    )


def _beyond_ascii(text: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether it takes more bytes than it has characters. A pattern would begin anew at each character: that took nine
    times as long on SQLite."""
    return func.length(text) < func.length(cast(text, LargeBinary))


def found_by(transaction: Transaction, word: str) -> ColumnElement[bool]:
    """Whether a word stands in the name, the description, the task or a label of a job, whatever the case of letters.
    SQLite's LIKE knows no cases in ASCII, and what else there is takes a call of Python's for each row. PostgreSQL
    knows the two cases beyond ASCII by a locale alone, and ours compares byte by byte: so there it is that of the
    database, behind ASCII's own rule, which some locales change. Most texts have nothing beyond ASCII: they are spared.
    """
    kind, small = transaction.dialect.name, word.lower()

    def lowered(column: ColumnElement[str]) -> ColumnElement[bool]:
        if kind == "sqlite":
            plain, every, beyond = column, func.lower(column), _beyond_ascii(column)
        elif kind == "postgresql":
            plain = func.lower(column)
            every, beyond = func.lower(plain.collate("default")), func.octet_length(column) > func.char_length(column)
        else:
            return func.lower(column).contains(small, autoescape=True)
        return or_(plain.contains(small, autoescape=True), beyond & every.contains(small, autoescape=True))

    def holds(column: ColumnElement[str]) -> ColumnElement[bool]:
        if word == small and (kind == "sqlite" or word.isascii()):
            return lowered(column)
        # A server has rules of its own for some letters.
        return or_(lowered(column), column.contains(word, autoescape=True))

    label = job_labels.c.name + literal("=") + job_labels.c.value
    labelled = jobs.c.id.in_(select(job_labels.c.job_id).where(holds(label)))
    return or_(holds(jobs.c.name), holds(jobs.c.task), holds(func.coalesce(jobs.c.description, "")), labelled)


_OTHER = runs.alias("other")


def _among(newest: int) -> ColumnElement[bool]:
    """Whether a run is one of so many that are the newest of its job."""
    its = select(_OTHER.c.id).where(_OTHER.c.job_id == jobs.c.id).order_by(_OTHER.c.id.desc())
    edge = its.offset(newest - 1).limit(1).correlate(jobs).scalar_subquery()
    return runs.c.id >= func.coalesce(edge, "")


FIELD, LINE = "\t", "\n"  # the name of a task, which comes last, is that of a section: no line ends in it


def activity(transaction: Transaction, job_ids: Sequence[str]) -> dict[str, Activity]:
    """What these jobs do and have done lately; a job that never ran is left out."""
    if not job_ids:
        return {}
    counts = select(runs.c.job_id, func.count()).where(runs.c.state.in_(ACTIVE), runs.c.job_id.in_(job_ids))
    active = {row[0]: int(row[1]) for row in transaction.execute(counts.group_by(runs.c.job_id))}
    newest = transaction.execute(_newest(transaction.dialect.name), {"ids": list(job_ids)})
    done = {str(row[0]): lately(str(row[1])) for row in newest if row[1]}
    return done | {job_id: attrs.evolve(done.get(job_id, IDLE), active=count) for job_id, count in active.items()}


@lru_cache(KNOWN)  # who follows a list asks again, and few jobs have run meanwhile
def lately(lines: str) -> Activity:
    """What a job has done, as the newest of these runs have it that have ended."""
    recent: list[Outcome] = []
    ran: list[tuple[str, float | None]] = []
    for line in sorted(lines.split(LINE), reverse=True):  # by the ids that they begin with
        run_id, state, due, took, task = line.split(FIELD, 4)
        if state in _ENDED and len(ran) < USUAL:
            duration = int(took) / 1e6 if took else None
            ran.append((state, duration))
            if len(recent) < RECENT:
                instant = EPOCH + timedelta(microseconds=int(due))
                recent.append(Outcome(run_id, task, instant, _ENDED[state], duration))
    return Activity.of(recent, ran)


@cache
def _newest(dialect: str) -> Query:
    """The newest runs of each job, as one text: to fetch a row for each of them takes longer than to find them all."""
    due = type_coerce(runs.c.due, BigInteger)
    fields = runs.c.id, runs.c.state, _digits(due), func.coalesce(_digits(_TOOK), ""), runs.c.task
    line: ColumnElement[str] = reduce(lambda before, field: before + FIELD + field, fields)
    if dialect == "sqlite":  # one call takes less time than to join two strings again and again
        line = func.printf(FIELD.join(["%s"] * len(fields)), *fields)
    its = select(func.aggregate_strings(line, LINE)).where(runs.c.job_id == jobs.c.id, _among(LOOKED_AT))
    each = by_index(its, runs, "runs_of_job", dialect).correlate(jobs).scalar_subquery()
    return select(jobs.c.id, each).where(jobs.c.id.in_(bindparam("ids", expanding=True)))


def _digits(number: ColumnElement[int]) -> ColumnElement[str]:
    return cast(number, String(20))
