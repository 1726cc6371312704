"""What callers may say of their jobs, and ask of them, beyond 0004.

An expansion: a daemon of 0004 goes on beside it, and leaves what is new as it was.
"""

from __future__ import annotations

import sqlalchemy as sa

from jobsched.store.sql.migrations.build import index, new_columns, table, text

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
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
