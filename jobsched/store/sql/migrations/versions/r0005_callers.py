"""What callers may say of their jobs, and ask of them, beyond 0004.

An expansion: a daemon of 0004 goes on beside it, and leaves what is new as it was.
"""

from __future__ import annotations

import sqlalchemy as sa

from jobsched.store.sql.migrations.build import index, let_go, new_columns, table, text, widen

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
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
    let_go()
