"""The tables as the program uses them; `migrations/` holds how they came to be.

Instants are stored as whole microseconds since 1970 UTC: exact, sortable and alike on every database.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

from ..model.ids import EPOCH, MICROSECOND


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


class Json(TypeDecorator[Any]):
    """A small JSON value, kept as text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("task", String(255), nullable=False),
    Column("every", Span),  # exactly one of every, cron, at
    Column("anchor", Instant),  # the grid of `every` goes through it
    Column("cron", String(255)),
    Column("at", Instant),
    Column("timezone", String(64), nullable=False),
    Column("start", Instant),
    Column("end", Instant),
    Column("jitter", Span, nullable=False),
    Column("overlap", String(8), nullable=False),
    Column("misfire_grace", Span),
    Column("catch_up", String(8), nullable=False),
    Column("retries", Integer, nullable=False),
    Column("retry_delay", Span, nullable=False),
    Column("timeout", Float(53)),
    Column("parameters", Json, nullable=False),
    Column("max_runs", Integer),
    Column("paused", Boolean, nullable=False),
    Column("next_due", Instant),
    Column("starts", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created", Instant, nullable=False),
    Column("updated", Instant, nullable=False),
    Index("jobs_next_due", "next_due"),
    Index("jobs_name", "name"),
    Index("jobs_task", "task"),
)

keys = Table(  # Idempotency-Key: what was asked under it, and what came of it
    "keys",
    metadata,
    Column("scope", String(64), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("target", String(36), nullable=False),
    Column("created", Instant, nullable=False),
    Index("keys_created", "created"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("job_id", String(36), nullable=False),  # no foreign key: the record outlives the job
    Column("job_name", String(255), nullable=False),
    Column("task", String(255), nullable=False),
    Column("due", Instant, nullable=False),
    Column("until", Instant),
    Column("count", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("cause", String(8), nullable=False),
    Column("state", String(10), nullable=False),
    Column("reason", Text, nullable=False),
    Column("not_before", Instant),
    Column("overlaps", Boolean, nullable=False),
    Column("parameters", Json, nullable=False),
    Column("timeout", Float(53)),
    Column("node", String(255)),
    Column("node_id", String(36)),
    Column("pid", Integer),
    Column("pid_started", Float(53)),
    Column("created", Instant, nullable=False),
    Column("started", Instant),
    Column("ended", Instant),
    Column("exit_code", Integer),
    Column("signal", String(16)),
    Column("output_bytes", BigInteger, nullable=False),
    Column("output_kept", BigInteger, nullable=False),
    Column("output_truncated", Boolean, nullable=False),
    UniqueConstraint("job_id", "due", "attempt", name="runs_once"),  # the promise, kept by the database
    Index("runs_of_job", "job_id", "id"),
    Index("runs_state", "state", "id"),
    Index("runs_active", "state", "job_id"),
)
