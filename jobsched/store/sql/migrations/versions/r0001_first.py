"""The first schema: jobs, runs, and idempotency keys."""

from __future__ import annotations

import sqlalchemy as sa

from jobsched.store.sql.migrations.build import TEXT, index, table, text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables. Instants and spans are microseconds; times since 1970 UTC."""
    table(
        "jobs",
        sa.Column("id", text(36), primary_key=True),
        sa.Column("name", text(255), nullable=False),
        sa.Column("task", text(255), nullable=False),
        sa.Column("every", sa.BigInteger),
        sa.Column("anchor", sa.BigInteger),
        sa.Column("cron", text(255)),
        sa.Column("at", sa.BigInteger),
        sa.Column("timezone", text(64), nullable=False),
        sa.Column("start", sa.BigInteger),
        sa.Column("end", sa.BigInteger),
        sa.Column("jitter", sa.BigInteger, nullable=False),
        sa.Column("overlap", text(8), nullable=False),
        sa.Column("misfire_grace", sa.BigInteger),
        sa.Column("catch_up", text(8), nullable=False),
        sa.Column("retries", sa.Integer, nullable=False),
        sa.Column("retry_delay", sa.BigInteger, nullable=False),
        sa.Column("timeout", sa.Double),
        sa.Column("parameters", TEXT, nullable=False),
        sa.Column("max_runs", sa.Integer),
        sa.Column("paused", sa.Boolean, nullable=False),
        sa.Column("next_due", sa.BigInteger),
        sa.Column("starts", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("updated", sa.BigInteger, nullable=False),
    )
    index("jobs_next_due", "jobs", ["next_due"])
    index("jobs_name", "jobs", ["name"])
    index("jobs_task", "jobs", ["task"])
    table(
        "keys",
        sa.Column("scope", text(64), primary_key=True),
        sa.Column("key", text(255), primary_key=True),
        sa.Column("digest", text(64), nullable=False),
        sa.Column("target", text(36), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
    )
    index("keys_created", "keys", ["created"])
    table(
        "runs",
        sa.Column("id", text(36), primary_key=True),
        sa.Column("job_id", text(36), nullable=False),
        sa.Column("job_name", text(255), nullable=False),
        sa.Column("task", text(255), nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("cause", text(8), nullable=False),
        sa.Column("state", text(10), nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("not_before", sa.BigInteger),
        sa.Column("overlaps", sa.Boolean, nullable=False),
        sa.Column("parameters", TEXT, nullable=False),
        sa.Column("timeout", sa.Double),
        sa.Column("node", text(255)),
        sa.Column("node_id", text(36)),
        sa.Column("pid", sa.Integer),
        sa.Column("pid_started", sa.Double),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("started", sa.BigInteger),
        sa.Column("ended", sa.BigInteger),
        sa.Column("exit_code", sa.Integer),
        sa.Column("signal", text(16)),
        sa.Column("output_bytes", sa.BigInteger, nullable=False),
        sa.Column("output_kept", sa.BigInteger, nullable=False),
        sa.Column("output_truncated", sa.Boolean, nullable=False),
        sa.UniqueConstraint("job_id", "due", "attempt", name="runs_once"),
    )
    index("runs_of_job", "runs", ["job_id", "id"])
    index("runs_state", "runs", ["state", "id"])
    index("runs_active", "runs", ["state", "job_id"])
