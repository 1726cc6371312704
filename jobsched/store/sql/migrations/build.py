"""What every migration builds with: text that is compared byte by byte, and steps that may be taken twice.

On MySQL each CREATE and ALTER is a commit: what an upgrade that was cut short has done stays, and is not done again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict, Unpack

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import MEDIUMTEXT
from sqlalchemy.schema import CreateColumn, SchemaItem

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql").with_variant(MEDIUMTEXT(), "mysql")


def text(length: int, *, sqlite: int | None = None) -> sa.String:
    """Compared byte by byte: ids are made to sort, and a name is itself alone. MySQL has this from its table.

    SQLite heeds no length: `sqlite` is what it is told, where a column was widened elsewhere.
    """
    longer = sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")
    return longer if sqlite is None else longer.with_variant(sa.String(sqlite), "sqlite")


def table(name: str, *columns: SchemaItem) -> None:
    """Make a table."""
    dialect, have = op.get_bind().dialect, sa.inspect(op.get_bind())
    wanted = {column.name for column in columns if isinstance(column, sa.Column)}
    if have.has_table(name) and {column["name"] for column in have.get_columns(name)} == wanted:
        return
    # Without padding: with it, "x" and "x " are the same there.
    collation = "utf8mb4_nopad_bin" if getattr(dialect, "is_mariadb", False) else "utf8mb4_0900_bin"
    op.create_table(
        name, *columns, mysql_engine="InnoDB", mysql_default_charset="utf8mb4", mysql_collate=collation,
    )  # fmt: skip


class Where(TypedDict, total=False):
    """Of which rows alone an index is made, for databases that can do so."""

    sqlite_where: sa.TextClause
    postgresql_where: sa.TextClause


def where(condition: str) -> Where:
    """For an index of some rows alone; MariaDB and MySQL have no such, and index them all."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def index(name: str, of: str, columns: list[str], *, unique: bool = False, **only: Unpack[Where]) -> None:
    """Make an index, `only` of some rows."""
    if name not in _indexes(of):
        op.create_index(name, of, columns, unique=unique, **only)


def drop_index(name: str, of: str) -> None:
    """Do without an index, once another does its work."""
    if name in _indexes(of):
        op.drop_index(name, of)


def _indexes(of: str) -> set[str | None]:
    return {found["name"] for found in sa.inspect(op.get_bind()).get_indexes(of)}


def grow(
    of: str, columns: Sequence[sa.Column[object]], indexes: Mapping[str, Sequence[str]], **conditions: str
) -> None:  # fmt: skip
    """Add columns, as `new_columns` has it, and indexes by their names to a table that is in use. `conditions`: of
    indexes of some rows alone.

    On MySQL this is one statement. One that waits for a table undoes each transaction that has read the table and is
    about to change it; a daemon tries that again, but only a few times at once.
    """
    bind = op.get_bind()
    if bind.dialect.name != "mysql":
        new_columns(of, *columns)
        for name, named in indexes.items():
            index(name, of, list(named), **(where(conditions[name]) if name in conditions else {}))
        return
    have, there = {column["name"] for column in sa.inspect(bind).get_columns(of)}, _indexes(of)
    quote = bind.dialect.identifier_preparer.quote
    parts = [f"ADD COLUMN {CreateColumn(each).compile(bind)}" for each in columns if each.name not in have]
    for name, named in indexes.items():
        if name not in there:
            parts.append(f"ADD INDEX {quote(name)} ({', '.join(map(quote, named))})")
    if parts:
        op.execute(f"ALTER TABLE {quote(of)} {', '.join(parts)}")


def new_columns(to: str, *columns: sa.Column[object]) -> None:
    """Add columns; each is NULL or has a default, for daemons of the schema before this know nothing of it."""
    have = {column["name"] for column in sa.inspect(op.get_bind()).get_columns(to)}
    for column in columns:
        if column.name not in have:
            op.add_column(to, column)


def has_constraint(on: str, name: str) -> bool:
    """Whether a table has the unique constraint of that name."""
    return name in {found["name"] for found in sa.inspect(op.get_bind()).get_unique_constraints(on)}


def widen(length: int, *columns: tuple[str, str, bool]) -> None:
    """Let columns of text, each (table, name, whether it may be NULL), hold up to `length` characters: no row is
    written anew on any database. All tables are taken at once, in the order in which changes take them."""
    bind = op.get_bind()
    if bind.dialect.name == "sqlite":  # which heeds no length
        return
    if bind.dialect.name == "postgresql":
        tables = ", ".join(dict.fromkeys(name for name, _, _ in columns))
        bind.execute(sa.text(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE"))
    look = sa.inspect(bind)
    for of, name, nullable in columns:
        found = next(column for column in look.get_columns(of) if column["name"] == name)
        if getattr(found["type"], "length", None) != length:
            op.alter_column(of, name, type_=text(length), existing_nullable=nullable)


def let_go() -> None:
    """Have daemons of the schema before this, if any is alive, connect anew on PostgreSQL, where a statement that was
    prepared before a column was changed is refused once. They are idle, or wait for a table that is held here: they try
    again.

    Left alone is a daemon that upgrades, or waits for its turn to.
    """
    bind = op.get_bind()
    if bind.dialect.name == "postgresql" and bind.execute(sa.text("SELECT 1 FROM nodes WHERE state = 'alive'")).first():
        op.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND usename = current_user AND application_name = 'jobsched' AND pid <> pg_backend_pid()"
            " AND pid NOT IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')"
        )
