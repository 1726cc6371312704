"""What callers may say of their jobs, and ask of them, beyond 0004.

An expansion: a daemon of 0004 goes on beside it, and leaves what is new as it was.
"""

from __future__ import annotations

import sqlalchemy as sa

from jobsched.store.sql.migrations.build import TEXT, index, new_columns, table, text, where

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
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
        sa.Column("job_id", text(63), primary_key=True),
        sa.Column("name", text(63), primary_key=True),
        sa.Column("value", text(63), nullable=False),
    )
    index("job_labels_value", "job_labels", ["name", "value", "job_id"])
    index("runs_of_task", "runs", ["task", "id"])
    index("runs_of_node", "runs", ["node", "id"])
    index("runs_due", "runs", ["due", "id"])
    index("runs_of_cause", "runs", ["cause", "id"], **where("cause <> 'schedule'"))
    index("runs_of_place", "runs", ["place", "id"], **where("place <> ''"))
    index("runs_until", "runs", ["until", "id"], **where("until IS NOT NULL"))
