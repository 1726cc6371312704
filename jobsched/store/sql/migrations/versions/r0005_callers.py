"""What callers may say of their jobs, and ask of them, beyond 0004.

An expansion: a daemon of 0004 goes on beside it, and leaves what is new as it was.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from jobsched.store.sql.migrations.build import TEXT, index, let_go, new_columns, table, text, where, widen

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what the functions below say."""
    _ids_that_are_words()
    _changes_and_reruns()
    _formats()
    _what_is_said_of_jobs()
    _pauses_holds_and_groups()
    let_go()


def _ids_that_are_words() -> None:
    """Let ids of jobs be words; add what is known of deleted jobs, the order of creation, the schema that a node
    knows."""
    widen(
        63,
        ("jobs", "id", False),
        ("runs", "job_id", False),
        ("deliveries", "job_id", False),
        ("keys", "target", False),
        ("audit", "target", True),
        ("audit", "job_id", True),
    )
    table(
        "former_jobs",
        sa.Column("id", text(63, sqlite=36), primary_key=True),
        sa.Column("task", text(255), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("deleted", sa.BigInteger, nullable=False),
    )
    index("former_jobs_deleted", "former_jobs", ["deleted"])
    index("jobs_made", "jobs", ["created", "id"])
    new_columns("nodes", sa.Column("schema", text(8)))


def _changes_and_reruns() -> None:
    """Add the changes that callers follow; to runs, of which run each is a rerun."""
    new_columns("runs", sa.Column("rerun_of", text(36)))
    table(
        "changes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("number", sa.BigInteger),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("kind", text(8), nullable=False),
        sa.Column("what", text(32), nullable=False),
        sa.Column("job_id", text(63)),
        sa.Column("run_id", text(36)),
        sa.Column("node_id", text(36)),
        sa.Column("task", text(255)),
    )
    index("changes_number", "changes", ["number"], unique=True)


def _formats() -> None:
    """Add to notifications the format in which their receiver wants them."""
    new_columns("deliveries", sa.Column("format", text(16)))


def _what_is_said_of_jobs() -> None:
    """Add to jobs what is said of them, and the index of their labels; to runs what they used, and indexes to find
    them by."""
    new_columns(
        "jobs",
        sa.Column("labels", TEXT),
        sa.Column("description", TEXT),
        sa.Column("owner", text(255)),
        sa.Column("runbook", TEXT),
    )
    new_columns("runs", sa.Column("cpu_seconds", sa.Double), sa.Column("max_rss", sa.BigInteger))
    table(
        "job_labels",
        sa.Column("job_id", text(63, sqlite=36), primary_key=True),
        sa.Column("name", text(63), primary_key=True),
        sa.Column("value", text(63), nullable=False),
    )
    index("job_labels_value", "job_labels", ["name", "value", "job_id"])
    index("runs_of_task", "runs", ["task", "id"])
    index("runs_of_node", "runs", ["node", "id"])
    index("runs_due", "runs", ["due", "id", "state", "until", "task", "job_id"])
    index("runs_of_cause", "runs", ["cause", "id"], **where("cause <> 'schedule'"))
    index("runs_of_place", "runs", ["place", "id"], **where("place <> ''"))
    index("runs_until", "runs", ["until", "id"], **where("until IS NOT NULL"))


def _pauses_holds_and_groups() -> None:
    """Add to jobs how they came to be paused; the hold, and to runs whether they may start in spite of it; to the audit
    log what entries have in common."""
    new_columns(
        "jobs",
        sa.Column("paused_by", text(255)),
        sa.Column("paused_at", sa.BigInteger),
        sa.Column("paused_until", sa.BigInteger),
        sa.Column("pause_reason", TEXT),
    )
    index("jobs_pauses", "jobs", ["paused", "paused_until"])
    new_columns("audit", sa.Column("group", text(36)))
    index("audit_of_group", "audit", ["group", "id"])
    new_columns("runs", sa.Column("forced", sa.Boolean))
    table(
        "hold",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("by", text(255)),
        sa.Column("at", sa.BigInteger),
        sa.Column("until", sa.BigInteger),
        sa.Column("reason", TEXT),
        sa.Column("select", TEXT),
        sa.Column("tasks", TEXT),
        sa.Column("missed", text(8)),
        sa.Column("waiting", text(8)),
        sa.Column("version", sa.Integer),
    )
    row = sa.table("hold", sa.column("id", sa.Integer))
    if op.get_bind().execute(sa.select(row.c.id)).first() is None:
        op.execute(sa.insert(row).values(id=1))
