"""The tables as the program uses them; `migrations/` holds how they came to be.

Instants are stored as whole microseconds since 1970 UTC: exact, sortable and alike on every database.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.mysql import MEDIUMBLOB, MEDIUMTEXT
from sqlalchemy.types import TypeEngine

from ...model.ids import EPOCH, MICROSECOND


class Instant(TypeDecorator[datetime]):
    """An aware datetime, kept as microseconds since 1970 UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else EPOCH + timedelta(microseconds=value)


class Span(TypeDecorator[timedelta]):
    """A duration, kept as microseconds."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: timedelta | None, dialect: Dialect) -> int | None:
        return None if value is None else value // MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> timedelta | None:
        return None if value is None else timedelta(microseconds=value)


class Words(TypeDecorator[str]):
    """Text of any length, or up to a number of characters, compared byte by byte on every database.

    Not every database accepts NUL and halves of surrogate pairs. They are stored as U+FFFD and "?": the last words of a
    task may contain anything, and they must not keep its outcome from being recorded.
    """

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        limited = isinstance(self.impl_instance, String) and self.impl_instance.length
        return self.impl_instance if limited else _long(dialect)

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None or (value.isascii() and "\0" not in value):
            return value
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _long(dialect: Dialect) -> TypeEngine[str]:
    return MEDIUMTEXT() if dialect.name == "mysql" else Text()  # MySQL's TEXT ends at 64 KiB


class Json(TypeDecorator[object]):
    """A small JSON value, kept as text."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        return _long(dialect)

    def process_bind_param(self, value: object, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> object:
        return None if value is None else json.loads(value)


class Tags(TypeDecorator[dict[str, str]]):
    """A node's tags, or the tags that a job requires: equal tags give equal text, and no tags give NULL."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        return _long(dialect)

    def process_bind_param(self, value: dict[str, str] | None, dialect: Dialect) -> str | None:
        return json.dumps(dict(value), sort_keys=True) if value else None

    def process_result_value(self, value: str | None, dialect: Dialect) -> dict[str, str]:
        return {} if value is None else json.loads(value)


metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("id", Words(36), primary_key=True),
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
    Column("paused_by", Words(255)),  # since 0005, as the next three: of a job that is paused
    Column("paused_at", Instant),
    Column("paused_until", Instant),
    Column("pause_reason", Words),
    Index("jobs_next_due", "next_due"),
    Index("jobs_awake", "paused", "next_due"),
    Index("jobs_watched", "watched", "id"),
    Index("jobs_overdue", "overdue"),
    Index("jobs_failing", "failing", "id"),
    Index("jobs_name", "name"),
    Index("jobs_task", "task"),
    Index("jobs_pauses", "paused", "paused_until"),
)

keys = Table(  # Idempotency-Key: what was asked under it, and what came of it
    "keys",
    metadata,
    Column("scope", Words(64), primary_key=True),
    Column("key", Words(255), primary_key=True),
    Column("digest", Words(64), nullable=False),
    Column("target", Words(36), nullable=False),
    Column("created", Instant, nullable=False),
    Index("keys_created", "created"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Words(36), primary_key=True),
    Column("job_id", Words(36), nullable=False),  # no foreign key: the record outlives the job
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
    Column("forced", Boolean),  # since 0005: a caller wanted it although its job was on hold
    # The promise, kept by the database.
    UniqueConstraint("job_id", "due", "attempt", "place", name="runs_once_a_place"),
    Index("runs_of_job", "job_id", "id"),
    Index("runs_state", "state", "id"),
    Index("runs_of_state", "state", "job_id", "ended"),
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
    Column("target", Words(36)),  # a job or a run
    Column("job_id", Words(36)),  # of that run
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
    Column("job_id", Words(36), nullable=False),
    Column("run_id", Words(36)),
    Column("task", Words(255), nullable=False),
    Column("event", Words(16), nullable=False),
    Column("url", Words(2048)),  # NULL: the receiver for all jobs
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
