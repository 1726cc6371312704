"""What is watched and told: who changed what, jobs that are overdue, and notifications on their way.

An expansion: a daemon of 0002 goes on beside it. A job that it makes is not watched.
"""

from __future__ import annotations

import sqlalchemy as sa

from jobsched.store.sql.migrations.build import TEXT, drop_index, index, new_columns, table, text

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two tables, and to jobs what is watched and how it stands."""
    new_columns(
        "jobs",
        sa.Column("max_late", sa.BigInteger),
        sa.Column("must_succeed_every", sa.BigInteger),
        sa.Column("notify", TEXT),
        sa.Column("watched", sa.BigInteger),
        sa.Column("succeeded", sa.BigInteger),
        sa.Column("overdue", sa.BigInteger),
        sa.Column("overdue_reason", TEXT),
        sa.Column("failing", sa.BigInteger),
    )
    index("jobs_watched", "jobs", ["watched", "id"])
    index("jobs_overdue", "jobs", ["overdue"])
    index("jobs_failing", "jobs", ["failing", "id"])
    index("runs_of_state", "runs", ["state", "job_id", "ended"])
    drop_index("runs_active", "runs")  # which had the first two of these
    table(
        "audit",
        sa.Column("id", text(36), primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("who", text(255)),
        sa.Column("address", text(255), nullable=False),
        sa.Column("node", text(255), nullable=False),
        sa.Column("action", text(32), nullable=False),
        sa.Column("target", text(36)),
        sa.Column("job_id", text(36)),
        sa.Column("name", text(255)),
        sa.Column("task", text(255)),
        sa.Column("before", TEXT),
        sa.Column("after", TEXT),
    )
    index("audit_target", "audit", ["target", "id"])
    index("audit_of_job", "audit", ["job_id", "id"])
    table(
        "deliveries",
        sa.Column("id", text(36), primary_key=True),
        sa.Column("job_id", text(36), nullable=False),
        sa.Column("run_id", text(36)),
        sa.Column("task", text(255), nullable=False),
        sa.Column("event", text(16), nullable=False),
        sa.Column("url", text(2048)),
        sa.Column("place", text(300), nullable=False),
        sa.Column("body", TEXT, nullable=False),
        sa.Column("state", text(10), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("not_before", sa.BigInteger, nullable=False),
        sa.Column("ended", sa.BigInteger),
        sa.Column("status", sa.Integer),
        sa.Column("error", TEXT),
    )
    index("deliveries_waiting", "deliveries", ["state", "not_before", "place"])
    index("deliveries_of_run", "deliveries", ["run_id", "id"])
    index("deliveries_of_job", "deliveries", ["job_id", "id"])
