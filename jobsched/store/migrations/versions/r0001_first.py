"""The first schema: jobs, runs, and idempotency keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables. Instants and spans are microseconds; times since 1970 UTC."""
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("task", sa.String(255), nullable=False),
        sa.Column("every", sa.BigInteger),
        sa.Column("anchor", sa.BigInteger),
        sa.Column("cron", sa.String(255)),
        sa.Column("at", sa.BigInteger),
        sa.Column("timezone", sa.String(64), nullable=False),
        sa.Column("start", sa.BigInteger),
        sa.Column("end", sa.BigInteger),
        sa.Column("jitter", sa.BigInteger, nullable=False),
        sa.Column("overlap", sa.String(8), nullable=False),
        sa.Column("misfire_grace", sa.BigInteger),
        sa.Column("catch_up", sa.String(8), nullable=False),
        sa.Column("retries", sa.Integer, nullable=False),
        sa.Column("retry_delay", sa.BigInteger, nullable=False),
        sa.Column("timeout", sa.Float(53)),
        sa.Column("parameters", sa.Text, nullable=False),
        sa.Column("max_runs", sa.Integer),
        sa.Column("paused", sa.Boolean, nullable=False),
        sa.Column("next_due", sa.BigInteger),
        sa.Column("starts", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("updated", sa.BigInteger, nullable=False),
    )
    op.create_index("jobs_next_due", "jobs", ["next_due"])
    op.create_index("jobs_name", "jobs", ["name"])
    op.create_index("jobs_task", "jobs", ["task"])
    op.create_table(
        "keys",
        sa.Column("scope", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("target", sa.String(36), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
    )
    op.create_index("keys_created", "keys", ["created"])
    op.create_table(
        "runs",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("job_name", sa.String(255), nullable=False),
        sa.Column("task", sa.String(255), nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("cause", sa.String(8), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("not_before", sa.BigInteger),
        sa.Column("overlaps", sa.Boolean, nullable=False),
        sa.Column("parameters", sa.Text, nullable=False),
        sa.Column("timeout", sa.Float(53)),
        sa.Column("node", sa.String(255)),
        sa.Column("node_id", sa.String(36)),
        sa.Column("pid", sa.Integer),
        sa.Column("pid_started", sa.Float(53)),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("started", sa.BigInteger),
        sa.Column("ended", sa.BigInteger),
        sa.Column("exit_code", sa.Integer),
        sa.Column("signal", sa.String(16)),
        sa.Column("output_bytes", sa.BigInteger, nullable=False),
        sa.Column("output_kept", sa.BigInteger, nullable=False),
        sa.Column("output_truncated", sa.Boolean, nullable=False),
        sa.UniqueConstraint("job_id", "due", "attempt", name="runs_once"),
    )
    op.create_index("runs_of_job", "runs", ["job_id", "id"])
    op.create_index("runs_state", "runs", ["state", "id"])
    op.create_index("runs_active", "runs", ["state", "job_id"])
