"""What callers may say of their jobs, and ask of them, beyond 0004.

An expansion: a daemon of 0004 goes on beside it, and leaves what is new as it was.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from jobsched.store.sql.migrations.build import TEXT, index, new_columns, table, text

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add to jobs how they came to be paused; the hold, and to runs whether they may start in spite of
    it; to the audit log what entries have in common."""
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
