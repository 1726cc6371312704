"""Several nodes: who they are, where a job may run, how one asks another to end a run, the end of each output.

An expansion: a daemon of 0001 goes on beside it. What is new is NULL or has a default, so its rows are those of jobs
that may run anywhere.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import MEDIUMBLOB

from jobsched.store.sql.migrations.build import TEXT, has_constraint, index, new_columns, table, text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ONCE = "runs_once_a_place"
PLACES = ["job_id", "due", "attempt", "place"]


def upgrade() -> None:
    """Add to the tables, and let a due be run once in each place instead of once."""
    new_columns("jobs", sa.Column("placement", text(8)), sa.Column("require", TEXT))
    new_columns(
        "runs",
        sa.Column("require", TEXT),
        sa.Column("place", text(255), nullable=False, server_default=""),
        sa.Column("stop", TEXT),
    )
    index("jobs_awake", "jobs", ["paused", "next_due"])  # many paused jobs are no more work than none
    if op.get_bind().dialect.name == "sqlite":
        with op.batch_alter_table("runs") as runs:
            runs.drop_constraint("runs_once", type_="unique")
            runs.create_unique_constraint(ONCE, PLACES)
    else:  # the new one first: there is no moment without
        if not has_constraint("runs", ONCE):
            op.create_unique_constraint(ONCE, "runs", PLACES)
        if has_constraint("runs", "runs_once"):
            op.drop_constraint("runs_once", "runs", type_="unique")
    table(
        "tails",
        sa.Column("run_id", text(36), primary_key=True),
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column("data", sa.LargeBinary().with_variant(MEDIUMBLOB(), "mysql"), nullable=False),
    )
    table(
        "nodes",
        sa.Column("id", text(36), primary_key=True),
        sa.Column("name", text(255), nullable=False),
        sa.Column("url", text(2048)),
        sa.Column("tags", TEXT),
        sa.Column("tasks", TEXT, nullable=False),
        sa.Column("version", text(64), nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("seen", sa.BigInteger, nullable=False),
        sa.Column("state", text(8), nullable=False),
        sa.Column("running", sa.Integer, nullable=False),
        sa.Column("slots", sa.Integer, nullable=False),
        sa.Column("tried", sa.BigInteger, nullable=False),
        sa.Column("won", sa.BigInteger, nullable=False),
    )
