"""What callers may say of their jobs, and ask of them, beyond 0004.

An expansion: a daemon of 0004 goes on beside it, and leaves what is new as it was.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from jobsched.store.sql.migrations.build import TEXT, grow, index, let_go, new_columns, table, text, widen

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what the functions below say."""
    _ids_that_are_words()
    _to_jobs()
    _to_runs()
    _changes()
    _labels()
    _hold_and_groups()
    new_columns("nodes", sa.Column("schema", text(8)), sa.Column("problem", TEXT))
    new_columns("deliveries", sa.Column("format", text(16)))
    _sets_that_are_staged()
    table(
        "token_uses",
        sa.Column("fingerprint", text(16), primary_key=True),
        sa.Column("used", sa.BigInteger, nullable=False),
    )
    _keys_of_jobs()
    let_go()


def _ids_that_are_words() -> None:
    """Let ids of jobs be words; add what is known of deleted jobs."""
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


def _to_jobs() -> None:
    """Add what is said of jobs, how they came to be paused, and the order of creation."""
    grow(
        "jobs",
        [
            sa.Column("labels", TEXT),
            sa.Column("description", TEXT),
            sa.Column("owner", text(255)),
            sa.Column("runbook", TEXT),
            sa.Column("on_isolation", text(8)),
            sa.Column("paused_by", text(255)),
            sa.Column("paused_at", sa.BigInteger),
            sa.Column("paused_until", sa.BigInteger),
            sa.Column("pause_reason", TEXT),
        ],
        {"jobs_made": ["created", "id"], "jobs_pauses": ["paused", "paused_until"]},
    )


def _to_runs() -> None:
    """Add of which run each is a rerun, what they used, whether they may start in spite of a hold, when they were told
    to end, for what they waited; indexes to find them by."""
    grow(
        "runs",
        [
            sa.Column("rerun_of", text(36)),
            sa.Column("cpu_seconds", sa.Double),
            sa.Column("max_rss", sa.BigInteger),
            sa.Column("forced", sa.Boolean),
            sa.Column("term_at", sa.BigInteger),
            sa.Column("kill_at", sa.BigInteger),
            sa.Column("waited_for", TEXT),
            sa.Column("on_isolation", text(8)),
            sa.Column("isolated", sa.BigInteger),
        ],
        {
            "runs_of_task": ["task", "id"],
            "runs_of_node": ["node", "id"],
            "runs_due": ["due", "id", "state", "until", "task", "job_id"],
            "runs_of_cause": ["cause", "id"],
            "runs_of_place": ["place", "id"],
            "runs_until": ["until", "id"],
        },
        runs_of_cause="cause <> 'schedule'",
        runs_of_place="place <> ''",
        runs_until="until IS NOT NULL",
    )


def _changes() -> None:
    """Add the changes that callers follow."""
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


def _labels() -> None:
    """Add the index of labels."""
    table(
        "job_labels",
        sa.Column("job_id", text(63, sqlite=36), primary_key=True),
        sa.Column("name", text(63), primary_key=True),
        sa.Column("value", text(63), nullable=False),
    )
    index("job_labels_value", "job_labels", ["name", "value", "job_id"])


def _hold_and_groups() -> None:
    """Add the hold; to the audit log what entries have in common."""
    grow("audit", [sa.Column("group", text(36))], {"audit_of_group": ["group", "id"]})
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
        sa.Column("told", sa.Boolean),
    )
    row = sa.table("hold", sa.column("id", sa.Integer))
    if op.get_bind().execute(sa.select(row.c.id)).first() is None:
        op.execute(sa.insert(row).values(id=1))


def _keys_of_jobs() -> None:
    """Add the keys of jobs."""
    table(
        "job_keys",
        sa.Column("id", text(36), primary_key=True),
        sa.Column("job_id", text(63, sqlite=36), nullable=False),
        sa.Column("job_created", sa.BigInteger, nullable=False),
        sa.Column("by", text(255)),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("last", text(8), nullable=False),
        sa.Column("hash", text(64), nullable=False),
    )
    index("job_keys_of_job", "job_keys", ["job_id", "id"])


def _sets_that_are_staged() -> None:
    """Add what is staged of a set of jobs: rows as they will be elsewhere, under the id of the set."""
    table(
        "staged_jobs",
        sa.Column("set_id", text(36), primary_key=True),
        sa.Column("id", text(63, sqlite=36), primary_key=True),
        sa.Column("what", text(8), nullable=False),
        sa.Column("moves", sa.Boolean, nullable=False),
        sa.Column("anew", sa.Boolean, nullable=False),
        sa.Column("relabel", sa.Boolean, nullable=False),
        sa.Column("was_version", sa.Integer),
        sa.Column("was_due", sa.BigInteger),
        sa.Column("was_starts", sa.Integer),
        *(sa.Column(name, text(255)) for name in ("name", "task", "cron", "owner", "paused_by")),
        *(
            sa.Column(name, sa.BigInteger)
            for name in (
                "every",
                "anchor",
                "at",
                "start",
                "end",
                "jitter",
                "misfire_grace",
                "retry_delay",
                "next_due",
                "created",
                "updated",
                "max_late",
                "must_succeed_every",
                "watched",
                "overdue",
                "forgotten",
                "ahead",
                "ahead_from",
                "paused_at",
                "paused_until",
            )
        ),
        *(sa.Column(name, text(64)) for name in ("timezone",)),
        *(sa.Column(name, text(8)) for name in ("overlap", "catch_up", "placement", "on_isolation")),
        *(sa.Column(name, sa.Integer) for name in ("retries", "max_runs", "starts", "version")),
        *(sa.Column(name, sa.Double) for name in ("timeout",)),
        *(
            sa.Column(name, TEXT)
            for name in (
                "parameters",
                "require",
                "notify",
                "overdue_reason",
                "labels",
                "description",
                "runbook",
                "pause_reason",
            )
        ),
        *(sa.Column(name, sa.Boolean) for name in ("paused",)),
    )
    table(
        "staged_labels",
        sa.Column("set_id", text(36), primary_key=True),
        sa.Column("job_id", text(63, sqlite=36), primary_key=True),
        sa.Column("name", text(63), primary_key=True),
        sa.Column("value", text(63), nullable=False),
    )
    table(
        "staged_entries",
        sa.Column("set_id", text(36), primary_key=True),
        sa.Column("id", text(36), primary_key=True),
        *(sa.Column(name, sa.BigInteger) for name in ("at",)),
        *(sa.Column(name, text(255)) for name in ("who", "address", "node", "name", "task")),
        *(sa.Column(name, text(32)) for name in ("action",)),
        *(sa.Column(name, text(63, sqlite=36)) for name in ("target", "job_id")),
        *(sa.Column(name, TEXT) for name in ("before", "after")),
        *(sa.Column(name, text(36)) for name in ("group",)),
    )
    index("staged_entries_target", "staged_entries", ["set_id", "target"])
