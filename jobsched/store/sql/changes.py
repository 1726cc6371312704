"""Changes that callers follow: written with what changes, and numbered afterwards, one after the other.

A number that a transaction drew for itself could be committed after a higher one that a client has seen already. So
rows are written without, and whoever is asked for changes numbers those that are committed, with the counter in hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from operator import attrgetter

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Index,
    Integer,
    Select,
    Table,
    bindparam,
    delete,
    func,
    insert,
    literal,
    literal_column,
    select,
    text,
    true,
    update,
)

from ...model.change import Change, Numbers
from .column_types import Instant, Words
from .many import Many
from .tables import metadata, settings
from .transaction import Transaction

changes = Table(  # since 0005: what callers follow
    "changes",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("number", BigInteger),  # NULL until one is given
    Column("at", Instant, nullable=False),
    Column("kind", Words(8), nullable=False),
    Column("what", Words(32), nullable=False),
    Column("job_id", Words(63)),
    Column("run_id", Words(36)),
    Column("node_id", Words(36)),
    Column("task", Words(255)),
    Index("changes_number", "number", unique=True),
)

SHARE = 500  # changes in one statement, where others wait for it
_COUNTER = settings.c.name == "last_change"
_LAST = select(settings.c.value).where(_COUNTER)
_WITHOUT = select(changes.c.id).where(changes.c.number.is_(None)).order_by(changes.c.id)
_NUMBER = update(changes).where(changes.c.id == bindparam("key")).values(number=bindparam("given"))
_NOW = {  # in microseconds since 1970, by the database's clock
    "postgresql": "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
    "mysql": "CAST(unix_timestamp(sysdate(6)) * 1000000 AS SIGNED)",
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)",
}
_TOLD = ("kind", "what", "job_id", "run_id", "node_id", "task")
_WRITE = {dialect: Many(insert(changes).values(at=text(now)), _TOLD) for dialect, now in _NOW.items()}
_values = attrgetter(*_TOLD)


def of_all(transaction: Transaction, found: Select[tuple[str, str, str]]) -> None:
    """What was done to many jobs, as a query finds it, sorted: id, task, what. It is written at once."""
    told = found.add_columns(literal("job"), literal_column(_NOW[transaction.dialect.name]))
    job_id = found.selected_columns[0]
    for which in _pieces(transaction, found.with_only_columns(job_id), job_id):
        transaction.execute(insert(changes).from_select(["job_id", "task", "what", "kind", "at"], told.where(which)))


def _pieces(
    transaction: Transaction, found: Select[tuple[str]], job_id: ColumnElement[str]
) -> Iterator[ColumnElement[bool]]:  # fmt: skip
    """Which of these jobs one statement is to tell of. As long as it runs, MariaDB lets nobody else add a change: it
    does not know how many numbers the statement takes. Claims would wait for all of it."""
    if transaction.dialect.name != "mysql":
        yield true()
        return
    ids = transaction.execute(found).scalars().all()
    for begin in range(0, len(ids), SHARE):
        yield job_id.between(ids[begin], ids[min(begin + SHARE, len(ids)) - 1])


def write(transaction: Transaction) -> None:
    """Write down what changed with this transaction, before its commit."""
    if transaction.changes:
        _WRITE[transaction.dialect.name].execute(transaction, map(_values, transaction.changes))


def number(transaction: Transaction, most: int) -> int:
    """Number up to `most` changes; how many there were. Two nodes that are the first of all store the counter both,
    and one of them has to look again."""
    last = transaction.execute(_LAST.with_for_update()).scalar_one_or_none()
    if last is None:
        transaction.execute(insert(settings).values(name="last_change", value=0))
        last = 0
    found = transaction.execute(_WITHOUT.limit(most)).scalars().all()
    if found:
        given = [{"key": key, "given": last + place} for place, key in enumerate(found, 1)]
        transaction.execute(_NUMBER, given)
        transaction.execute(update(settings).where(_COUNTER).values(value=last + len(found)))
    return len(found)


def after(transaction: Transaction, number: int, most: int) -> tuple[Sequence[Change], bool]:
    """Up to `most` changes behind that number, and whether any has none."""
    query = select(changes).where(changes.c.number > number).order_by(changes.c.number).limit(most)
    found = [
        Change(
            kind=row.kind, what=row.what, job_id=row.job_id, run_id=row.run_id, node_id=row.node_id, task=row.task,
            number=row.number,
        )
        for row in transaction.execute(query)
    ]  # fmt: skip
    return found, transaction.execute(_WITHOUT.limit(1)).first() is not None


def numbers(transaction: Transaction) -> Numbers:
    """The oldest number that is kept, and the last that was given."""
    last = transaction.execute(_LAST).scalar_one_or_none() or 0
    oldest = transaction.execute(select(func.min(changes.c.number))).scalar()
    return Numbers(oldest=last + 1 if oldest is None else oldest, last=last)


def forget(transaction: Transaction, before: datetime, most: int) -> int:
    """Forget up to `most` of the oldest changes that were written before that instant; how many."""
    oldest = select(changes.c.id, changes.c.at).order_by(changes.c.id).limit(most)
    old = [row.id for row in transaction.execute(oldest) if row.at < before]
    if old:
        transaction.execute(delete(changes).where(changes.c.id.in_(old)))
    return len(old)
