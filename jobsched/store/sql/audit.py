"""Who changed what: each entry is written in the transaction of its change. Orders know nothing of it.

Every function runs inside its connection's transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import attrs
from sqlalchemy import Connection, Select, delete, insert, or_, select

from ...model.audit import Action, Entry, Signature
from ...model.ids import Ids, least
from ...model.job import Job
from ...model.run import Run
from . import commands, queries
from . import runs as run_rows
from .clock import now as database_now
from .commands import Key, Ran
from .paging import Page, cut, weight
from .queries import JobView
from .tables import audit, runs

P = ParamSpec("P")
T = TypeVar("T")

_WEIGHT = weight(audit.c.before, audit.c.after)
_WRITE = insert(audit)  # built once: building costs more than asking


@attrs.frozen
class Noted(Generic[T]):
    """What an order came to, and the entry of it; None where it changed nothing."""

    answer: T
    entry: Entry | None


def made(
    connection: Connection, job: Job, signature: Signature, key: Key | None, asker: str = ""
) -> Noted[str]:  # fmt: skip
    """`orders.add`, written down."""
    job_id = commands.add(connection, job, key, asker)
    return _noted(connection, job_id, signature.of_job(None, job) if job_id == job.id else None)


def of_job(
    connection: Connection, job_id: str, signature: Signature, order: Callable[Concatenate[Connection, str, P], Job],
    *args: P.args, **kwargs: P.kwargs,
) -> Noted[JobView]:  # fmt: skip
    """`order(connection, job_id, ...)`, what the job is after it, and how it differs. Raises what the order does.

    That is looked at here: after the commit somebody else may change or delete it, and the store may be away.
    """
    before = commands.held(connection, job_id)
    order(connection, job_id, *args, **kwargs)
    after = queries.job(connection, job_id, signature.at)
    return _noted(connection, after, signature.of_job(before, after.job))


def removed(
    connection: Connection, job_id: str, signature: Signature, ids: Ids, now: datetime, cancel: str, asker: str,
    versions: frozenset[int] | None = None,
) -> Noted[list[Run]]:  # fmt: skip
    """`orders.remove`, and the runs that end with it."""
    before = commands.held(connection, job_id)
    running = commands.remove(connection, job_id, ids, now, cancel, asker, versions)
    ended = [run for run in running if run.stop == cancel]  # others were ended already, for another reason
    return _noted(connection, running, signature.of_removal(before, ended))


def started(
    connection: Connection, job_id: str, signature: Signature, *args: Any, **kwargs: Any
) -> Noted[Ran]:  # fmt: skip
    """`orders.run_now`, written down."""
    ran = commands.run_now(connection, job_id, *args, **kwargs)
    replaced = [run for run in ran.replaced if run.stop == commands.REPLACED]
    return _noted(connection, ran, None if ran.again else signature.of_start(ran.run, replaced))


def cancelled(
    connection: Connection, run_id: str, signature: Signature, *args: Any, **kwargs: Any
) -> Noted[Run]:  # fmt: skip
    """`orders.cancel`, written down."""
    commands.hold_job_of(connection, run_id)
    connection.execute(select(runs.c.id).where(runs.c.id == run_id).with_for_update())
    before = run_rows.get(connection, run_id)
    answer = commands.cancel(connection, run_id, *args, **kwargs)
    after = run_rows.get(connection, run_id)
    return _noted(connection, answer, signature.of_end(before, after) if before and after else None)


def _noted(connection: Connection, answer: T, entry: Entry | None) -> Noted[T]:
    return Noted(answer, None if entry is None else write(connection, entry))


def write(connection: Connection, entry: Entry) -> Entry:
    """Add an entry; as it was written. It gets the database's time: by that of two nodes, what was done through one
    could come before what had been done through the other."""
    instant = database_now(connection, entry.at)
    if instant != entry.at:
        entry = attrs.evolve(entry, at=instant, id=Ids().make(instant))
    connection.execute(_WRITE, attrs.asdict(entry, recurse=False))
    return entry


@attrs.frozen(kw_only=True)
class Filter:
    """Which entries are asked for; what is None does not matter. `begin <= at < end`."""

    target: str | None = None  # of a job also what was done to its runs
    action: Action | None = None
    who: str | None = None
    begin: datetime | None = None
    end: datetime | None = None


def page(connection: Connection, limit: int, before: str | None, only: Filter) -> list[Entry]:
    """Up to `limit` entries, newest first, those older than the entry `before`."""
    query = _asked(select(audit), before, only).limit(limit)
    return [Entry(**row._mapping) for row in connection.execute(query)]


def fitting(connection: Connection, limit: int, before: str | None, only: Filter, room: int) -> Page[Entry]:
    """The same, but no more than have `room` together, in bytes."""
    query = _asked(select(audit.c.id, _WEIGHT), before, only).limit(limit + 1)
    ids, more = cut(connection.execute(query), limit, room)
    found = select(audit).where(audit.c.id.in_(ids)).order_by(audit.c.id.desc())
    return Page([Entry(**row._mapping) for row in connection.execute(found)], more)


def _asked(query: Select[Any], before: str | None, only: Filter) -> Select[Any]:
    query = query.order_by(audit.c.id.desc())
    if before is not None:
        query = query.where(audit.c.id < before)
    if only.target is not None:
        query = query.where(or_(audit.c.target == only.target, audit.c.job_id == only.target))
    if only.action is not None:
        query = query.where(audit.c.action == only.action)
    if only.who is not None:
        query = query.where(audit.c.who == only.who)
    if only.begin is not None:  # ids never sort before the instant at which they were made: where to stop looking
        query = query.where(audit.c.at >= only.begin, audit.c.id >= least(only.begin))
    if only.end is not None:
        query = query.where(audit.c.at < only.end)
    return query


def forget(connection: Connection, before: datetime, most: int) -> int:
    """Forget up to `most` entries made before that instant; how many they were."""
    query = select(audit.c.id).where(audit.c.id < least(before)).order_by(audit.c.id).limit(most)
    ids = list(connection.execute(query.with_for_update(skip_locked=True)).scalars())  # other nodes do so too
    if ids:
        connection.execute(delete(audit).where(audit.c.id.in_(ids)))
    return len(ids)
