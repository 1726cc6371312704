"""The first schema: jobs, runs, and idempotency keys."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import MEDIUMTEXT

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql").with_variant(MEDIUMTEXT(), "mysql")


def _text(length: int) -> sa.String:
    """Compared byte by byte: ids are made to sort, and a name is itself alone. MySQL has this from its table."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def _table(name: str, *columns: Any) -> None:
    dialect = op.get_bind().dialect
    if dialect.name == "mysql":
        have = sa.inspect(op.get_bind())
        wanted = {column.name for column in columns if isinstance(column, sa.Column)}
        if have.has_table(name) and {column["name"] for column in have.get_columns(name)} == wanted:
            return  # every CREATE is a commit there: this one is left from a try that was cut short
    # Without padding: with it, "x" and "x " are the same there.
    collation = "utf8mb4_nopad_bin" if getattr(dialect, "is_mariadb", False) else "utf8mb4_0900_bin"
    op.create_table(
        name, *columns, mysql_engine="InnoDB", mysql_default_charset="utf8mb4", mysql_collate=collation,
    )  # fmt: skip


def _index(name: str, table: str, columns: list[str]) -> None:
    bind = op.get_bind()
    if bind.dialect.name != "mysql" or name not in {index["name"] for index in sa.inspect(bind).get_indexes(table)}:
        op.create_index(name, table, columns)


def upgrade() -> None:
    """Make the tables. Instants and spans are microseconds; times since 1970 UTC."""
    _table(
        "jobs",
        sa.Column("id", _text(36), primary_key=True),
        sa.Column("name", _text(255), nullable=False),
        sa.Column("task", _text(255), nullable=False),
        sa.Column("every", sa.BigInteger),
        sa.Column("anchor", sa.BigInteger),
        sa.Column("cron", _text(255)),
        sa.Column("at", sa.BigInteger),
        sa.Column("timezone", _text(64), nullable=False),
        sa.Column("start", sa.BigInteger),
        sa.Column("end", sa.BigInteger),
        sa.Column("jitter", sa.BigInteger, nullable=False),
        sa.Column("overlap", _text(8), nullable=False),
        sa.Column("misfire_grace", sa.BigInteger),
        sa.Column("catch_up", _text(8), nullable=False),
        sa.Column("retries", sa.Integer, nullable=False),
        sa.Column("retry_delay", sa.BigInteger, nullable=False),
        sa.Column("timeout", sa.Double),
        sa.Column("parameters", TEXT, nullable=False),
        sa.Column("max_runs", sa.Integer),
        sa.Column("paused", sa.Boolean, nullable=False),
        sa.Column("next_due", sa.BigInteger),
        sa.Column("starts", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("updated", sa.BigInteger, nullable=False),
    )
    _index("jobs_next_due", "jobs", ["next_due"])
    _index("jobs_name", "jobs", ["name"])
    _index("jobs_task", "jobs", ["task"])
    _table(
        "keys",
        sa.Column("scope", _text(64), primary_key=True),
        sa.Column("key", _text(255), primary_key=True),
        sa.Column("digest", _text(64), nullable=False),
        sa.Column("target", _text(36), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
    )
    _index("keys_created", "keys", ["created"])
    _table(
        "runs",
        sa.Column("id", _text(36), primary_key=True),
        sa.Column("job_id", _text(36), nullable=False),
        sa.Column("job_name", _text(255), nullable=False),
        sa.Column("task", _text(255), nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("cause", _text(8), nullable=False),
        sa.Column("state", _text(10), nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("not_before", sa.BigInteger),
        sa.Column("overlaps", sa.Boolean, nullable=False),
        sa.Column("parameters", TEXT, nullable=False),
        sa.Column("timeout", sa.Double),
        sa.Column("node", _text(255)),
        sa.Column("node_id", _text(36)),
        sa.Column("pid", sa.Integer),
        sa.Column("pid_started", sa.Double),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("started", sa.BigInteger),
        sa.Column("ended", sa.BigInteger),
        sa.Column("exit_code", sa.Integer),
        sa.Column("signal", _text(16)),
        sa.Column("output_bytes", sa.BigInteger, nullable=False),
        sa.Column("output_kept", sa.BigInteger, nullable=False),
        sa.Column("output_truncated", sa.Boolean, nullable=False),
        sa.UniqueConstraint("job_id", "due", "attempt", name="runs_once"),
    )
    _index("runs_of_job", "runs", ["job_id", "id"])
    _index("runs_state", "runs", ["state", "id"])
    _index("runs_active", "runs", ["state", "job_id"])
