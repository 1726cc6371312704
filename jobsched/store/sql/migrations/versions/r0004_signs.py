"""What the record says beyond 0003.

An expansion: a daemon of 0003 goes on beside it, and leaves what is new as it was.
"""

from __future__ import annotations

import sqlalchemy as sa

from jobsched.store.sql.migrations.build import TEXT, new_columns, table, text

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add to runs what their scripts left behind; to jobs up to where dues were forgotten, and up to where a clock that
    was wrong decided them; what nodes agree on, and to each what it goes by."""
    new_columns("runs", sa.Column("left_behind", sa.Integer))
    new_columns(
        "jobs",
        sa.Column("forgotten", sa.BigInteger),
        sa.Column("ahead", sa.BigInteger),
        sa.Column("ahead_from", sa.BigInteger),
    )
    new_columns("nodes", sa.Column("lease", sa.BigInteger), sa.Column("lease_asked", sa.BigInteger))
    table(
        "settings",
        sa.Column("name", text(64), primary_key=True),
        sa.Column("value", TEXT, nullable=False),
    )
