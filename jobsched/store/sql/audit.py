"""The audit log: each entry is written in the transaction of its change. Orders do not know of it.

Every function runs inside a transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import TypeVar

import attrs
from sqlalchemy import delete, insert, or_, select

from ...model.audit import AuditFilter, Entry
from ...model.ids import least
from ...model.page import Page, cut
from .column_types import weight
from .many import Many, named
from .tables import audit
from .transaction import Query, Transaction, database_now, has_clock

Q = TypeVar("Q", bound=Query)

_WEIGHT = weight(audit.c.before, audit.c.after)
_COLUMNS = tuple(field.name for field in attrs.fields(Entry))
_WRITE, _values = Many(insert(audit), _COLUMNS), attrgetter(*_COLUMNS)


def write(transaction: Transaction, entry: Entry) -> Entry:
    """Add an entry, and return it as it was written. It gets the database's time: with the clocks of two nodes, a later
    change through one node could seem to come before an earlier change through the other."""
    return write_all(transaction, [entry])[0]


def write_all(transaction: Transaction, entries: Sequence[Entry]) -> list[Entry]:
    """Add entries of one instant, in order, and return them as they were written."""
    if not entries:
        return []
    written = list(entries)
    instant = database_now(transaction, entries[0].at)
    if has_clock(transaction):
        written = [attrs.evolve(entry, at=instant, id=transaction.ids.make(instant)) for entry in entries]
    _WRITE.execute(transaction, map(_values, written))
    return written


def page(transaction: Transaction, limit: int, before: str | None, only: AuditFilter) -> list[Entry]:
    """Up to `limit` entries older than the entry `before`, newest first."""
    query = _asked(select(audit), before, only).limit(limit)
    return [Entry(**row._asdict()) for row in named(transaction.execute(query))]


def fitting(transaction: Transaction, limit: int, before: str | None, only: AuditFilter, room: int) -> Page[Entry]:
    """The same as `page`, but the entries have no more than `room` bytes together."""
    query = _asked(select(audit.c.id, _WEIGHT), before, only).limit(limit + 1)
    ids, more = cut(transaction.execute(query), limit, room)
    found = select(audit).where(audit.c.id.in_(ids)).order_by(audit.c.id.desc())
    return Page([Entry(**row._asdict()) for row in named(transaction.execute(found))], more)


def _asked(query: Q, before: str | None, only: AuditFilter) -> Q:
    query = query.order_by(audit.c.id.desc())
    if before is not None:
        query = query.where(audit.c.id < before)
    if only.target is not None:
        query = query.where(or_(audit.c.target == only.target, audit.c.job_id == only.target))
    if only.action is not None:
        query = query.where(audit.c.action == only.action)
    if only.who is not None:
        query = query.where(audit.c.who == only.who)
    if only.group is not None:
        query = query.where(audit.c.group == only.group)
    if only.begin is not None:  # ids never sort before the instant at which they were made: where to stop looking
        query = query.where(audit.c.at >= only.begin, audit.c.id >= least(only.begin))
    if only.end is not None:
        query = query.where(audit.c.at < only.end)
    return query


def forget(transaction: Transaction, before: datetime, most: int) -> int:
    """Forget up to `most` entries that were made before that instant. Returns their number."""
    query = select(audit.c.id).where(audit.c.id < least(before)).order_by(audit.c.id).limit(most)
    ids = list(transaction.execute(query.with_for_update(skip_locked=True)).scalars())  # other nodes do so too
    if ids:
        transaction.execute(delete(audit).where(audit.c.id.in_(ids)))
    return len(ids)
