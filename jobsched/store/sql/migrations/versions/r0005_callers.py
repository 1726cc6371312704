"""What callers may say of their jobs, and ask of them, beyond 0004.

An expansion: a daemon of 0004 goes on beside it, and leaves what is new as it was.
"""

from __future__ import annotations

import sqlalchemy as sa

from jobsched.store.sql.migrations.build import TEXT, index, new_columns, table, text

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add to jobs what is said of them, and the index of their labels."""
    new_columns(
        "jobs",
        sa.Column("labels", TEXT),
        sa.Column("description", TEXT),
        sa.Column("owner", text(255)),
        sa.Column("runbook", TEXT),
    )
    table(
        "job_labels",
        sa.Column("job_id", text(63), primary_key=True),
        sa.Column("name", text(63), primary_key=True),
        sa.Column("value", text(63), nullable=False),
    )
    index("job_labels_value", "job_labels", ["name", "value", "job_id"])
