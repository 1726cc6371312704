"""Which index is to be used, said to databases that would take another: SQLite keeps no statistics, MariaDB prefers to
read a table backwards."""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy import Engine, Select, Table
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler

Query = TypeVar("Query", bound=Select[Any])

PRIMARY = {"sqlite": "sqlite_autoindex_{}_1", "mysql": "PRIMARY"}


def by_index(query: Query, table: Table, index: str, dialect: str) -> Query:
    """The query, answered by that index of the table; "primary" is that of its primary key."""
    if index == "primary":
        index = PRIMARY.get(dialect, "").format(table.name)
    query = query.with_hint(table, f"INDEXED BY {index}", "sqlite")
    return query.with_hint(table, f"FORCE INDEX ({index})", "mysql")


class _Hinted(SQLiteCompiler):
    """SQLAlchemy writes no hints for SQLite, which has them."""

    def get_from_hint_text(self, table: object, text: str | None) -> str | None:  # SQLAlchemy's signature
        return text


def allow(engine: Engine) -> None:
    """Let hints reach a database of SQLite."""
    engine.dialect.statement_compiler = _Hinted
