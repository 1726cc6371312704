"""Which index is to be used, said to databases that would take another or none: SQLite keeps no statistics, MariaDB
prefers to read a table backwards, PostgreSQL does not know yet of what was just written."""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy import Engine, Select, Table, text
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler

from .transaction import Transaction

Query = TypeVar("Query", bound=Select[Any])

PRIMARY = {"sqlite": "sqlite_autoindex_{}_1", "mysql": "PRIMARY"}
_BY_INDEXES = text("SET LOCAL enable_seqscan = off")


def by_index(query: Query, table: Table, index: str, dialect: str) -> Query:
    """The query, answered by that index of the table; "primary" is that of its primary key."""
    if index == "primary":
        index = PRIMARY.get(dialect, "").format(table.name)
    query = query.with_hint(table, f"INDEXED BY {index}", "sqlite")
    return query.with_hint(table, f"FORCE INDEX ({index})", "mysql")


def by_indexes(transaction: Transaction) -> None:
    """From here on, use an index wherever there is one. PostgreSQL may know nothing yet of thousands of rows that were
    just written: it takes the table for empty, and looks through all of it for each row of another."""
    if transaction.dialect.name == "postgresql":
        transaction.execute(_BY_INDEXES)


class _Hinted(SQLiteCompiler):
    """SQLAlchemy writes no hints for SQLite, which has them."""

    def get_from_hint_text(self, table: object, text: str | None) -> str | None:  # SQLAlchemy's signature
        return text


def allow(engine: Engine) -> None:
    """Let hints reach a database of SQLite."""
    engine.dialect.statement_compiler = _Hinted
