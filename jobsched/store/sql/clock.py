"""What time it is for all nodes alike: the database's clock."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import text

from .transaction import Transaction

_ASK = {
    "postgresql": text("SELECT clock_timestamp()"),  # not now(): that is when the transaction began
    "mysql": text("SELECT UTC_TIMESTAMP(6)"),
}


def now(transaction: Transaction, fallback: datetime) -> datetime:
    """The database's own time, in UTC; `fallback` on SQLite, whose clock is its one node's."""
    question = _ASK.get(transaction.dialect.name)
    if question is None:
        return fallback
    told: datetime = transaction.execute(question).scalar_one()
    return told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)
