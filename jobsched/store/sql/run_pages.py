"""Pages of runs. Each question is cut into parts that an index answers newest first, so that a part ends when the page
is full; what it has to look at beside the page does not grow with the record.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

import attrs
from sqlalchemy import ColumnElement, Select, and_, literal_column, select, true, union_all

from ...model.ids import least
from ...model.labels import Label
from ...model.run import EARLY, RARE, RunFilter
from . import labels
from .hints import by_index
from .tables import LAST_DUE, jobs, runs
from .transaction import Transaction
from .visibility import exact, of_tasks

FEW: Final = 50  # jobs whose runs are looked for job by job
SORTED: Final = ("runs_due", "runs_until")  # what these find is sorted by id
LITTLE: Final = 2000  # runs that may be looked at one by one

# What is due within `EARLY` of the ends of time is looked for as if it were that far from them.
FIRST: Final = datetime.min.replace(tzinfo=UTC) + EARLY
LAST: Final = datetime.max.replace(tzinfo=UTC) - EARLY

Condition = ColumnElement[bool]

# As the indexes of some rows have it: not a parameter, of which a database would not know what it is.
NOT_BY_SCHEDULE: Final = runs.c.cause != literal_column("'schedule'")
SOME_PLACE: Final = runs.c.place != literal_column("''")


@attrs.frozen
class Part:
    """Runs that an index gives in the order of their ids, or few enough to be sorted."""

    index: str
    conditions: tuple[Condition, ...] = ()

    def among(self, *more: Condition) -> Part:
        """Those for which more is true."""
        return Part(self.index, (*self.conditions, *more))


def ids(transaction: Transaction, limit: int, before: str | None, only: RunFilter) -> list[str]:
    """The ids of up to `limit` runs, newest first, those older than the run `before`."""
    found = _parts(transaction, only)
    parts = list(_in_time(transaction, found, before, only))
    older = [] if before is None else [runs.c.id < before]
    queries = [_newest(transaction, part.among(*older), limit) for part in parts]
    if len(queries) == 1:
        return list(transaction.execute(queries[0]).scalars())
    every = union_all(*(select(query.subquery().c.id) for query in queries)).subquery()
    return list(transaction.execute(select(every.c.id).order_by(every.c.id.desc()).limit(limit)).scalars())


def _newest(transaction: Transaction, part: Part, limit: int) -> Select[str]:
    newest = runs.c.id.desc()
    if part.index in SORTED and transaction.dialect.name == "postgresql":  # or it would go through the newest first
        newest = runs.c.id.op("||")(literal_column("''")).desc()
    query = select(runs.c.id).where(*part.conditions).order_by(newest).limit(limit)
    return by_index(query, runs, part.index, transaction.dialect.name)


def _parts(transaction: Transaction, only: RunFilter) -> list[Part]:
    """All that fit, whenever they were due, each in one part."""
    rest = dict(conditions(transaction, only))
    few = _few(transaction, only.labels) if only.labels else None
    if only.job_id is not None:
        parts, used = [_of_job(only.job_id)], "job"
    elif only.cause is not None and only.cause != "schedule":
        parts, used = [Part("runs_of_cause", (NOT_BY_SCHEDULE,))], ""
    elif only.states and set(only.states) <= set(RARE):
        parts, used = _of_states(only.states), "states"
    elif few is not None:
        parts, used = [_of_job(job_id) for job_id in few] or [_of_job("")], "labels"
    elif only.node is not None:
        parts, used = _of_node(only.node), "node"
    elif only.task is not None:
        parts, used = [Part("runs_of_task", (runs.c.task == only.task,))], "task"
    elif (names := exact(only.tasks)) is not None:
        parts, used = [Part("runs_of_task", (runs.c.task == name,)) for name in names], "tasks"
    elif only.states:
        parts, used = _of_states(only.states), "states"
    else:
        parts, used = [Part("primary")], ""
    others = [condition for name, condition in rest.items() if name != used]
    return [part.among(*others) for part in parts]


def conditions(transaction: Transaction, only: RunFilter) -> Iterator[tuple[str, Condition]]:
    """What is asked for but for the time, each under its name."""
    if only.job_id is not None:
        yield "job", runs.c.job_id == only.job_id
    if only.cause is not None:
        yield "cause", runs.c.cause == only.cause
    if only.states:
        yield "states", runs.c.state.in_(only.states)
    if only.labels:
        having = select(jobs.c.id).where(*(labels.has(jobs.c.id, label) for label in only.labels))
        yield "labels", runs.c.job_id.in_(having)
    if only.node is not None:
        yield "node", (runs.c.node == only.node) | (runs.c.node.is_(None) & (runs.c.place == only.node))
    if only.task is not None:
        yield "task", runs.c.task == only.task
    if only.tasks is not None:
        yield "tasks", of_tasks(transaction, runs.c.task, only.tasks)


def _of_job(job_id: str) -> Part:
    return Part("runs_of_job", (runs.c.job_id == job_id,))


def _of_states(states: Sequence[str]) -> list[Part]:
    return [Part("runs_state", (runs.c.state == state,)) for state in dict.fromkeys(states)]


def _of_node(name: str) -> list[Part]:
    """Runs that started there, and those that could only have started there."""
    waited = (SOME_PLACE, runs.c.place == name, runs.c.node.is_(None))
    return [Part("runs_of_node", (runs.c.node == name,)), Part("runs_of_place", waited)]


def _few(transaction: Transaction, wanted: Sequence[Label]) -> list[str] | None:
    """The jobs with these labels; None: there are many."""
    found = labels.jobs_with(transaction, wanted, FEW + 1)
    return found if len(found) <= FEW else None


def _in_time(
    transaction: Transaction, parts: Sequence[Part], before: str | None, only: RunFilter
) -> Iterator[Part]:  # fmt: skip
    """Those of the parts that were due from `begin` to `end`.

    A run is made when it is due, or later. So what is due from `begin` on has an id from then on, but for a stretch,
    which grows. And what was due before `end` has an id of before then, but for what was found late, for retries, and
    for runs that make up for a due.
    """
    begin, end = only.begin, only.end
    if begin is None and end is None:
        yield from parts
        return
    since = () if begin is None else (begin <= LAST_DUE,)
    until = () if end is None else (runs.c.due < end,)
    if only.job_id is not None:  # retention keeps these few
        yield from (part.among(*since, *until) for part in parts)
        return
    every = and_(true(), *(condition for _, condition in conditions(transaction, only)))
    single: tuple[Condition, ...] = ()
    if begin is not None:
        single = (runs.c.until.is_(None), runs.c.due >= begin, runs.c.id >= least(max(begin, FIRST) - EARLY))
        yield Part("runs_until", (runs.c.until >= begin, *until, every))
    if end is None:
        yield from (part.among(*single) for part in parts)
        return
    edge = least(min(end, LAST) + EARLY)
    yield from (part.among(*single, *until, runs.c.id < edge) for part in parts)
    if before is None or before > edge:
        late = (*single, *until, runs.c.id >= edge, every)
        yield Part("primary" if _few_since(transaction, edge) else "runs_due", late)


def _few_since(transaction: Transaction, edge: str) -> bool:
    """Whether few runs were made since the one with the id `edge`."""
    after = select(runs.c.id).where(runs.c.id >= edge).order_by(runs.c.id).offset(LITTLE).limit(1)
    return transaction.execute(after).first() is None
