"""The tables as the program uses them; `migrations/` holds how they came to be. Those of changes, of keys, of uses of
tokens and of what is staged stand beside what uses them: `changes`, `job_keys`, `token_uses`, `staging_tables`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.mysql import MEDIUMBLOB
from sqlalchemy.types import TypeEngine

from .column_types import Instant, Json, Span, Tags, Words

metadata = MetaData()


def _job_id() -> TypeEngine[str]:
    """Wider since 0005: callers choose words. SQLite heeds no length, and its files keep what was said there."""
    return Words(63).with_variant(Words(36), "sqlite")


def where(condition: str) -> dict[str, Any]:
    """For an index of some rows alone; MariaDB and MySQL have no such, and index them all."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


jobs = Table(
    "jobs",
    metadata,
    Column("id", _job_id(), primary_key=True),
    Column("name", Words(255), nullable=False),
    Column("task", Words(255), nullable=False),
    Column("every", Span),  # exactly one of every, cron, at
    Column("anchor", Instant),  # the grid of `every` goes through it
    Column("cron", Words(255)),
    Column("at", Instant),
    Column("timezone", Words(64), nullable=False),
    Column("start", Instant),
    Column("end", Instant),
    Column("jitter", Span, nullable=False),
    Column("overlap", Words(8), nullable=False),
    Column("misfire_grace", Span),
    Column("catch_up", Words(8), nullable=False),
    Column("retries", Integer, nullable=False),
    Column("retry_delay", Span, nullable=False),
    Column("timeout", Double),
    Column("parameters", Json, nullable=False),
    Column("max_runs", Integer),
    Column("paused", Boolean, nullable=False),
    Column("next_due", Instant),
    Column("starts", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created", Instant, nullable=False),
    Column("updated", Instant, nullable=False),
    Column("placement", Words(8)),  # since 0002; a node before that leaves it NULL: any
    Column("require", Tags),
    Column("max_late", Span),  # since 0003
    Column("must_succeed_every", Span),
    Column("notify", Json),
    Column("watched", Instant),  # since when it is looked for whether it is overdue; NULL: it is not
    Column("succeeded", Instant),  # its last success among the runs that were forgotten
    Column("overdue", Instant),  # since when it is
    Column("overdue_reason", Words),
    Column("failing", Instant),  # since when it has not succeeded, and somebody was told so
    Column("forgotten", Instant),  # since 0004: dues up to here may have no record any more
    Column("ahead", Instant),  # since 0004: its dues were computed anew, for the clock was set back to before this
    Column("ahead_from", Instant),  # since 0004
    Column("labels", Tags),  # since 0005; `job_labels` has them too, to find jobs by
    Column("description", Words),  # since 0005
    Column("owner", Words(255)),  # since 0005
    Column("runbook", Words),  # since 0005
    Column("on_isolation", Words(8)),  # since 0005; a node before that leaves it NULL: end
    Column("paused_by", Words(255)),  # since 0005, as the next three: of a job that is paused
    Column("paused_at", Instant),
    Column("paused_until", Instant),
    Column("pause_reason", Words),
    Index("jobs_made", "created", "id"),  # since 0005: the order of GET /jobs
    Index("jobs_next_due", "next_due"),
    Index("jobs_awake", "paused", "next_due"),
    Index("jobs_watched", "watched", "id"),
    Index("jobs_overdue", "overdue"),
    Index("jobs_failing", "failing", "id"),
    Index("jobs_name", "name"),
    Index("jobs_task", "task"),
    Index("jobs_pauses", "paused", "paused_until"),
)

job_labels = Table(  # since 0005: the index of labels; what a daemon of 0004 leaves of deleted jobs does not count
    "job_labels",
    metadata,
    Column("job_id", _job_id(), primary_key=True),
    Column("name", Words(63), primary_key=True),
    Column("value", Words(63), nullable=False),
    Index("job_labels_value", "name", "value", "job_id"),
)

keys = Table(  # Idempotency-Key: what was asked under it, and what came of it
    "keys",
    metadata,
    Column("scope", Words(64), primary_key=True),
    Column("key", Words(255), primary_key=True),
    Column("digest", Words(64), nullable=False),
    Column("target", _job_id(), nullable=False),  # a job or a run
    Column("created", Instant, nullable=False),
    Index("keys_created", "created"),
)

former_jobs = Table(  # since 0005: jobs that were deleted, for when one of the same id is made
    "former_jobs",
    metadata,
    Column("id", _job_id(), primary_key=True),
    Column("task", Words(255), nullable=False),
    Column("version", Integer, nullable=False),  # the last one
    Column("created", Instant, nullable=False),
    Column("deleted", Instant, nullable=False),
    Index("former_jobs_deleted", "deleted"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Words(36), primary_key=True),
    Column("job_id", _job_id(), nullable=False),  # no foreign key: the record outlives the job
    Column("job_name", Words(255), nullable=False),
    Column("task", Words(255), nullable=False),
    Column("due", Instant, nullable=False),
    Column("until", Instant),
    Column("count", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("cause", Words(8), nullable=False),
    Column("state", Words(10), nullable=False),
    Column("reason", Words, nullable=False),
    Column("not_before", Instant),
    Column("overlaps", Boolean, nullable=False),
    Column("parameters", Json, nullable=False),
    Column("timeout", Double),
    Column("node", Words(255)),
    Column("node_id", Words(36)),
    Column("pid", Integer),
    Column("pid_started", Double),
    Column("created", Instant, nullable=False),
    Column("started", Instant),
    Column("ended", Instant),
    Column("exit_code", Integer),
    Column("signal", Words(16)),
    Column("output_bytes", BigInteger, nullable=False),
    Column("output_kept", BigInteger, nullable=False),
    Column("output_truncated", Boolean, nullable=False),
    Column("require", Tags),  # since 0002
    Column("place", Words(255), nullable=False, server_default=""),
    Column("stop", Words),
    Column("left_behind", Integer),  # since 0004
    Column("rerun_of", Words(36)),  # since 0005
    Column("cpu_seconds", Double),  # since 0005
    Column("max_rss", BigInteger),  # since 0005
    Column("forced", Boolean),  # since 0005: a caller wanted it although its job was on hold
    *(Column(name, Instant) for name in ("term_at", "kill_at", "isolated")),  # since 0005
    Column("waited_for", Words),  # since 0005
    Column("on_isolation", Words(8)),  # since 0005; as that of jobs
    # The promise, kept by the database.
    UniqueConstraint("job_id", "due", "attempt", "place", name="runs_once_a_place"),
    Index("runs_of_job", "job_id", "id"),
    Index("runs_state", "state", "id"),
    Index("runs_of_state", "state", "job_id", "ended"),
    Index("runs_of_task", "task", "id"),  # since 0005, as are all below
    Index("runs_of_node", "node", "id"),
    Index("runs_due", "due", "id", "state", "until", "task", "job_id"),  # behind `id`: what is counted by
    # Of few runs, where a database can leave the others out.
    Index("runs_of_cause", "cause", "id", **where("cause <> 'schedule'")),
    Index("runs_of_place", "place", "id", **where("place <> ''")),
    Index("runs_until", "until", "id", **where("until IS NOT NULL")),
)
LAST_DUE = func.coalesce(runs.c.until, runs.c.due, type_=runs.c.due.type)  # of those that a row stands for
OF_A_DUE = (runs.c.cause == "schedule") & (runs.c.attempt == 1)

tails = Table(  # the end of what runs printed, for when the node that has the whole is gone
    "tails",
    metadata,
    Column("run_id", Words(36), primary_key=True),
    Column("start", BigInteger, nullable=False),  # bytes before the first that is here
    Column("data", LargeBinary().with_variant(MEDIUMBLOB(), "mysql"), nullable=False),
)

nodes = Table(
    "nodes",
    metadata,
    Column("id", Words(36), primary_key=True),
    Column("name", Words(255), nullable=False),
    Column("url", Words(2048)),
    Column("tags", Tags),
    Column("tasks", Json, nullable=False),
    Column("version", Words(64), nullable=False),
    Column("since", Instant, nullable=False),
    Column("seen", Instant, nullable=False),  # carried ahead by what the lease is longer than 10 s: see store/sql/nodes
    Column("state", Words(8), nullable=False),
    Column("running", Integer, nullable=False),
    Column("slots", Integer, nullable=False),
    Column("tried", BigInteger, nullable=False),
    Column("won", BigInteger, nullable=False),
    Column("lease", Span),  # since 0004: in force for it; a node before that leaves it NULL: 10 s
    Column("lease_asked", Span),  # as its configuration says
    Column("schema", Words(8)),  # since 0005: that its release knows; a node before that leaves it NULL
    Column("problem", Words),  # since 0005
)

settings = Table(  # since 0004: what all nodes go by
    "settings",
    metadata,
    Column("name", Words(64), primary_key=True),
    Column("value", Json, nullable=False),
)

hold = Table(  # since 0005: the hold that there is or was last, in the one row that there always is
    "hold",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("by", Words(255)),
    Column("at", Instant),  # NULL: there was none yet
    Column("until", Instant),
    Column("reason", Words),
    Column("select", Json),
    Column("tasks", Json),
    Column("missed", Words(8)),
    Column("waiting", Words(8)),
    Column("version", Integer),
    Column("told", Boolean),  # whether those who follow changes have been told of its end
)

audit = Table(  # who changed what; no foreign key: it outlives what it tells of
    "audit",
    metadata,
    Column("id", Words(36), primary_key=True),
    Column("at", Instant, nullable=False),
    Column("who", Words(255)),  # the name of a token
    Column("address", Words(255), nullable=False),
    Column("node", Words(255), nullable=False),
    Column("action", Words(32), nullable=False),
    Column("target", _job_id()),  # a job or a run
    Column("job_id", _job_id()),  # of that run
    Column("name", Words(255)),
    Column("task", Words(255)),
    Column("before", Json),
    Column("after", Json),
    Column("group", Words(36)),  # since 0005
    Index("audit_target", "target", "id"),
    Index("audit_of_job", "job_id", "id"),
    Index("audit_of_group", "group", "id"),
)

deliveries = Table(  # notifications, on their way or told
    "deliveries",
    metadata,
    Column("id", Words(36), primary_key=True),
    Column("job_id", _job_id(), nullable=False),
    Column("run_id", Words(36)),
    Column("task", Words(255), nullable=False),
    Column("event", Words(16), nullable=False),
    Column("url", Words(2048)),  # NULL: the receiver for all jobs
    Column("format", Words(16)),  # of the receiver at `url`; NULL: JSON; since 0005
    Column("place", Words(300), nullable=False),  # its host and port
    Column("body", Json, nullable=False),
    Column("state", Words(10), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created", Instant, nullable=False),
    Column("not_before", Instant, nullable=False),  # of the next attempt; while one is made, when another may be
    Column("ended", Instant),
    Column("status", Integer),  # of the last answer
    Column("error", Words),
    Index("deliveries_waiting", "state", "not_before", "place"),
    Index("deliveries_of_run", "run_id", "id"),
    Index("deliveries_of_job", "job_id", "id"),
)
